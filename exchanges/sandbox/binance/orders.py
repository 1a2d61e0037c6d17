"""Orders as Binance takes, amends and cancels them."""

from collections.abc import Callable
from decimal import Decimal

import attrs

from exchanges.sandbox import rules
from exchanges.sandbox.account import Account
from exchanges.sandbox.binance import params as read
from exchanges.sandbox.binance.codes import VenueError, as_venue_error
from exchanges.sandbox.binance.params import Params
from exchanges.sandbox.binance.records import OrderRecord, Records, made_up_id
from exchanges.sandbox.binance.wire import Row, number, placed_row
from exchanges.sandbox.listing import Listing
from exchanges.sandbox.order import OrderIntent, TimeInForce
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import ZERO
from model.leg import Side

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
POSITION_IDX = {"BOTH": 0, "LONG": 1, "SHORT": 2}
TIFS = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTX": TimeInForce.POST_ONLY,
}
TYPES = {"LIMIT": False, "MARKET": True}
CONDITIONAL = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
RESPONSES = {"ACK": False, "RESULT": True}


@attrs.frozen(kw_only=True)
class Placed:
    """An order that was taken. ``tell`` makes the answer, once it is decided."""

    record: OrderRecord
    waits: bool
    """The answer tells the end, where the order has one at once."""
    tell: Callable[[], Row]

    @property
    def is_decided(self) -> bool:
        """Tell whether there is nothing more to wait for."""
        order = self.record.order
        rests = order.intent.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY)
        return not (self.waits and order.status.is_open) or (rests and not order.is_market)


