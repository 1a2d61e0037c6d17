"""Nothing is sent while a venue has stopped an address, or a key: seen where requests arrive.

On Binance, under HTTP 429, only what reduces, and what it needs, may go on until Retry-After is over; under
418 nothing. On Hyperliquid nothing may after 429, for as long as we wait there. On Bybit nothing may for ten
minutes after 403, and a key whose order came too often sends no other one for a second. The latter two are
heeded only by an engine that is paced.
Only a stop that was answered at once counts, over a line that lives: who asked may be gone when an answer was
slow.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import trio

from exchanges.bybit.codes import IP_BAN_S, RATE_RETRY_S
from exchanges.hyperliquid.codes import LOAD_RETRY_S
from exchanges.sandbox import FaultKind, LedgerRow
from exchanges.sandbox.binance.requests import BAN_MS, RETRY_S
from exchanges.sandbox.faults import Fault, Faults
from exchanges.sandbox.rules import only_reduces

MOMENT_S = 0.001
BAN, BYBIT_BAN = 418, 403
ORDERS = frozenset({"POST /fapi/v1/order", "order.place"})
"""Whether they open is told when they have arrived in the books."""
ESSENTIAL = ORDERS | {
    "GET /fapi/v1/order",
    "GET /fapi/v1/time",
    "POST /fapi/v1/listenKey",
    "PUT /fapi/v1/listenKey",
}
"""What a reduction needs: its place in time, its outcome and the stream that tells it."""
BYBIT_ORDERS = frozenset({"/v5/order/create", "order.create"})
OTHER_BUDGET = "/sapi/"
WAY_S_MAX = 30.0


@attrs.frozen
class _Stop:
    since: float
    until: float
    is_ban: bool
    life: object
    """The engine that was told; its successor does not know."""
    account: str | None = None
    """Whose key is stopped; None: everybody."""

    def holds(self, moment: float, life: object) -> bool:
        return self.since + MOMENT_S < moment < self.until - MOMENT_S and life is self.life


@attrs.define
class Bans:
    """The stops of one address, and the requests that came in spite of them."""

    say: Callable[[str], None]
    life: Callable[[], object]
    """Returns the engine that runs now."""
    _stops: list[_Stop] = attrs.field(factory=list)
    _way: dict[tuple[str | None, str | None], float] = attrs.field(factory=dict)
    """When the last request of each kind came without a delay."""
    _dead_until: float = -math.inf
    """Some lines are dead: what is answered over them nobody hears."""
    _orders: dict[str | None, deque[tuple[float, float]]] = attrs.field(factory=dict)
    """When orders of an account came to the venue, and when into its books."""

    def watch(self, faults: Faults) -> None:
        """Hear of every request that comes, and of every one that is refused for its rate."""
        strike, delay_s = faults.strike, faults.delay_s

        def struck(kind: FaultKind, **where: Any) -> Fault | None:
            fault = strike(kind, **where)
            if fault is not None and kind is FaultKind.RATE_LIMIT:
                self.refused(fault, where.get("account"), where.get("endpoint"))
            return fault

        def delayed_s(kind: FaultKind, **where: Any) -> float:
            found_s = delay_s(kind, **where)
            if kind is FaultKind.DELAY_REQUEST:
                self.comes(where.get("account"), where.get("endpoint"), found_s)
            elif kind is FaultKind.DELAY_ANSWER and found_s:
                self._forget_stop_of_now()
            return found_s

        faults.strike = struck  # type: ignore[method-assign]
        faults.delay_s = delayed_s  # type: ignore[method-assign]

    def comes(self, account: str | None, endpoint: str | None, delay_s: float) -> None:
        """Take a request that comes to the venue, which looks at it after ``delay_s``."""
        now = trio.current_time()
        if not delay_s:
            self._way[account, endpoint] = now
        if endpoint in ORDERS:
            ways = self._orders.setdefault(account, deque())
            ways.append((now, now + delay_s))
            while ways[0][0] < now - WAY_S_MAX:
                ways.popleft()
        elif endpoint is None or OTHER_BUDGET in endpoint:
            return
        stop = self._stop_at(now)
        if stop is not None and (stop.is_ban or endpoint not in ESSENTIAL):
            self.say(
                f"{account or 'nobody'} sends {endpoint}, stopped from {stop.since:.3f} to {stop.until:.3f}"
            )

    def refused(self, fault: Fault, account: str | None, endpoint: str | None) -> None:
        """Take an answer that stops the address, where it says until when."""
        told = fault.headers and endpoint is not None and OTHER_BUDGET not in endpoint
        of_address = fault.status in (429, BAN) or endpoint not in ORDERS
        if told and of_address and self._is_heard(account, endpoint):
            is_ban = fault.status == BAN
            self._stop_all(BAN_MS / 1000 if is_ban else RETRY_S, is_ban=is_ban)

    def lines_are_cut(self, dead_s: float) -> None:
        """Forget who was told just now; with ``dead_s`` nobody is told for sure for so long."""
        self._forget_stop_of_now()
        if dead_s:
            self._dead_until = max(self._dead_until, trio.current_time() + dead_s)

    def _is_heard(self, account: str | None, endpoint: str | None) -> bool:
        """Tell whether an answer of this moment gets to who asked, and at once."""
        now = trio.current_time()
        return self._way.get((account, endpoint)) == now and now > self._dead_until

    def arrived(self, row: LedgerRow) -> None:
        """Look at an order that has come into the books: did it leave while nothing might be opened?"""
        if only_reduces(row.intent):
            return
        now = trio.current_time()
        came = [at for at, in_books in self._orders.get(row.account, ()) if abs(in_books - now) < MOMENT_S]
        stops = [self._stop_at(at) for at in came]
        if stops and all(stops):
            self.say(
                f"{row.account} opens {row.intent.quantity} {row.intent.symbol} while stopped: {stops[0]}"
            )

    def _stop_all(self, seconds: float, *, is_ban: bool, account: str | None = None) -> None:
        now = trio.current_time()
        self._stops = [it for it in self._stops if it.until > now]
        self._stops.append(_Stop(now, now + seconds, is_ban, self.life(), account))

    def _stop_at(self, moment: float) -> _Stop | None:
        life = self.life()
        return next((stop for stop in reversed(self._stops) if stop.holds(moment, life)), None)

    def _forget_stop_of_now(self) -> None:
        now = trio.current_time()
        self._stops = [stop for stop in self._stops if stop.since != now]


class HyperliquidBans(Bans):
    """The stops of one address there: of everything, and the answer does not say until when."""

    def comes(self, account: str | None, endpoint: str | None, delay_s: float) -> None:
        """Take a request that comes to the venue, which looks at it after ``delay_s``."""
        now = trio.current_time()
        if not delay_s:
            self._way[account, endpoint] = now
        stop = self._stop_at(now)
        if stop is not None:
            self.say(
                f"{account or 'nobody'} sends {endpoint}, stopped from {stop.since:.3f} to {stop.until:.3f}"
            )

    def refused(self, fault: Fault, account: str | None, endpoint: str | None) -> None:
        """Take an answer that stops the address; an action that costs its account too much stops nobody."""
        is_read = endpoint is not None and not endpoint.endswith(("/order", "/updateLeverage"))
        if (is_read or fault.status == 429) and self._is_heard(account, endpoint):
            self._stop_all(LOAD_RETRY_S, is_ban=True)

    def arrived(self, row: LedgerRow) -> None:
        """An order is one of the requests: it was looked at when it came."""


class BybitBans(Bans):
    """The stops of each key's orders there, and of the address."""

    def comes(self, account: str | None, endpoint: str | None, delay_s: float) -> None:
        """Take a request that comes to the venue, which looks at it after ``delay_s``."""
        now = trio.current_time()
        if not delay_s:
            self._way[account, endpoint] = now
        stopping = [it for it in self._stops if it.holds(now, self.life())]
        for stop in stopping:
            if stop.account is None:
                self.say(f"{account} sends {endpoint}, banned from {stop.since:.3f} to {stop.until:.3f}")
            elif stop.account == account and endpoint in BYBIT_ORDERS:
                self.say(f"{account} sends an order, stopped from {stop.since:.3f} to {stop.until:.3f}")

    def refused(self, fault: Fault, account: str | None, endpoint: str | None) -> None:
        """Take an answer that stops a key's orders, or the address; HTTP 429 is of one request."""
        told = fault.status != 429 and self._is_heard(account, endpoint)
        if told and fault.status == BYBIT_BAN:
            self._stop_all(IP_BAN_S, is_ban=True)
        elif told and endpoint in BYBIT_ORDERS:
            self._stop_all(RATE_RETRY_S, is_ban=True, account=account)

    def arrived(self, row: LedgerRow) -> None:
        """An order is one of the requests: it was looked at when it came."""


KINDS: Mapping[str, type[Bans]] = {
    "binance": Bans,
    "bybit": BybitBans,
    "hyperliquid": HyperliquidBans,
}
"""By the venue."""
