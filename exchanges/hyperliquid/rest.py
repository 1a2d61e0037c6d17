"""Reads (`/info`) and signed actions (`/exchange`) over HTTP, and what their answers let the caller do."""

import json
from collections.abc import Mapping
from typing import Any

import trio

from exchanges.clock import Clock
from exchanges.errors import ExchangeError, MalformedMessage, OutcomeUnknown, RequestRejected
from exchanges.http import HttpAnswer, HttpClient
from exchanges.hyperliquid import codes
from exchanges.hyperliquid.codes import Asked
from exchanges.hyperliquid.limits import (
    EXCHANGE,
    FILLS_WEIGHT,
    INFO_WEIGHT,
    INFO_WEIGHTS,
    READ_PATIENCE_S,
    AddressLimits,
)
from exchanges.hyperliquid.wire import load
from exchanges.pacing import Urgency

_HEADERS = {"Content-Type": "application/json"}


class VenueClock:
    """The venue's time as far as it was measured: expiries are judged by it, nonces by ours.

    From a measurement on it runs by trio's clock: ours may be set meanwhile, and by a wrong time the
    venue would take every order for expired until the next measurement.
    """

    __slots__ = ("_clock", "_measured")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._measured: tuple[int, float] | None = None
        """The venue's milliseconds at a moment of trio's clock."""

    @property
    def offset_ms(self) -> int:
        """The venue's time minus ours, as our clock is now."""
        return self.venue_ms() - self.wall_ms()

    def measured(self, offset_ms: int) -> None:
        """Take how far the venue's clock was found to be ahead of ours now."""
        self._measured = self.wall_ms() + offset_ms, trio.current_time()

    def wall_ms(self) -> int:
        """Return our own wall clock's milliseconds."""
        return self._clock.wall_ms()

    def venue_ms(self) -> int:
        """Return the venue's milliseconds."""
        if self._measured is None:
            return self.wall_ms()
        venue_ms, at = self._measured
        return venue_ms + int((trio.current_time() - at) * 1000)


class HyperliquidRest:
    """Sends requests over one client; whose they are is written in their bodies."""

    __slots__ = ("_http", "_limits")

    def __init__(self, http: HttpClient, *, limits: AddressLimits) -> None:
        self._http = http
        self._limits = limits

    async def read(
        self,
        kind: str,
        *,
        urgency: Urgency = Urgency.READ,
        patience_s: float = READ_PATIENCE_S,
        **fields: object,
    ) -> Any:
        """Ask for something; an answer that is lost on the way is asked for once more.

        Raises: ExchangeError's kinds; OutcomeUnknown means only that nothing was read.
        """
        body = {"type": kind, **fields}
        weight = FILLS_WEIGHT if kind.startswith("userFills") else INFO_WEIGHTS.get(kind, INFO_WEIGHT)
        for last in (False, True):
            await self._limits.pass_weight(weight, urgency, patience_s=patience_s)
            try:
                return self._judge(await self._post("/info", body), Asked.READ)
            except OutcomeUnknown:
                if last:
                    raise
        raise AssertionError("unreachable")

    async def act(self, body: Mapping[str, Any], asked: Asked) -> Any:
        """Post a signed action whose turn has come, at most once, and return the answer.

        Raises: RequestNotSent, RequestRejected, OutcomeUnknown.
        """
        answer = await self._post("/exchange", body)
        try:
            return self._judge(answer, asked)
        except MalformedMessage as error:
            raise OutcomeUnknown(str(error), exchange=EXCHANGE) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _post(self, path: str, body: Mapping[str, Any]) -> HttpAnswer:
        content = json.dumps(body, separators=(",", ":")).encode()
        return await self._http.send("POST", path, headers=_HEADERS, content=content)

    def _judge(self, answer: HttpAnswer, asked: Asked) -> Any:
        failed = codes.http_failure(answer.status, asked)
        if answer.status == 429:
            self._limits.refused(codes.LOAD_RETRY_S)
        if failed is not None:
            raise _with_text(failed, answer.body)
        return load(answer.body)


def _with_text(failed: ExchangeError, body: bytes) -> ExchangeError:
    """Add what the venue wrote beside a refusing status: a bug of ours is found by it."""
    if isinstance(failed, RequestRejected):
        said = f"{failed}: {body[:200].decode('utf-8', 'replace')}"
        return RequestRejected(said, refusal=failed.refusal, exchange=EXCHANGE, code=failed.code)
    return failed
