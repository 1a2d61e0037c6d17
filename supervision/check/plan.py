"""How many followers one address carries on each venue, by the budgets that the clients keep."""

from collections.abc import Callable, Mapping

import attrs

from actors.account_watch import SNAPSHOT_S, SNAPSHOT_SPREAD
from actors.auditor import TRUTH_AGE_S_MIN
from actors.key_watch import DAY_S
from actors.mark_stream import CATALOGUE_REFRESH_S, CLOCK_REFRESH_S
from actors.master_stream import RECONCILE_S
from exchanges.binance.costs import costs as binance_costs
from exchanges.bybit.costs import costs as bybit_costs
from exchanges.costs import Limit, Rhythm, VenueCosts
from exchanges.hyperliquid.costs import costs as hyperliquid_costs
from supervision.settings import AuditSettings

AUDITS_SIMULATED = 600
SHARES = 20


def mean_read_s(audit_s: float = AuditSettings().period_s) -> float:
    """Return how often a follower's account is read by REST, on average over all of them.

    Each reads it by itself after a period of its own, and the audit has it read where the last reading
    is old by then; either begins the period anew (R15, R21).
    """
    reads = sum(_reads(share / SHARES, audit_s) for share in range(SHARES))
    return AUDITS_SIMULATED * audit_s * SHARES / reads


def _reads(share: float, audit_s: float) -> int:
    period_s = SNAPSHOT_S * (1 - SNAPSHOT_SPREAD * (1 - share))
    reads, read_at = 0, 0.0
    for audit in range(1, AUDITS_SIMULATED + 1):
        now = audit * audit_s
        own = int((now - read_at) / period_s)
        reads, read_at = reads + own, read_at + own * period_s
        if now - read_at > TRUTH_AGE_S_MIN:
            reads, read_at = reads + 1, now
    return reads


RHYTHM = Rhythm(
    snapshot_s=mean_read_s(),
    reconcile_s=RECONCILE_S,
    clock_s=CLOCK_REFRESH_S,
    catalogue_s=CATALOGUE_REFRESH_S,
    key_check_s=DAY_S,
)
"""The engine's own periods."""

COSTS: Mapping[str, Callable[[Rhythm], VenueCosts]] = {
    "bybit": bybit_costs,
    "binance": binance_costs,
    "hyperliquid": hyperliquid_costs,
}


@attrs.frozen(kw_only=True)
class VenuePlan:
    """What so many followers on one venue draw on its limits."""

    followers: int
    costs: VenueCosts

    @property
    def fits(self) -> bool:
        """Tell whether one address carries them."""
        return self.followers <= self.costs.carries

    @property
    def connected_s(self) -> float:
        """How long it takes after a start until every follower has its connections."""
        wanted = self.followers * self.costs.connections_per_follower
        return 60 * wanted / self.costs.connections_per_minute

    def to_json(self) -> dict[str, object]:
        """Return the plan as JSON; rates are numbers a minute."""
        return {
            "exchange": self.costs.exchange,
            "followers": self.followers,
            "carries": self.costs.carries,
            "carries_by": self.costs.carries_by,
            "fits": self.fits,
            "connected_s": round(self.connected_s, 1),
            "limits": [self._limit(limit) for limit in self.costs.limits],
            "notes": list(self.costs.notes),
        }

    def idle_share(self, limit: Limit) -> float:
        """Return which part of the usable limit these followers draw while nothing happens."""
        followers = 1 if limit.is_per_account else self.followers
        return limit.idle_per_minute(followers) / limit.usable_per_minute

    def _limit(self, limit: Limit) -> dict[str, object]:
        return {
            "name": limit.name,
            "of": "account" if limit.is_per_account else "address",
            "published": limit.most,
            "period_s": limit.period_s,
            "usable_per_minute": round(limit.usable_per_minute, 1),
            "idle_per_minute": round(limit.idle_per_minute(1 if limit.is_per_account else self.followers), 2),
            "idle_per_minute_and_follower": round(limit.follower_per_minute, 3),
            "per_copy": limit.copy,
            "copies_at_once": limit.copies_at_once,
            "per_key_check": limit.key_check,
        }


def plan(followers: Mapping[str, int]) -> tuple[VenuePlan, ...]:
    """Return a plan for every venue, with as many followers as there are or shall be."""
    return tuple(
        VenuePlan(followers=followers.get(exchange, 0), costs=find(RHYTHM))
        for exchange, find in COSTS.items()
    )
