"""What Binance lists, read once for all accounts, and its leverage tiers (USD-M "Exchange Information").

Only perpetuals in USDT are offered for copying. Dated contracts expire, and stocks and metals
(TRADIFI_PERPETUAL) need an agreement that the account's owner must sign: both are left out.

The tiers are told to accounts only (leverageBracket). The first account that can read them does so
for all, and they appear in the catalogue at that moment; until then the venue alone refuses a
leverage that is too high. A new or adjusted account may have lower ones: there the venue refuses too.
"""

import logging
import math
from collections.abc import Mapping
from decimal import Decimal

import attrs
import trio

from exchanges.binance.codes import EXCHANGE
from exchanges.binance.limits import AddressLimits
from exchanges.binance.rest import BinanceRest
from exchanges.binance.wire import ASSET, Row, number, number_or_none, positive, reading, rows_of, word
from exchanges.errors import ExchangeError, MalformedMessage
from model.amounts import ONE, ZERO, ceil_to_step
from model.instrument import Instrument, InstrumentStatus, LeverageTier

log = logging.getLogger(__name__)

INFO_PATH = "/fapi/v1/exchangeInfo"
BRACKETS_PATH = "/fapi/v1/leverageBracket"
LEVERAGE_MAX = Decimal(125)
"""Of any symbol, until its tiers are known."""
TIERS_RETRY_S = 10.0
PRICE_BAND_SHARE = Decimal("0.9")
"""Of the band that is used: the mark moves on while an order is under way."""
PERPETUAL = "PERPETUAL"
TRADING = "TRADING"


class Catalogue:
    """The instruments by symbol; one mapping for the venue's life, filled anew in place."""

    def __init__(self, rest: BinanceRest, shared: AddressLimits) -> None:
        self._rest = rest
        self._shared = shared
        self._instruments: dict[str, Instrument] = {}
        self._tiers: dict[str, tuple[LeverageTier, ...]] = {}
        self._tiers_wanted_at = 0.0
        self._tiers_due = True
        self.symbols: frozenset[str] = frozenset()
        """Of every instrument."""

    async def read(self) -> Mapping[str, Instrument]:
        """Read all instruments; raises ExchangeError's kinds and leaves what is known then.

        A row that cannot be read is left out and logged: its symbol counts as not listed.
        """
        found = await self._rest.read(INFO_PATH, weight=1)
        with reading("exchangeInfo"):
            rows = rows_of(found["symbols"])
        self._shared.learn_limits(found.get("rateLimits"))
        fresh = _instruments(rows)
        if not fresh:
            raise MalformedMessage("no instrument could be read", exchange=EXCHANGE)
        self._instruments.clear()
        self._instruments.update({symbol: self._tiered(it) for symbol, it in fresh.items()})
        self.symbols = frozenset(self._instruments)
        self._tiers_due = True
        return self._instruments

    def doubt_tiers(self) -> None:
        """Have the tiers read by the next account that asks: a leverage was refused that they allow."""
        self._tiers_due = True

    async def read_tiers_once(self, rest: BinanceRest) -> None:
        """Read the leverage tiers as an account, unless one has since the catalogue was read.

        Trouble leaves them for the next; until then they are what they were.
        """
        now = trio.current_time()
        if not self._tiers_due or not self._instruments or now < self._tiers_wanted_at:
            return
        self._tiers_wanted_at = now + TIERS_RETRY_S
        try:
            self._tiers = parse_tiers(await rest.read(BRACKETS_PATH, weight=1))
        except ExchangeError as error:
            log.warning("leverage tiers could not be read: %s", error)
            return
        self._tiers_due = False
        for symbol, instrument in self._instruments.items():
            self._instruments[symbol] = self._tiered(instrument)

    def _tiered(self, instrument: Instrument) -> Instrument:
        tiers = self._tiers.get(instrument.symbol)
        if not tiers:
            return instrument
        most = max(tier.leverage_max for tier in tiers)
        return attrs.evolve(instrument, tiers=tiers, max_leverage=most)


