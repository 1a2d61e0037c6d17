"""Signed and public REST requests to Binance, and what their answers let the caller do next."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import trio

from exchanges.binance.clock import VenueClock
from exchanges.binance.codes import EXCHANGE, failure, is_clock, stops_address
from exchanges.binance.limits import READ_PATIENCE_S, AddressLimits, OrderLimits
from exchanges.binance.signing import READ_WINDOW_MS, Params, Signer
from exchanges.binance.wire import error_of, load, reading, whole
from exchanges.errors import (
    ExchangeError,
    MalformedMessage,
    OutcomeUnknown,
    RateLimited,
    RequestNotSent,
)
from exchanges.http import HttpAnswer, HttpClient
from exchanges.pacing import Urgency

ORDER_PATH = "/fapi/v1/order"
LISTEN_KEY_PATH = "/fapi/v1/listenKey"
TIME_PATH = "/fapi/v1/time"
RESYNC_S = 2.0
BODY_TEXT_MAX = 200


class BinanceRest:
    """Sends requests for one account, or for none: then only public ones."""

    __slots__ = ("_clock", "_http", "_orders", "_shared", "_signer")

    def __init__(
        self,
        http: HttpClient,
        *,
        clock: VenueClock,
        shared: AddressLimits,
        signer: Signer | None = None,
        orders: OrderLimits | None = None,
    ) -> None:
        self._http = http
        self._clock = clock
        self._shared = shared
        self._signer = signer
        self._orders = orders

    async def read(
        self, path: str, params: Params = (), *, weight: int, urgency: Urgency = Urgency.READ
    ) -> Any:
        """Ask for something and return the JSON of the answer; signed where there is an account.

        An answer that is lost on the way, or a refused timestamp, is asked for once more. Raises:
        ExchangeError's kinds; OutcomeUnknown means only that nothing was read.
        """
        try:
            return await self._send_signed("GET", path, params, weight, urgency)
        except OutcomeUnknown:
            return await self._send_signed("GET", path, params, weight, urgency)
        except RequestNotSent as error:
            if not is_clock(error):
                raise
            return await self._send_signed("GET", path, params, weight, urgency)

    async def change_setting(self, path: str, params: Params, *, weight: int) -> Any:
        """Post a setting; "is so already" is success, with an empty answer."""
        return await self._send_signed("POST", path, params, weight, Urgency.OPEN)

    async def listen_key(self, method: str) -> Any:
        """Ask for a listen key (POST) or prolong it (PUT). It is never deleted: a deleted key silences
        every other stream of the account."""
        await self._shared.pass_request(1, Urgency.REDUCE)
        answer = await self._http.send(method, LISTEN_KEY_PATH, headers=self._headers())
        return self._judge(answer)

    async def new_order(self, params: Params, *, urgency: Urgency, window_ms: int) -> Any:
        """Post an order whose turn has come; at most once.

        Raises: RequestNotSent, RequestRejected, OutcomeUnknown; MalformedMessage never.
        """
        self._shared.check_stop(urgency)
        try:
            return await self._send_once("POST", ORDER_PATH, params, window_ms)
        except MalformedMessage as error:
            raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error

    async def measure_clock(self) -> None:
        """Read the venue's clock; requests are stamped by it from then on."""
        await self._shared.pass_request(1, Urgency.REDUCE)
        sent_ms = self._clock.wall_ms()
        answer = await self._http.send("GET", TIME_PATH, headers={})
        received_ms = self._clock.wall_ms()
        with reading("time"):
            venue_ms = whole(self._judge(answer)["serverTime"])
        self._clock.measured(sent_ms=sent_ms, venue_ms=venue_ms, received_ms=received_ms)

    async def resync(self) -> None:
        """Read the clock anew because a timestamp was refused; many that find out at once ask once."""
        refused_at = trio.current_time()
        with trio.move_on_after(RESYNC_S):
            async with self._clock.measuring:
                if self._clock.measured_at > refused_at:
                    return
                self._clock.forget()
                with suppress(ExchangeError):  # the next request is refused again and asks again
                    await self.measure_clock()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send_signed(
        self, method: str, path: str, params: Params, weight: int, urgency: Urgency
    ) -> Any:
        await self._shared.pass_request(weight, urgency, READ_PATIENCE_S)
        return await self._send_once(method, path, params, READ_WINDOW_MS)

    async def _send_once(self, method: str, path: str, params: Params, window_ms: int) -> Any:
        answer = await self._http.send(method, self._target(path, params, window_ms), headers=self._headers())
        try:
            return self._judge(answer)
        except RequestNotSent as error:
            if is_clock(error):
                await self.resync()
            raise

    def _target(self, path: str, params: Params, window_ms: int) -> str:
        if self._signer is None:
            return f"{path}?{urlencode(params)}" if params else path
        query = self._signer.query(params, timestamp_ms=self._clock.venue_ms(), window_ms=window_ms)
        return f"{path}?{query}"

    def _headers(self) -> dict[str, str]:
        return {} if self._signer is None else {"X-MBX-APIKEY": self._signer.api_key}

    def _judge(self, answer: HttpAnswer) -> Any:
        """Return what was answered; raises ExchangeError's kinds, MalformedMessage for nonsense."""
        self._shared.learn_headers(answer.headers)
        if self._orders is not None:
            self._orders.learn_headers(answer.headers)
        if answer.status != 200:
            return self._refusal(answer)
        found = load(answer.body)
        code, _ = error_of(found)
        return self._refusal(answer) if code is not None and code < 0 else found

    def _refusal(self, answer: HttpAnswer) -> Any:
        try:
            code, text = error_of(load(answer.body))
        except MalformedMessage:
            code, text = None, ""
        error = failure(
            code,
            text or answer.body[:BODY_TEXT_MAX].decode("utf-8", "replace"),
            status=answer.status,
            retry_after=answer.headers.get("Retry-After"),
            venue_ms=self._clock.venue_ms(),
        )
        if isinstance(error, RateLimited):
            heed(error, answer.status, self._shared, self._orders)
        if error is None:
            return {}
        raise error


def heed(error: RateLimited, status: int, shared: AddressLimits, orders: OrderLimits | None) -> None:
    """Hold back what the venue has refused for its rate: the whole address, or one account's orders."""
    if stops_address(error):
        shared.stopped(error, status)
    elif orders is not None:
        orders.refused(error)
