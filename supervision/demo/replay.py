"""A real trader's history as the master's session."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import attrs

from exchanges.sandbox import AccountDescription, Listing, SandboxDescription
from exchanges.sandbox.binance import BINANCE_LISTINGS
from exchanges.sandbox.hyperliquid import HYPERLIQUID_LISTINGS, hyperliquid_listing
from model.amounts import ZERO
from supervision.demo.cast import MASTER, MASTER_EQUITY, MASTER_EXCHANGE, Player
from supervision.demo.history import HistoricalOrder, History
from supervision.demo.market import describe_venues
from supervision.demo.script import Act
from supervision.demo.stage import Stage

MOST = Decimal(10) ** 12
LEVERAGE = 10
"""Hyperliquid's most for a coin that the sandbox knows nothing of."""
NOT_ON_BINANCE = frozenset({"PURRUSDT"})
"""A token of Hyperliquid's own."""
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


def describe_history(
    history: History, accounts: Mapping[str, Sequence[AccountDescription]]
) -> dict[str, SandboxDescription]:
    """Return the venues of these accounts by exchange, each with what it lists of the history's symbols."""
    described = describe_venues(accounts)
    for exchange, description in described.items():
        prices = first_prices(history) if exchange == MASTER_EXCHANGE else {}  # the others' follow
        listings = tuple(relisted(history, exchange).values())
        described[exchange] = attrs.evolve(description, listings=listings, prices=prices)
    return described


def relisted(history: History, exchange: str) -> dict[str, Listing]:
    """Return a venue's own listings by the master's symbols; one that it lacks is left out."""
    coins = {order.symbol: order.coin for order in history.orders}
    found = ((it.symbol, RELIST[exchange](it, coins[it.symbol])) for it in listings_of(history))
    return {symbol: listing for symbol, listing in found if listing is not None}


def _on_hyperliquid(listing: Listing, coin: str) -> Listing:
    """The history is Hyperliquid's own: it lists all of it, under its own names and rules."""
    leverage = next((int(it.max_leverage) for it in HYPERLIQUID_LISTINGS if it.symbol == coin), LEVERAGE)
    decimals = -int(listing.lot_size.normalize().as_tuple().exponent)
    return hyperliquid_listing(coin, decimals, leverage)


def _on_binance(listing: Listing, _: str) -> Listing | None:
    """List under Binance's own filters what the sandbox knows of it, the rest as the master's venue does."""
    if listing.symbol in NOT_ON_BINANCE:
        return None
    known = next((it for it in BINANCE_LISTINGS if it.symbol == listing.symbol), None)
    if known is None:
        return attrs.evolve(listing, leverage_step=Decimal(1))
    return attrs.evolve(known, max_quantity=MOST, max_market_quantity=MOST, tiers=())


RELIST: Mapping[str, Callable[[Listing, str], Listing | None]] = {
    "bybit": lambda listing, _: listing,
    "binance": _on_binance,
    "hyperliquid": _on_hyperliquid,
}
"""How a venue lists one of the master's symbols, whose coin comes with it; None: not at all."""


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