def parse_instrument(row: Row) -> Instrument | None:
    """Return one instrument, None where it is not offered for copying; raises MalformedMessage.

    `pricePrecision` and `quantityPrecision` are no steps and not used. A quantity must suit limit and
    market orders alike: the coarser lot and the greater minimum of both count.
    """
    with reading("symbol"):
        if row["contractType"] != PERPETUAL or row["quoteAsset"] != ASSET or row["marginAsset"] != ASSET:
            return None
        filters = {word(found["filterType"]): found for found in row["filters"]}
        limit, market = filters["LOT_SIZE"], filters["MARKET_LOT_SIZE"]
        lot = common_step(positive(limit["stepSize"]), positive(market["stepSize"]))
        least = max(positive(limit["minQty"]), positive(market["minQty"]))
        return Instrument(
            exchange=EXCHANGE,
            symbol=word(row["symbol"]),
            base=word(row["baseAsset"]),
            quote=ASSET,
            lot_size=lot,
            min_quantity=ceil_to_step(least, lot),
            max_quantity=positive(limit["maxQty"]),
            max_market_quantity=positive(market["maxQty"]),
            min_notional=_min_notional(filters),
            min_notional_exempts_reductions=True,
            min_notional_exempts_hedged=False,  # only reduceOnly is, which hedged orders cannot carry
            tick_size=positive(filters["PRICE_FILTER"]["tickSize"]),
            price_band=_price_band(filters),
            max_leverage=LEVERAGE_MAX,
            leverage_step=ONE,
            status=InstrumentStatus.TRADING if row["status"] == TRADING else InstrumentStatus.CLOSED,
        )


def parse_tiers(found: object) -> dict[str, tuple[LeverageTier, ...]]:
    """Return the leverage tiers by symbol, smallest notional first; raises MalformedMessage."""
    with reading("leverageBracket"):
        rows = [found] if isinstance(found, dict) else rows_of(found)
        return {word(row["symbol"]): _tiers(row["brackets"]) for row in rows}


def common_step(first: Decimal, second: Decimal) -> Decimal:
    """Return the smallest step that is a multiple of both (> 0)."""
    exponent = min(_exponent(first), _exponent(second), 0)
    a, b = int(first.scaleb(-exponent)), int(second.scaleb(-exponent))
    return Decimal(math.lcm(a, b)).scaleb(exponent)


def _instruments(rows: list[Row]) -> dict[str, Instrument]:
    found: dict[str, Instrument] = {}
    for row in rows:
        try:
            instrument = parse_instrument(row)
        except MalformedMessage as error:
            log.warning("an instrument is left out: %s", error)
            continue
        if instrument is not None:
            found[instrument.symbol] = instrument
    return found


def _min_notional(filters: Mapping[str, Row]) -> Decimal:
    """Return the least notional at the mark price; reduce-only orders are exempt."""
    found = filters.get("MIN_NOTIONAL")
    return ZERO if found is None else number_or_none(found.get("notional")) or ZERO


def _price_band(filters: Mapping[str, Row]) -> Decimal | None:
    """Return how far a limit may be from the mark: the narrower side, less what the mark may move."""
    found = filters.get("PERCENT_PRICE")
    if found is None:
        return None
    up, down = positive(found["multiplierUp"]) - ONE, ONE - positive(found["multiplierDown"])
    return max(ZERO, min(up, down)) * PRICE_BAND_SHARE


def _tiers(brackets: list[Row]) -> tuple[LeverageTier, ...]:
    tiers = (
        LeverageTier(notional_max=number(row["notionalCap"]), leverage_max=positive(row["initialLeverage"]))
        for row in brackets
    )
    return tuple(sorted(tiers, key=_cap))


def _cap(tier: LeverageTier) -> Decimal:
    return tier.notional_max


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"no step: {value}")
    return exponent
