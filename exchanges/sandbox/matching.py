"""From an order's arrival to its end: checked, kept, matched with the book, rested or cancelled."""

from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from exchanges.sandbox import book, rules
from exchanges.sandbox.account import Account
from exchanges.sandbox.balance import margin_of, opening_cost
from exchanges.sandbox.clearing import Clearing
from exchanges.sandbox.faults import FaultKind
from exchanges.sandbox.ledger import LedgerRow
from exchanges.sandbox.listing import Listing, notional_max_at
from exchanges.sandbox.order import CancelCause, FillKind, Order, OrderIntent, Origin, TimeInForce
from exchanges.sandbox.refusals import Reason, Refused
from model.amounts import ZERO, floor_to_step
from model.leg import Side

if TYPE_CHECKING:
    from exchanges.sandbox.venue import SandboxVenue


class Matching:
    """Owns the open orders of all accounts, by symbol."""

    def __init__(self, venue: "SandboxVenue", clearing: Clearing) -> None:
        self._venue = venue
        self._clearing = clearing
        self._open: dict[str, dict[str, Order]] = {}

    def place(self, row: LedgerRow, account: Account) -> Order:
        """Take one order that has arrived, or raise Refused; the row learns which."""
        try:
            order = self._accept(account, row.intent)
        except Refused as refusal:
            row.refused = refusal
            raise
        row.order = order
        delay_s = self._venue.faults.delay_s(FaultKind.DELAY_FILL, account=account.name)
        self._venue.later(delay_s, lambda: self._work(order))
        return order

    def force(
        self, account: Account, intent: OrderIntent, quantity: Decimal, origin: Origin = Origin.USER
    ) -> Order:
        """Make an order that no rule has seen: liquidations, and trades given with their prices."""
        mark = self._venue.mark(intent.symbol)
        limit = book.market_bound(self._venue.listing(intent.symbol), mark, intent.side)
        return self._new(account, intent, quantity, limit if intent.price is None else intent.price, origin)

    def cancel(self, order: Order, cause: CancelCause = CancelCause.USER) -> None:
        """End an open order, or raise Refused when it has ended."""
        if not order.status.is_open:
            raise Refused(Reason.ORDER_NOT_FOUND)
        self._forget(order)
        self._clearing.end(order, cause)

    def amend(self, order: Order, quantity: Decimal | None, price: Decimal | None) -> None:
        """Change an open order's total quantity or price; raise Refused for what no order may have."""
        if not order.status.is_open or not order.resting:
            raise Refused(Reason.ORDER_NOT_FOUND)
        listing = self._venue.listing(order.intent.symbol)
        rules.check_price(price, listing)
        if quantity is not None:
            rules.check_quantity(quantity, listing)
            if quantity <= order.filled:
                raise Refused(Reason.QUANTITY)
        intent = attrs.evolve(order.intent, price=price or order.limit, quantity=quantity or order.quantity)
        extra = (quantity or order.quantity) * intent.price - order.quantity * order.limit  # type: ignore[operator]
        if extra > 0 and not rules.only_reduces(intent):
            self._check_margin(account=order.account, intent=intent, value=extra, closing=ZERO)
        order.intent, order.updated_ms = intent, self._venue.booked_ms()
        order.quantity, order.limit = intent.quantity, price or order.limit
        self._clearing.announce_order(order)
        self._match(order, resting=True)

    def price_moved(self, symbol: str) -> None:
        """Fill the resting orders that the new mark price reaches."""
        for order in tuple(self._open.get(symbol, {}).values()):
            if order.status.is_open and order.resting:
                self._match(order, resting=True)

    def open_orders(self, symbol: str) -> tuple[Order, ...]:
        """Return all accounts' open orders of one symbol, oldest first."""
        return tuple(self._open.get(symbol, {}).values())

    def _accept(self, account: Account, intent: OrderIntent) -> Order:
        fault = self._venue.faults.strike(FaultKind.REJECT, account=account.name, endpoint="order.create")
        if fault is not None:
            raise Refused(Reason.INJECTED, fault.message, code=fault.code)
        listing = rules.check_symbol(self._venue.listings.get(intent.symbol))
        self._check_window(account, intent)
        rulebook = self._venue.rulebook
        rules.check_client_id(account, intent.client_order_id, rulebook)
        rules.check_leg(account, intent)
        rules.check_price(intent.price, listing)
        rules.check_room(account, intent.symbol)
        quantity = rules.allowed_quantity(account, intent, listing, rulebook)
        mark = self._venue.mark(intent.symbol)
        rules.check_band(intent, mark, listing, rulebook)
        price = intent.price or self._market_price(intent, listing, mark)
        held = rules.reducible(account, intent)
        rules.check_notional(quantity * price, listing, intent, rulebook, closes_all=quantity == held)
        if not rules.only_reduces(intent):
            closing = min(quantity, held)
            value = (quantity - closing) * price
            self._check_cap(account, intent, listing, value)
            self._check_margin(account, intent, value, closing)
        limit = self._limit(intent, listing, mark)
        if rulebook.refuses_unfillable:
            self._check_fillable(intent, listing, mark, limit, quantity)
        return self._new(account, intent, quantity, limit, Origin.USER)

    def _market_price(self, intent: OrderIntent, listing: Listing, mark: Decimal) -> Decimal:
        """Return the price by which a market order's value counts."""
        price = book.best_price(listing, mark, intent.side, self._venue.liquidity(intent.symbol))
        bound = book.market_bound(listing, mark, intent.side)
        if self._venue.rulebook.refuses_far_markets and not book.is_within(price, bound, intent.side):
            raise Refused(Reason.MARKET_TOO_FAR)
        return mark if self._venue.rulebook.values_markets_at_mark else price

    def _check_cap(self, account: Account, intent: OrderIntent, listing: Listing, value: Decimal) -> None:
        """The leverage that is set bounds what a leg may hold, where the listing has tiers."""
        held = abs(account.size(intent.symbol, intent.position_idx)) * self._venue.mark(intent.symbol)
        most = notional_max_at(listing, account.leverage(intent.symbol))
        if value > 0 and most is not None and held + value > most:
            raise Refused(Reason.POSITION_CAP)

    def _check_fillable(
        self, intent: OrderIntent, listing: Listing, mark: Decimal, limit: Decimal, quantity: Decimal
    ) -> None:
        liquidity = self._venue.liquidity(intent.symbol)
        slices = book.match(listing, mark, intent.side, limit, quantity, liquidity)
        if intent.time_in_force is TimeInForce.POST_ONLY and slices:
            raise Refused(Reason.WOULD_TAKE)
        taken = sum((part for _, part in slices), ZERO)
        if intent.time_in_force is TimeInForce.FOK and taken < quantity:
            raise Refused(Reason.NOT_FILLABLE)

    def _check_window(self, account: Account, intent: OrderIntent) -> None:
        if intent.time_in_force is TimeInForce.POST_ONLY:
            return
        if self._venue.rulebook.throttle_exempts_reductions and rules.only_reduces(intent):
            return
        if self._venue.faults.strike(FaultKind.POST_ONLY_WINDOW, account=account.name) is not None:
            raise Refused(Reason.POST_ONLY_WINDOW)

    def _limit(self, intent: OrderIntent, listing: Listing, mark: Decimal) -> Decimal:
        """A limit beyond the price band is moved to the band, as the venue does by default."""
        bound = book.market_bound(listing, mark, intent.side)
        if intent.price is None or not book.is_within(intent.price, bound, intent.side):
            return bound
        return intent.price

    def _check_margin(self, account: Account, intent: OrderIntent, value: Decimal, closing: Decimal) -> None:
        if value <= 0:
            return
        venue, symbol = self._venue, intent.symbol
        cost = opening_cost(value, account.leverage(symbol), venue.taker_fee, long=intent.side is Side.BUY)
        balance = venue.balance(account)
        free = balance.equity - balance.initial
        if closing:
            key = symbol, intent.position_idx
            held = margin_of(account, key, venue.mark(symbol), venue.listing(symbol), venue.taker_fee)
            free += held.initial * closing / abs(account.positions[key].size)
        if cost > free:
            raise Refused(Reason.MARGIN)

    def _new(
        self, account: Account, intent: OrderIntent, quantity: Decimal, limit: Decimal, origin: Origin
    ) -> Order:
        now = self._venue.booked_ms()
        order = Order(
            order_id=self._venue.unique_id(),
            account=account,
            intent=intent,
            quantity=quantity,
            limit=limit,
            mark_at_creation=self._venue.mark(intent.symbol),
            created_ms=now,
            updated_ms=now,
            origin=origin,
        )
        account.orders[order.order_id] = order
        account.open_orders[order.order_id] = order
        if intent.client_order_id:
            account.orders_by_client_id[intent.client_order_id] = order
        self._open.setdefault(intent.symbol, {})[order.order_id] = order
        return order

    def _work(self, order: Order) -> None:
        if order.status.is_open:
            self._match(order, resting=False)

    def _match(self, order: Order, *, resting: bool) -> None:
        """Meet the book once; then the order rests, ends, or its parts go on filling."""
        if not self._still_reduces(order):
            self.cancel(order, CancelCause.REDUCE_ONLY)
            return
        slices = self._slices(order)
        tif = order.intent.time_in_force
        taken = sum((quantity for _, quantity in slices), ZERO)
        if tif is TimeInForce.POST_ONLY and slices and not resting:
            self.cancel(order, CancelCause.WOULD_TAKE)
        elif tif is TimeInForce.FOK and taken < order.leaves:
            self.cancel(order, CancelCause.NO_LIQUIDITY)
        elif slices:
            self._fill(order, slices, maker=resting)
        elif self._rests(order):
            if not resting:
                order.resting = True
                self._clearing.announce_order(order)
        else:
            self.cancel(order, CancelCause.NO_LIQUIDITY)

    def _rests(self, order: Order) -> bool:
        return not order.is_market and order.intent.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY)

    def _still_reduces(self, order: Order) -> bool:
        """Cut an order that only reduces to what the leg holds by now; False when that is nothing."""
        if not rules.only_reduces(order.intent):
            return True
        held = rules.reducible(order.account, order.intent)
        order.quantity = min(order.quantity, order.filled + held)
        return held > 0

    def _slices(self, order: Order) -> list[book.Slice]:
        venue, symbol, side = self._venue, order.intent.symbol, order.intent.side
        listing, mark, liquidity = venue.listing(symbol), venue.mark(symbol), venue.liquidity(symbol)
        wanted = order.leaves
        fault = venue.faults.strike(FaultKind.PARTIAL_FILL, account=order.account.name)
        if fault is not None:
            wanted = floor_to_step(wanted * fault.fraction, listing.lot_size)
        return book.match(listing, mark, side, order.limit, wanted, liquidity)

    def _fill(self, order: Order, slices: list[book.Slice], *, maker: bool) -> None:
        """Fill in one match, or part after part with a gap between them."""
        gap_s = self._venue.liquidity(order.intent.symbol).part_gap_s
        if gap_s <= 0 or len(slices) == 1:
            self._clearing.book(order, slices, maker=maker, rest=self._rest_of(order))
            order.resting = order.status.is_open
            self._forget_ended(order)
            return
        order.resting = False
        first, others = slices[0], slices[1:]
        self._clearing.book(order, [first], maker=maker)
        self._venue.later(gap_s, lambda: self._next_part(order, others, maker=maker))

    def _next_part(self, order: Order, slices: list[book.Slice], *, maker: bool) -> None:
        if not order.status.is_open:
            return
        if not self._still_reduces(order):
            self.cancel(order, CancelCause.REDUCE_ONLY)
            return
        price, quantity = slices[0]
        self._fill(order, [(price, min(quantity, order.leaves)), *slices[1:]], maker=maker)

    def _rest_of(self, order: Order) -> CancelCause | None:
        return None if self._rests(order) else CancelCause.NO_LIQUIDITY

    def _forget_ended(self, order: Order) -> None:
        if not order.status.is_open:
            self._forget(order)

    def _forget(self, order: Order) -> None:
        self._open.get(order.intent.symbol, {}).pop(order.order_id, None)

    def finish(self, order: Order, slices: list[book.Slice], kind: FillKind, *, together: bool) -> None:
        """Book the given fills of a forced order, in one match or one by one."""
        batches = [slices] if together else [[one] for one in slices]
        for batch in batches:
            self._clearing.book(order, batch, kind=kind)
        self._forget_ended(order)
