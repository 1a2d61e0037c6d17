"""What followers on Binance USD-M cost: request weight per address, orders per account."""

from exchanges.binance.account import CONFIG_TRUSTED_S, READ_WEIGHT, SNAPSHOT_WEIGHT
from exchanges.binance.codes import EXCHANGE
from exchanges.binance.limits import (
    MINUTE_MS,
    OPEN_SHARE,
    OPENING_ORDERS_SHARE,
    ORDERS_PER_10_S,
    READ_SHARE,
    SOCKETS_PER_IP,
    SOCKETS_RESERVED,
    SOCKETS_WINDOW_S,
    WEIGHT_PER_MINUTE,
)
from exchanges.binance.stream import PROLONG_EVERY_S
from exchanges.costs import Limit, Rhythm, VenueCosts, carried

MINUTE_S = MINUTE_MS / 1000
CONNECTIONS = 2
"""The user data stream and order entry."""
CHECK_WEIGHT = READ_WEIGHT + 2 * SNAPSHOT_WEIGHT + READ_WEIGHT
"""Settings, and a snapshot without a stream; the wallet interface has a budget of its own."""


def costs(rhythm: Rhythm) -> VenueCosts:
    """Return what followers cost while their streams are up; a snapshot without one costs twice as much."""
    weight = Limit(
        name="request weight",
        most=WEIGHT_PER_MINUTE,
        period_s=MINUTE_S,
        usable=WEIGHT_PER_MINUTE * READ_SHARE / 100,
        at_once=WEIGHT_PER_MINUTE * OPEN_SHARE / 100,
        shared_per_minute=60 / rhythm.clock_s + 60 / rhythm.catalogue_s,
        follower_per_minute=(
            SNAPSHOT_WEIGHT * 60 / rhythm.snapshot_s
            + READ_WEIGHT * 60 / CONFIG_TRUSTED_S
            + 60 / PROLONG_EVERY_S
            + READ_WEIGHT * 60 / rhythm.key_check_s
        ),
        key_check=READ_WEIGHT,
    )
    orders = Limit(
        name="orders of an account",
        most=ORDERS_PER_10_S,
        period_s=10.0,
        usable=ORDERS_PER_10_S * OPENING_ORDERS_SHARE / 100,
        at_once=ORDERS_PER_10_S * OPENING_ORDERS_SHARE / 100,
        copy=1,
        order=1,
        is_per_account=True,
    )
    return VenueCosts(
        exchange=EXCHANGE,
        limits=(weight, orders),
        carries=carried(weight),
        carries_by=weight.name,
        connections_per_follower=CONNECTIONS,
        connections_per_minute=(SOCKETS_PER_IP - SOCKETS_RESERVED) * 60 / SOCKETS_WINDOW_S,
        spare_per_s=WEIGHT_PER_MINUTE * (100 - OPEN_SHARE) / 100 / MINUTE_S / 2,
        check_cost=CHECK_WEIGHT,
        notes=("new orders draw no weight; new connections are not limited by a published number",),
    )
