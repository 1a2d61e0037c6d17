"""The catalogue of USDT perpetuals (V5 "Get Instruments Info").

Leverage tiers are left empty: the venue itself refuses a leverage that a position is too large for.
"""

import logging
from collections.abc import Mapping
from typing import Any

from exchanges.bybit.codes import EXCHANGE
from exchanges.bybit.limits import Pool
from exchanges.bybit.rest import BybitRest, rows_of
from exchanges.bybit.wire import CATEGORY, COIN, Row, number_or_none, positive, reading
from exchanges.errors import MalformedMessage, RequestRejected
from model.amounts import ONE, ZERO
from model.instrument import Instrument, InstrumentStatus

log = logging.getLogger(__name__)

PAGE = "1000"
STATUSES = {
    "Trading": InstrumentStatus.TRADING,
    "PreLaunch": InstrumentStatus.CLOSED,
    "Delivering": InstrumentStatus.REDUCE_ONLY,
    "Closed": InstrumentStatus.CLOSED,
}
OTHER_STATUSES = ("PreLaunch", "Delivering")
"""Asked for by name: without it the venue lists only what trades, and a held symbol would be unknown."""


async def read_catalogue(rest: BybitRest) -> Mapping[str, Instrument]:
    """Read all instruments by symbol, every page; raises ExchangeError's kinds.

    A row that cannot be read is left out and logged: its symbol counts as not listed.
    """
    rows = await _rows(rest, "Trading")
    for status in OTHER_STATUSES:
        try:
            rows += await _rows(rest, status)
        except RequestRejected as error:
            log.warning("instruments of status %s are not listed: %s", status, error)
    found = _instruments(rows)
    if not found:
        raise MalformedMessage("no instrument could be read", exchange=EXCHANGE)
    return found


def parse_instrument(row: Row) -> Instrument | None:
    """Return one instrument, None where it is no USDT perpetual; raises MalformedMessage."""
    with reading("instrument"):
        if row["contractType"] != "LinearPerpetual" or row.get("settleCoin", row["quoteCoin"]) != COIN:
            return None
        lot, price, leverage = row["lotSizeFilter"], row["priceFilter"], row["leverageFilter"]
        return Instrument(
            exchange=EXCHANGE,
            symbol=_symbol(row["symbol"]),
            base=row["baseCoin"],
            quote=row["quoteCoin"],
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