class OrderDesk:
    """Turns parameters into orders of the core."""

    def __init__(self, venue: SandboxVenue, records: Records) -> None:
        self._venue = venue
        self._records = records
        self.tells_price = False
        """Answers to new orders carry average price and value, as before July 2026."""
        self.counts_resting = True
        """Resting reduce-only orders count against the position that a further one may reduce."""
        self.placed: Callable[[OrderRecord], None] = lambda record: None
        """Is told of every order that was taken."""

    def place(self, account: Account, params: Params, *, via: str, arrived_ns: int) -> Placed:
        """Take an order. Raises: VenueError."""
        intent = self._intent(account, params)
        tells_end = read.word(
            {"newOrderRespType": "ACK", **params},
            "newOrderRespType",
            RESPONSES,
            code=-1130,
            text="Data sent for parameter 'newOrderRespType' is not valid.",
        )
        try:
            order = self._venue.place(account, intent, via=via, arrived_ns=arrived_ns)
        except Refused as refused:
            raise self._refusal(intent, refused) from None
        record = self._records.of(order)
        self.placed(record)
        acknowledged = not tells_end
        return Placed(
            record=record,
            waits=tells_end,
            tell=lambda: placed_row(record, tells_price=self.tells_price, acknowledged=acknowledged),
        )

    def test(self, account: Account, params: Params) -> Row:
        """Look at an order as far as its parameters go; nothing is taken. Raises: VenueError."""
        self._intent(account, params)
        return {}

    def cancel(self, account: Account, params: Params) -> Row:
        """End an open order. Raises: VenueError (-2011)."""
        record = self.find(account, params)
        try:
            if record is None:
                raise Refused(Reason.ORDER_NOT_FOUND)
            self._venue.cancel(record.order)
        except Refused as refused:
            raise as_venue_error(refused) from None
        return placed_row(record, tells_price=self.tells_price)

    def cancel_all(self, account: Account, params: Params) -> Row:
        """End every open order of a symbol."""
        symbol = read.required(params, "symbol")
        self._listing(symbol)
        for order in account.open_orders_of(symbol):
            self._venue.cancel(order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def amend(self, account: Account, params: Params) -> Row:
        """Change quantity and price of a resting limit order; both are mandatory. Raises: VenueError."""
        record = self.find(account, params)
        side = read.word(params, "side", SIDES, code=-1117, text="Invalid side.")
        quantity, price = read.decimal(params, "quantity"), read.decimal(params, "price")
        if record is None or record.order.is_market:
            raise VenueError(-2013, "Order does not exist.")
        if record.order.intent.side is not side:
            raise VenueError(-1117, "Invalid side.")
        try:
            self._venue.amend(record.order, quantity=quantity, price=price)
        except Refused as refused:
            raise self._refusal(record.order.intent, refused) from None
        return placed_row(record, tells_price=self.tells_price)

    def find(self, account: Account, params: Params) -> OrderRecord | None:
        """Return the order that ``orderId`` or ``origClientOrderId`` names. Raises: VenueError."""
        symbol = read.required(params, "symbol")
        self._listing(symbol)
        asked = params.get("orderId", ""), params.get("origClientOrderId", "")
        if not any(asked):
            raise VenueError(
                -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
        found = read.integer(params, "orderId") if asked[0] else None
        return self._records.find(account, symbol, number=found, client_order_id=asked[1])

    def _listing(self, symbol: str) -> Listing:
        try:
            return self._venue.listing(symbol)
        except Refused as refused:
            raise as_venue_error(refused) from None

    def _intent(self, account: Account, params: Params) -> OrderIntent:
        """Read an order in the order in which the venue complains. Raises: VenueError."""
        symbol = read.required(params, "symbol")
        listing = self._listing(symbol)
        side = read.word(params, "side", SIDES, code=-1117, text="Invalid side.")
        if params.get("type") in CONDITIONAL:
            raise VenueError(
                -4120,
                "Order type not supported for this endpoint. "
                "Please use the Algo Order API endpoints instead.",
            )
        is_market = read.word(params, "type", TYPES, code=-1116, text="Invalid orderType.")
        reduce_only = self._reduce_only(account, params)
        intent = OrderIntent(
            symbol=symbol,
            side=side,
            quantity=_quantity(params, listing),
            price=None if is_market else _price(params, listing),
            time_in_force=_time_in_force(params, is_market=is_market),
            position_idx=_position_idx(account, params),
            reduce_only=reduce_only,
            client_order_id=params.get("newClientOrderId") or made_up_id(self._venue.unique_id()),
        )
        if is_market and "price" in params:
            raise read.unwanted("price")
        self._check_resting(account, intent)
        return intent

    def _reduce_only(self, account: Account, params: Params) -> bool:
        if not params.get("reduceOnly"):
            return False
        if account.hedge:
            raise read.unwanted("reduceOnly")
        return read.boolean(params, "reduceOnly")

    def _check_resting(self, account: Account, intent: OrderIntent) -> None:
        """What waits to reduce the position already leaves less for another reduction."""
        if not intent.reduce_only or not self.counts_resting:
            return
        waiting = sum(
            (
                order.leaves
                for order in account.open_orders_of(intent.symbol)
                if order.intent.reduce_only and order.intent.side is intent.side and order.resting
            ),
            ZERO,
        )
        if waiting and waiting + intent.quantity > rules.reducible(account, intent):
            raise VenueError(
                -4118, "ReduceOnly Order Failed. Please check your existing position and open orders."
            )

    def _refusal(self, intent: OrderIntent, refused: Refused) -> VenueError:
        match refused.reason:
            case Reason.NOTIONAL_BELOW_MIN:
                return as_venue_error(refused, number(self._venue.listing(intent.symbol).min_notional))
            case Reason.PRICE_BAND:
                return self._band(intent)
            case _:
                return as_venue_error(refused)

    def _band(self, intent: OrderIntent) -> VenueError:
        band = self._venue.listing(intent.symbol).price_band
        bound = number(self._venue.mark(intent.symbol) * (1 + band * intent.side.sign))
        if intent.side is Side.BUY:
            return VenueError(-4016, f"Limit price can't be higher than {bound}.")
        return VenueError(-4024, f"Limit price can't be lower than {bound}.")


def _quantity(params: Params, listing: Listing) -> Decimal:
    quantity = read.decimal(params, "quantity")
    if quantity <= 0:
        raise VenueError(-4003, "Quantity less than or equal to zero.")
    if _decimals(quantity) > _decimals(listing.lot_size):
        raise _too_precise()
    return quantity


def _price(params: Params, listing: Listing) -> Decimal:
    price = read.decimal(params, "price")
    if price <= 0:
        raise VenueError(-4001, "Price less than 0.")
    # Prices may be as precise as the market's precision, which is finer than some ticks.
    if _decimals(price) > max(_decimals(listing.tick_size), 2):
        raise _too_precise()
    return price


def _too_precise() -> VenueError:
    return VenueError(-1111, "Precision is over the maximum defined for this asset.")


def _time_in_force(params: Params, *, is_market: bool) -> TimeInForce:
    if is_market:
        if params.get("timeInForce"):
            raise read.unwanted("timeInForce")
        return TimeInForce.IOC
    return read.word(params, "timeInForce", TIFS, code=-1115, text="Invalid timeInForce.")


def _position_idx(account: Account, params: Params) -> int:
    """One-way accounts have BOTH, and may leave it out; hedged ones have LONG and SHORT."""
    idx = read.word(
        {"positionSide": "BOTH", **{k: v for k, v in params.items() if v}},
        "positionSide",
        POSITION_IDX,
        code=-4060,
        text="Invalid position side.",
    )
    if bool(idx) is not account.hedge:
        raise as_venue_error(Refused(Reason.POSITION_IDX))
    return idx


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
