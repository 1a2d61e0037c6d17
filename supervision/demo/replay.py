"""A real trader's history as the master's session."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

import attrs

from exchanges.sandbox import Listing
from model.amounts import ZERO
from supervision.demo.cast import MASTER, MASTER_EQUITY, Player
from supervision.demo.history import HistoricalOrder, History
from supervision.demo.script import Act
from supervision.demo.stage import Stage

MOST = Decimal(10) ** 12
EQUITY_PER_NOTIONAL = 2
"""The master gets this many times its largest gross notional, so that no price path liquidates it."""


def listings_of(history: History) -> tuple[Listing, ...]:
    """Return filters under which every order of the history can be traded."""
    return tuple(
        Listing(
            symbol=symbol,
            lot_size=lot,
            min_quantity=lot,
            max_quantity=MOST,
            max_market_quantity=MOST,
            tick_size=history.ticks[symbol],
        )
        for symbol, lot in sorted(history.lots.items())
    )


def first_prices(history: History) -> dict[str, Decimal]:
    """Return each symbol's first price."""
    prices: dict[str, Decimal] = {}
    for order in history.orders:
        prices.setdefault(order.symbol, order.fills[0].price)
    return prices


def equity_for(history: History) -> Decimal:
    """Return a master equity, in USDT, that carries the history's largest positions."""
    sizes: dict[str, Decimal] = defaultdict(Decimal)
    prices: dict[str, Decimal] = {}
    peak = ZERO
    for order in history.orders:
        sizes[order.symbol] += order.quantity
        prices[order.symbol] = order.fills[-1].price
        peak = max(peak, sum((abs(size) * prices[symbol] for symbol, size in sizes.items()), ZERO))
    return max(MASTER_EQUITY, (peak * EQUITY_PER_NOTIONAL).to_integral_value())


def scaled(players: Sequence[Player], equity: Decimal) -> tuple[Player, ...]:
    """Return the players with equities in proportion to the master's."""
    ratio = equity / MASTER_EQUITY
    return tuple(attrs.evolve(it, equity=(it.equity * ratio).to_integral_value()) for it in players)


def acts_of(history: History) -> Iterator[Act]:
    """Yield one act per order."""
    for number, order in enumerate(history.orders, start=1):
        side = "buys" if order.quantity > 0 else "sells"
        fills = f"{len(order.fills)} fill" + ("s" if len(order.fills) > 1 else "")
        yield Act(
            f"order {number} of {len(history.orders)}: {side} {abs(order.quantity)} {order.symbol}, {fills}",
            _Trade(order),
        )


@attrs.frozen
class _Trade:
    order: HistoricalOrder

    def __call__(self, stage: Stage) -> None:
        """Move the price to the order's and trade it, fill by fill, in one frame."""
        order = self.order
        stage.venue.set_price(order.symbol, order.fills[-1].price)
        slices = [(fill.price, abs(fill.quantity)) for fill in order.fills]
        stage.venue.trade(MASTER, order.symbol, order.quantity, fills=slices)
