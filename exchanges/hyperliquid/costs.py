"""What followers on Hyperliquid cost: request weight and watched users per address.

The first few followers are pushed; the others are read every few seconds, and again after their orders.
"""

from exchanges.costs import Limit, Rhythm, VenueCosts, carried
from exchanges.hyperliquid.limits import (
    ACTION_WEIGHT,
    EXCHANGE,
    INFO_WEIGHT,
    INFO_WEIGHTS,
    KEPT_FOR,
    SOCKETS_PER_MINUTE,
    SOCKETS_RESERVED,
    STREAMS_MAX,
    USERS_PER_IP,
    WEIGHT_BURST,
    WEIGHT_PER_S,
)
from exchanges.hyperliquid.orders import ACTIONS_ASKED_S
from exchanges.hyperliquid.reader import MODE_S
from exchanges.hyperliquid.stream import POLL_S
from exchanges.pacing import Urgency

PUBLISHED_PER_MINUTE = 1_200
STATE = INFO_WEIGHTS["clearinghouseState"]
SPOT = INFO_WEIGHTS["spotClearinghouseState"]
KEY_CHECK_WEIGHT = INFO_WEIGHTS["userRole"] + 2 * INFO_WEIGHT
"""Of a master's account; one that is a sub-account's asks for a second role."""


def costs(rhythm: Rhythm) -> VenueCosts:
    """Return what followers cost that are polled and have one balance for spot and perpetuals.

    An account whose perpetuals have a balance of their own needs one read less each time; one of the
    ``STREAMS_MAX`` that are pushed needs its snapshots only.
    """
    pushed = _per_minute(rhythm, polled=False)
    weight = Limit(
        name="request weight",
        most=PUBLISHED_PER_MINUTE,
        period_s=60.0,
        usable=WEIGHT_PER_S * 60,
        at_once=WEIGHT_BURST - KEPT_FOR[Urgency.OPEN],
        shared_per_minute=(
            INFO_WEIGHTS["exchangeStatus"] * 60 / rhythm.clock_s + INFO_WEIGHT * 60 / rhythm.catalogue_s
        ),
        follower_per_minute=_per_minute(rhythm, polled=True),
        first_followers=STREAMS_MAX,
        first_per_minute=pushed,
        copy=ACTION_WEIGHT + STATE + SPOT,
        order=ACTION_WEIGHT,
        key_check=KEY_CHECK_WEIGHT,
    )
    return VenueCosts(
        exchange=EXCHANGE,
        limits=(weight,),
        carries=carried(weight),
        carries_by=weight.name,
        connections_per_follower=0,
        connections_per_minute=SOCKETS_PER_MINUTE - SOCKETS_RESERVED,
        spare_per_s=PUBLISHED_PER_MINUTE / 60 - WEIGHT_PER_S,
        check_cost=KEY_CHECK_WEIGHT + STATE + SPOT + INFO_WEIGHT,
        notes=(
            f"of {USERS_PER_IP} users that an address may watch {STREAMS_MAX} followers are pushed and draw "
            f"{pushed:.1f} a minute, the others are read every {POLL_S:g} s",
            "all orders leave over one socket",
        ),
    )


def _per_minute(rhythm: Rhythm, *, polled: bool) -> float:
    """Return the weight that one idle follower draws."""
    reads = 60 / rhythm.snapshot_s + (60 / POLL_S if polled else 0.0)
    seldom = INFO_WEIGHT * (60 / MODE_S + 60 / ACTIONS_ASKED_S)
    return (STATE + SPOT) * reads + seldom + KEY_CHECK_WEIGHT * 60 / rhythm.key_check_s
