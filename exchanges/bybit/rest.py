"""Signed and public REST requests to Bybit V5, and what their answers let the caller do next."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attrs

from exchanges.bybit import codes
from exchanges.bybit.codes import EXCHANGE, Asked
from exchanges.bybit.limits import (
    ORDER_PATIENCE_S,
    READ_PATIENCE_S,
    AddressLimits,
    KeyLimits,
    Pool,
    retry_after_s,
)
from exchanges.bybit.signing import Signer
from exchanges.bybit.wire import load_object, reading, whole
from exchanges.clock import Clock
from exchanges.errors import MalformedMessage, OutcomeUnknown, RateLimited
from exchanges.http import HttpAnswer, HttpClient
from exchanges.pacing import Urgency

READ_WINDOW_MS = 5_000
PAGES_MAX = 200
"""A cursor that never ends is a fault of the venue's, not a list."""


class VenueClock:
    """The venue's time as far as it was measured: a request that is 1 s ahead of it is refused."""

    __slots__ = ("_clock", "offset_ms")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ms = 0

    def wall_ms(self) -> int:
        """Return our own wall clock's milliseconds."""
        return self._clock.wall_ms()

    def venue_ms(self) -> int:
        """Return the venue's milliseconds."""
        return self._clock.wall_ms() + self.offset_ms

    def correct(self, venue_ms: int) -> None:
        """Take the time of an answer that refused our stamp: the next request is stamped by it.

        Without it reductions would be refused until the clocks are compared again (R13). It is off by
        the answer's way, which ``recv_window`` allows for.
        """
        self.offset_ms = venue_ms - self._clock.wall_ms()


@attrs.frozen(kw_only=True)
class Answer:
    """A successful answer: its result and the venue's time in it."""

    result: Mapping[str, Any]
    venue_time_ms: int


class BybitRest:
    """Sends requests for one account, or for none: then only public ones."""

    __slots__ = ("_clock", "_http", "_key", "_shared", "_signer")

    def __init__(
        self,
        http: HttpClient,
        *,
        clock: VenueClock,
        shared: AddressLimits,
        signer: Signer | None = None,
        key: KeyLimits | None = None,
    ) -> None:
        self._http = http
        self._clock = clock
        self._shared = shared
        self._signer = signer
        self._key = key or KeyLimits(shared)

    async def read(
        self,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        pool: Pool = Pool.READS,
        urgency: Urgency = Urgency.READ,
    ) -> Answer:
        """Ask for something; an answer that is lost on the way is asked for once more.

        Raises: ExchangeError's kinds; OutcomeUnknown means only that nothing was read.
        """
        return await self._read(path, _query(params), pool, urgency)

    async def read_pages(
        self, path: str, params: Sequence[tuple[str, str]], *, pool: Pool = Pool.READS
    ) -> tuple[Answer, ...]:
        """Ask for every page of a list. The cursor comes percent-encoded and goes back as it came."""
        query = _query(params)
        pages: list[Answer] = []
        cursor = ""
        while len(pages) < PAGES_MAX:
            asked = f"{query}&cursor={cursor}" if cursor else query
            page = await self._read(path, asked, pool, Urgency.READ)
            pages.append(page)
            following = page.result.get("nextPageCursor") or ""
            if not following or following == cursor or not rows_of(page):
                return tuple(pages)
            cursor = _checked_cursor(following)
        raise MalformedMessage(f"{path}: more than {PAGES_MAX} pages", exchange=EXCHANGE)

    async def change_setting(self, path: str, body: str) -> Answer:
        """Post a setting; "not modified" is success."""
        await self._key.pass_pool(Pool.SETTINGS, Urgency.OPEN)
        await self._shared.pass_request(Urgency.OPEN, READ_PATIENCE_S)
        return await self._post(path, body, Pool.SETTINGS, Asked.SETTING, READ_WINDOW_MS)

    async def create_order(self, body: str, urgency: Urgency, *, recv_window_ms: int) -> Answer:
        """Post an order whose turn in its key's budget has come; at most once.

        Raises: RequestNotSent, RequestRejected, OutcomeUnknown; MalformedMessage never.
        """
        await self._shared.pass_request(urgency, ORDER_PATIENCE_S)
        try:
            return await self._post("/v5/order/create", body, Pool.ORDERS, Asked.ORDER, recv_window_ms)
        except MalformedMessage as error:
            raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _read(self, path: str, query: str, pool: Pool, urgency: Urgency) -> Answer:
        try:
            return await self._get(path, query, pool, urgency)
        except OutcomeUnknown:
            return await self._get(path, query, pool, urgency)

    async def _get(self, path: str, query: str, pool: Pool, urgency: Urgency) -> Answer:
        await self._key.pass_pool(pool, urgency)
        await self._shared.pass_request(urgency, READ_PATIENCE_S)
        target = f"{path}?{query}" if query else path
        answer = await self._http.send("GET", target, headers=self._headers(query, READ_WINDOW_MS))
        return self._judge(answer, pool, Asked.READ)

    async def _post(self, path: str, body: str, pool: Pool, asked: Asked, window_ms: int) -> Answer:
        headers = self._headers(body, window_ms) | {"Content-Type": "application/json"}
        answer = await self._http.send("POST", path, headers=headers, content=body.encode())
        return self._judge(answer, pool, asked)

    def _headers(self, payload: str, recv_window_ms: int) -> dict[str, str]:
        if self._signer is None:
            return {}
        return self._signer.headers(
            payload, timestamp_ms=self._clock.venue_ms(), recv_window_ms=recv_window_ms
        )

    def _judge(self, answer: HttpAnswer, pool: Pool, asked: Asked) -> Answer:
        """Return what was answered; raises ExchangeError's kinds, MalformedMessage for nonsense."""
        headers = answer.headers
        self._key.learn(pool, headers.get("X-Bapi-Limit"))
        failed = codes.http_failure(answer.status, asked)
        if failed is not None:
            if answer.status == 403:
                self._shared.banned()
            raise failed
        envelope = load_object(answer.body)
        with reading("envelope"):
            code = whole(envelope["retCode"])
            text = str(envelope.get("retMsg") or "")
            venue_time_ms = whole(envelope.get("time") or 0)
        failed = codes.failure(
            code,
            text,
            asked,
            retry_after_s=retry_after_s(headers.get("X-Bapi-Limit-Reset-Timestamp"), venue_time_ms or None),
        )
        if isinstance(failed, RateLimited):
            self._key.refused(pool, failed)
        if code == codes.STAMP_REFUSED and venue_time_ms:
            self._clock.correct(venue_time_ms)
        if failed is not None:
            raise failed
        result = envelope.get("result")
        return Answer(result=result if isinstance(result, dict) else {}, venue_time_ms=venue_time_ms)


def _query(params: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in params)


def rows_of(answer: Answer) -> list[Any]:
    """Return the rows of a listing; raises MalformedMessage when it is none."""
    rows = answer.result.get("list")
    if not isinstance(rows, list):
        raise MalformedMessage(f"no list in {str(answer.result)[:200]}", exchange=EXCHANGE)
    return rows


def _checked_cursor(cursor: object) -> str:
    """Return a cursor that may stand in a query as it is."""
    if not isinstance(cursor, str) or not cursor.isascii() or any(c in cursor for c in "&?# \r\n\t"):
        raise MalformedMessage(f"cursor {str(cursor)[:80]!r}", exchange=EXCHANGE)
    return cursor
