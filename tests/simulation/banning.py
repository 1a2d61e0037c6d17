"""Venues that ban our address for minutes: what a schedule draws of it, and for how long it holds.

Binance answers HTTP 418 and bans for two minutes at least, Bybit 403 for ten. Hyperliquid bans nobody: there
the master's own venue does.
"""

import random
from collections.abc import Iterable, Sequence

from exchanges.bybit.codes import IP_BAN_S
from exchanges.sandbox.binance.requests import BAN_MS
from tests.simulation.bans import BAN, BYBIT_BAN
from tests.simulation.step import Step
from tests.world import MASTER

BANS_S = {BAN: BAN_MS / 1000, BYBIT_BAN: IP_BAN_S}
"""By the status that tells of one."""
_OF_FOLLOWERS = {"binance": (BAN, "*"), "bybit": (BYBIT_BAN, "/v5/*")}
"""The status and what is answered with it: Bybit's order sockets know none."""
LATER_S = (0.0, 0.05, 2.0)


def bans_of(chance: random.Random, steps: Sequence[Step], names: tuple[str, ...], venue: str) -> list[Step]:
    """Return one or two bans that begin with the next request after a trade of the master's."""
    times = [step.at for step in steps if step.act == "trade"]
    bans: list[Step] = []
    for _ in range(chance.choice((1, 2)) if times else 0):
        is_of_follower = venue in _OF_FOLLOWERS and chance.random() < 0.8
        status, endpoint = _OF_FOLLOWERS[venue if is_of_follower else "bybit"]
        what = {
            "kind": "RATE_LIMIT",
            "account": chance.choice(names) if is_of_follower else MASTER,
            "endpoint": endpoint,
            "status": status,
            "headers": chance.random() < 0.7,
            "count": 1,
        }
        bans.append(Step(at=round(chance.choice(times) + chance.choice(LATER_S), 3), act="fault", what=what))
    return bans


def banned_s(steps: Iterable[Step]) -> float:
    """Return how long the longest ban of a schedule holds."""
    return max((BANS_S.get(step.what.get("status", 0), 0.0) for step in steps), default=0.0)
