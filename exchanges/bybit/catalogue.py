"""The catalogue of USDT perpetuals (V5 "Get Instruments Info") with their tiers (V5 "Get Risk Limit").

The tiers come by 15 symbols a page, some fifty requests for the whole venue. A start does not wait for
them: every reading but the first has them, and until then the venue alone refuses what is too large.
"""

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import attrs
import trio

from exchanges.bybit.codes import EXCHANGE
from exchanges.bybit.limits import Pool
from exchanges.bybit.rest import BybitRest, rows_of
from exchanges.bybit.wire import CATEGORY, COIN, Row, number_or_none, positive, reading, text_of
from exchanges.errors import ExchangeError, MalformedMessage, RequestRejected
from model.amounts import ONE, ZERO
from model.instrument import Instrument, InstrumentStatus, LeverageTier

log = logging.getLogger(__name__)

PAGE = "1000"
RISK_PATH = "/v5/market/risk-limit"
TIERS_FRESH_S = 1_800.0
"""An actor that was restarted reads the catalogue again, and shall not wait for what is known."""
STATUSES = {
    "Trading": InstrumentStatus.TRADING,
    "PreLaunch": InstrumentStatus.CLOSED,
    "Delivering": InstrumentStatus.REDUCE_ONLY,
    "Closed": InstrumentStatus.CLOSED,
}
OTHER_STATUSES = ("PreLaunch", "Delivering")
"""Asked for by name: without it the venue lists only what trades, and a held symbol would be unknown."""


class Catalogue:
    """The instruments by symbol, as they were last read."""

    def __init__(self, rest: BybitRest) -> None:
        self._rest = rest
        self._tiers: dict[str, tuple[LeverageTier, ...]] = {}
        self._tiers_due: float | None = None

    async def read(self) -> Mapping[str, Instrument]:
        """Read all instruments by symbol, every page; raises ExchangeError's kinds.

        A row that cannot be read is left out and logged: its symbol counts as not listed. Tiers that
        cannot be read stay what they were.
        """
        rows = await _rows(self._rest, "Trading")
        for status in OTHER_STATUSES:
            try:
                rows += await _rows(self._rest, status)
            except RequestRejected as error:
                log.warning("instruments of status %s are not listed: %s", status, error)
        found = _instruments(rows)
        if not found:
            raise MalformedMessage("no instrument could be read", exchange=EXCHANGE)
        if self._tiers_due is None:
            self._tiers_due = trio.current_time()
        elif trio.current_time() >= self._tiers_due:
            await self._read_tiers()
        return {
            symbol: attrs.evolve(instrument, tiers=self._tiers.get(symbol, ()))
            for symbol, instrument in found.items()
        }

    async def _read_tiers(self) -> None:
        try:
            pages = await self._rest.read_pages(RISK_PATH, [("category", CATEGORY)], pool=Pool.NONE)
            self._tiers |= parse_tiers(row for page in pages for row in rows_of(page))
        except ExchangeError as error:
            log.warning("leverage tiers could not be read: %s", error)
            return
        self._tiers_due = trio.current_time() + TIERS_FRESH_S


def parse_tiers(rows: Iterable[Row]) -> dict[str, tuple[LeverageTier, ...]]:
    """Return the leverage tiers by symbol, smallest notional first.

    A symbol with a row that cannot be read has none, and is logged.
    """
    found: dict[str, list[LeverageTier]] = {}
    broken: set[str] = set()
    for row in rows:
        symbol = row.get("symbol") if isinstance(row, dict) else None
        try:
            with reading("risk-limit"):
                found.setdefault(_symbol(symbol), []).append(
                    LeverageTier(
                        notional_max=positive(row["riskLimitValue"]),
                        leverage_max=positive(row["maxLeverage"]),
                    )
                )
        except MalformedMessage as error:
            log.warning("the tiers of %.40s are left out: %s", symbol, error)
            broken.add(str(symbol))
    return {
        symbol: tuple(sorted(tiers, key=_notional_max))
        for symbol, tiers in found.items()
        if symbol not in broken
    }


def _notional_max(tier: LeverageTier) -> Decimal:
    return tier.notional_max


def parse_instrument(row: Row) -> Instrument | None:
    """Return one instrument, None where it is no USDT perpetual; raises MalformedMessage."""
    with reading("instrument"):
        if row["contractType"] != "LinearPerpetual" or row.get("settleCoin", row["quoteCoin"]) != COIN:
            return None
        lot, price, leverage = row["lotSizeFilter"], row["priceFilter"], row["leverageFilter"]
        return Instrument(
            exchange=EXCHANGE,
            symbol=_symbol(row["symbol"]),
            base=text_of(row["baseCoin"]),
            quote=text_of(row["quoteCoin"]),
            lot_size=positive(lot["qtyStep"]),
            min_quantity=positive(lot["minOrderQty"]),
            max_quantity=positive(lot["maxOrderQty"]),
            max_market_quantity=positive(lot["maxMktOrderQty"]),
            min_notional=number_or_none(lot.get("minNotionalValue")) or ZERO,
            min_notional_exempts_reductions=True,
            tick_size=positive(price["tickSize"]),
            max_leverage=positive(leverage["maxLeverage"]),
            leverage_step=number_or_none(leverage.get("leverageStep")) or ONE,
            status=_status(row),
        )


async def _rows(rest: BybitRest, status: str) -> list[Any]:
    params = [("category", CATEGORY), ("status", status), ("limit", PAGE)]
    pages = await rest.read_pages("/v5/market/instruments-info", params, pool=Pool.NONE)
    return [row for page in pages for row in rows_of(page)]


def _instruments(rows: list[Any]) -> dict[str, Instrument]:
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


def _status(row: Row) -> InstrumentStatus:
    """Return whether orders are taken; a listing that is still auctioned trades in its last phase."""
    status = STATUSES[row["status"]]
    if row["status"] == "PreLaunch":
        phase = (row.get("preListingInfo") or {}).get("curAuctionPhase")
        return InstrumentStatus.TRADING if phase == "ContinuousTrading" else status
    return status


def _symbol(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isalnum():
        raise ValueError(f"symbol {value!r}")
    return value
