"""What followers on Bybit cost: REST per address, orders per key, new connections per address."""

from exchanges.bybit.account import SNAPSHOT_REQUESTS
from exchanges.bybit.codes import EXCHANGE
from exchanges.bybit.limits import (
    FRAMES_PER_IP,
    FRAMES_RESERVED,
    KEY_WINDOW_S,
    ORDERS_PER_KEY,
    ORDERS_RESERVED,
    REST_PER_IP,
    REST_RESERVED,
    REST_WINDOW_S,
    SOCKETS_PER_IP,
    SOCKETS_RESERVED,
    SOCKETS_WINDOW_S,
)
from exchanges.costs import Limit, Rhythm, VenueCosts, carried

PUBLISHED_REST_S, PUBLISHED_SOCKETS_S = 5.0, 300.0
KEY_CHECK_REQUESTS = 2
CATALOGUE_PAGES = 2
"""More than 500 symbols, 1,000 a page at most; taken as two."""
CONNECTIONS = 2
"""The private stream and order entry."""
SPARE_SHARE = 0.05
"""An engine lets itself use the whole limit, seldom: what `copytrader check` may add to it."""


def costs(rhythm: Rhythm) -> VenueCosts:
    """Return what followers cost with orders sent by WebSocket, as they are unless the socket is down.

    The master is on this venue: reading it is the venue's own part.
    """
    rest = Limit(
        name="REST requests",
        most=REST_PER_IP,
        period_s=PUBLISHED_REST_S,
        usable=(REST_PER_IP - REST_RESERVED) * PUBLISHED_REST_S / REST_WINDOW_S,
        at_once=REST_PER_IP - REST_RESERVED,
        shared_per_minute=(
            60 / rhythm.clock_s
            + CATALOGUE_PAGES * 60 / rhythm.catalogue_s
            + SNAPSHOT_REQUESTS * 60 / rhythm.reconcile_s
        ),
        follower_per_minute=(
            SNAPSHOT_REQUESTS * 60 / rhythm.snapshot_s + KEY_CHECK_REQUESTS * 60 / rhythm.key_check_s
        ),
        key_check=KEY_CHECK_REQUESTS,
    )
    frames = Limit(
        name="order frames",
        most=FRAMES_PER_IP,
        period_s=1.0,
        usable=(FRAMES_PER_IP - FRAMES_RESERVED) / KEY_WINDOW_S,
        at_once=FRAMES_PER_IP - FRAMES_RESERVED,
        copy=1,
        order=1,
    )
    orders = Limit(
        name="orders of a key",
        most=ORDERS_PER_KEY,
        period_s=1.0,
        usable=(ORDERS_PER_KEY - ORDERS_RESERVED) / KEY_WINDOW_S,
        at_once=ORDERS_PER_KEY - ORDERS_RESERVED,
        copy=1,
        order=1,
        is_per_account=True,
    )
    return VenueCosts(
        exchange=EXCHANGE,
        limits=(rest, frames, orders),
        carries=carried(rest),
        carries_by=rest.name,
        connections_per_follower=CONNECTIONS,
        connections_per_minute=(SOCKETS_PER_IP - SOCKETS_RESERVED) * 60 / SOCKETS_WINDOW_S,
        spare_per_s=REST_PER_IP / PUBLISHED_REST_S * SPARE_SHARE,
        check_cost=KEY_CHECK_REQUESTS + SNAPSHOT_REQUESTS + 1,
        notes=(f"the venue takes {SOCKETS_PER_IP} new connections in {PUBLISHED_SOCKETS_S:g} s",),
    )
