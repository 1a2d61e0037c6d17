"""Reads (`/info`) and signed actions (`/exchange`) over HTTP, and what their answers let the caller do."""

import json
from collections.abc import Mapping
from typing import Any

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
    """The venue's time as far as it was measured: expiries are judged by it, nonces by ours."""

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
