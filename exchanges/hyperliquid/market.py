"""The catalogue and the marks of the venue, as they were last read; shared by all its accounts."""

from collections.abc import Mapping
from decimal import Decimal

import trio

from exchanges.errors import ExchangeError, Refusal, RequestNotSent, RequestRejected
from exchanges.hyperliquid.catalogue import Asset, Catalogue, parse_catalogue
from exchanges.hyperliquid.limits import EXCHANGE
from exchanges.hyperliquid.rest import HyperliquidRest
from model.amounts import CONTEXT, ONE, ceil_to_step, floor_to_step
from model.instrument import Instrument
from model.leg import Side
from model.marks import Marks
from model.prices import is_in_band, price_step

MARKET_SLIPPAGE = Decimal("0.1")
"""How far from the mark a market order may fill: the venue has none, so it leaves as a limit this wide."""
MARK_AGE_S_MAX = 15.0
MARK_READ_S = 1.0
"""How long an order waits for a mark that is younger, when an older one is at hand."""


class Market:
    """What orders need to know of assets."""

    def __init__(self, rest: HyperliquidRest) -> None:
        self._rest = rest
        self._catalogue: Catalogue | None = None
        self._expired = False
        self._lock = trio.Lock()
        self.marks = Marks()

    async def read(self) -> Catalogue:
        """Read catalogue and marks; raises ExchangeError's kinds."""
        catalogue = parse_catalogue(await self._rest.read("metaAndAssetCtxs"))
        self._catalogue, self._expired = catalogue, False
        self.put_marks(catalogue.marks)
        return catalogue

    def put_marks(self, prices: Mapping[str, Decimal]) -> None:
        """Remember marks that were read or streamed now."""
        now = trio.current_time()
        for symbol, price in prices.items():
            self.marks.put(symbol, price, now)

    def expire(self) -> None:
        """Read the catalogue again before the next order: the venue refused a step or an asset."""
        self._expired = True

    async def asset(self, symbol: str) -> Asset:
        """Return what is known of a symbol; raises RequestRejected (SYMBOL) for one that is not listed.

        A catalogue that was refused is still used while it cannot be read again.
        """
        if self._catalogue is None or self._expired or symbol not in self._catalogue.assets:
            await self._read_again(symbol)
        asset = None if self._catalogue is None else self._catalogue.assets.get(symbol)
        if asset is None:
            raise RequestRejected(f"{symbol} is not listed", refusal=Refusal.SYMBOL, exchange=EXCHANGE)
        return asset

    async def market_price(self, asset: Asset, side: Side) -> Decimal:
        """Return the limit that makes an IOC order a market order, on the price grid, rounded outward.

        Raises: RequestNotSent while no mark is known.
        """
        mark = await self._mark(asset.instrument.symbol)
        return market_bound(mark, side, asset.instrument)

    async def _mark(self, symbol: str) -> Decimal:
        fresh = self.marks.price(symbol, now=trio.current_time(), age_s_max=MARK_AGE_S_MAX)
        if fresh is not None:
            return fresh
        patience_s = MARK_READ_S if self.marks.latest(symbol) is not None else float("inf")
        with trio.move_on_after(patience_s):
            try:
                await self.read()
            except ExchangeError as error:
                if self.marks.latest(symbol) is None:
                    raise RequestNotSent(f"no mark: {error}", exchange=EXCHANGE) from error
        latest = self.marks.latest(symbol)
        if latest is None:
            raise RequestNotSent(f"{symbol} has no mark", exchange=EXCHANGE)
        return latest

    async def _read_again(self, symbol: str) -> None:
        async with self._lock:
            known = self._catalogue
            if known is not None and not self._expired and symbol in known.assets:
                return
            try:
                await self.read()
            except ExchangeError:
                if known is None or symbol not in known.assets:
                    raise


def market_bound(mark: Decimal, side: Side, instrument: Instrument) -> Decimal:
    """Return the limit that stands for a market order at this mark: on the price grid, rounded outward.

    Where one step is so large a part of the price that the venue would refuse it, rounded inward.
    """
    share = CONTEXT.add(ONE, CONTEXT.multiply(Decimal(side.sign), MARKET_SLIPPAGE))
    bound = CONTEXT.multiply(mark, share)
    step = price_step(bound, instrument)
    inner, outer = floor_to_step(bound, step), ceil_to_step(bound, step)
    if side is Side.SELL:
        inner, outer = outer, inner
    return outer if outer > 0 and is_in_band(outer, mark, instrument) else max(step, inner)
