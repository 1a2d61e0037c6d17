"""Request weight per IP and orders per account: always counted, enforced when asked (USD-M "Limits").

Both start anew at the turn of the venue's own minute or ten seconds; they do not slide.
"""

from collections.abc import Callable

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.codes import VenueError

WEIGHT_MAX = 2400
ORDERS_MAX = {10_000: 300, 60_000: 1200}
MINUTE_MS = 60_000
INTERVALS = {10_000: ("SECOND", 10, "10S", "TEN_SECONDS"), MINUTE_MS: ("MINUTE", 1, "1M", "ONE_MINUTE")}
BAN_AFTER = 50
"""So many requests in a minute that were refused for their weight already bring a ban."""
BAN_MS = 120_000
"""Of the first one; each further one lasts twice as long."""


@attrs.define
class Count:
    """What was used in the period that runs."""

    period_ms: int
    number: int = -1
    used: int = 0

    def turn(self, now_ms: int) -> int:
        """Begin anew where a new period has begun; return what is used."""
        number = now_ms // self.period_ms
        if number != self.number:
            self.number, self.used = number, 0
        return self.used

    def left_s(self, now_ms: int) -> int:
        """Return the seconds to the next period, rounded up."""
        return -(-(self.period_ms - now_ms % self.period_ms) // 1000)


class Limited(VenueError):
    """Refused for its rate; ``retry_after_s`` goes into a header, or into the error by WebSocket."""

    def __init__(self, code: int, text: str, *, retry_after_s: int, status: int = 429) -> None:
        super().__init__(code, text, status=status)
        self.retry_after_s = retry_after_s


class Budgets:
    """All clients of a sandbox come from one address."""

    def __init__(self, now_ms: Callable[[], int], *, enforced: bool) -> None:
        self.enforced = enforced
        self.banned_until_ms = 0
        self._now_ms = now_ms
        self._weight = Count(MINUTE_MS)
        self._refused = Count(MINUTE_MS)
        self._orders: dict[str, dict[int, Count]] = {}
        self._ban_ms = BAN_MS

    def spend_weight(self, weight: int) -> None:
        """Count a request. Raises: Limited (429, or 418 under a ban)."""
        now_ms = self._now_ms()
        self.check_ban()
        self._weight.turn(now_ms)
        self._weight.used += weight
        if self.enforced and self._weight.used > WEIGHT_MAX:
            raise self._too_much(now_ms)

    def check_ban(self) -> None:
        """Raise Limited (418) while the address is banned."""
        now_ms = self._now_ms()
        if now_ms < self.banned_until_ms:
            raise banned(self.banned_until_ms, now_ms)

    def spend_orders(self, account: Account, count: int) -> None:
        """Count orders of an account. Raises: Limited (-1015); what is refused is not counted."""
        now_ms = self._now_ms()
        counts = self._of(account)
        for period_ms, most in ORDERS_MAX.items():
            if counts[period_ms].turn(now_ms) + count > most and self.enforced:
                raise too_many_orders(period_ms, counts[period_ms].left_s(now_ms))
        for each in counts.values():
            each.used += count

    def headers(self, account: Account | None) -> dict[str, str]:
        """Return what an answer tells: the weight, and the order counts where it is of an order."""
        now_ms = self._now_ms()
        told = {"X-MBX-USED-WEIGHT-1M": str(self._weight.turn(now_ms))}
        if account is not None:
            for period_ms, count in self._of(account).items():
                told[f"X-MBX-ORDER-COUNT-{INTERVALS[period_ms][2]}"] = str(count.turn(now_ms))
        return told

    def rows(self, account: Account | None) -> list[dict[str, object]]:
        """Return what an answer by WebSocket tells."""
        now_ms = self._now_ms()
        rows = []
        if account is not None:
            for period_ms, count in self._of(account).items():
                rows.append(_row("ORDERS", period_ms, ORDERS_MAX[period_ms], count.turn(now_ms)))
        return [*rows, _row("REQUEST_WEIGHT", MINUTE_MS, WEIGHT_MAX, self._weight.turn(now_ms))]

    def _of(self, account: Account) -> dict[int, Count]:
        counts = self._orders.get(account.name)
        if counts is None:
            counts = self._orders[account.name] = {period_ms: Count(period_ms) for period_ms in ORDERS_MAX}
        return counts

    def _too_much(self, now_ms: int) -> Limited:
        self._refused.turn(now_ms)
        self._refused.used += 1
        if self._refused.used > BAN_AFTER:
            self.banned_until_ms = now_ms + self._ban_ms
            self._ban_ms *= 2
            return banned(self.banned_until_ms, now_ms)
        return too_much_weight(self._weight.left_s(now_ms))


def too_much_weight(retry_after_s: int) -> Limited:
    """Return HTTP 429 with -1003."""
    text = (
        f"Too many requests; current limit of IP(127.0.0.1) is {WEIGHT_MAX} requests per minute. "
        "Please use the websocket for live updates to avoid polling the API."
    )
    return Limited(-1003, text, retry_after_s=retry_after_s)


def too_many_orders(period_ms: int, retry_after_s: int) -> Limited:
    """Return HTTP 429 with -1015."""
    text = (
        f"Too many new orders; current limit is {ORDERS_MAX[period_ms]} orders per {INTERVALS[period_ms][3]}."
    )
    return Limited(-1015, text, retry_after_s=retry_after_s)


def banned(until_ms: int, now_ms: int) -> Limited:
    """Return HTTP 418 with -1003."""
    text = (
        f"Way too many requests; IP(127.0.0.1) banned until {until_ms}. "
        "Please use the websocket for live updates to avoid bans."
    )
    return Limited(-1003, text, retry_after_s=max(1, (until_ms - now_ms) // 1000), status=418)


def _row(kind: str, period_ms: int, limit: int, count: int) -> dict[str, object]:
    interval, number, *_ = INTERVALS[period_ms]
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": limit,
        "count": count,
    }
