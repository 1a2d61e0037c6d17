"""What fills do to an account: position, wallet, fees, executions, and the news of it, in venue order."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.sandbox.account import Account
from exchanges.sandbox.book import Slice
from exchanges.sandbox.events import Executed, OrderChanged, PositionChanged, WalletChanged
from exchanges.sandbox.order import CancelCause, Fill, FillKind, Order, OrderStatus
from exchanges.sandbox.position import Position
from model.amounts import ZERO
from model.leg import Side

if TYPE_CHECKING:
    from exchanges.sandbox.venue import SandboxVenue


class Clearing:
    """Books fills into accounts. Every method is one step that nothing can interrupt."""

    def __init__(self, venue: "SandboxVenue") -> None:
        self._venue = venue

    def book(
        self,
        order: Order,
        slices: Sequence[Slice],
        *,
        maker: bool = False,
        kind: FillKind = FillKind.TRADE,
        rest: CancelCause | None = None,
    ) -> tuple[Fill, ...]:
        """Book one match: its fills share a sequence number. ``rest`` ends what is left of the order."""
        seq = self._venue.next_seq(order.intent.symbol)
        fills = tuple(self._fill(order, price, quantity, maker, kind, seq) for price, quantity in slices)
        if rest is not None and order.status.is_open:
            self._end(order, rest)
        self._announce(order, fills, seq)
        return fills

    def end(self, order: Order, cause: CancelCause) -> None:
        """End an order that is open: cancelled, with what it has filled."""
        self._end(order, cause)
        self.announce_order(order)

    def announce_order(self, order: Order) -> None:
        """Say that an order changed without a fill: the venue pushes its position as well."""
        account, symbol = order.account, order.intent.symbol
        order.seq = self._venue.next_seq(symbol)
        self._venue.emit(OrderChanged(account=account, order=order, seq=order.seq))
        if self._venue.push_unchanged_positions:
            leg = account.position(symbol, order.intent.position_idx)
            if leg.seq >= 0:
                leg.seq = order.seq
            self._venue.emit(self._positions(account, leg))

    def announce_position(self, account: Account, symbol: str) -> None:
        """Say how the legs of a symbol stand, when they hold something."""
        legs = tuple(leg for leg in account.legs(symbol) if leg.size)
        if legs:
            self._venue.emit(PositionChanged(account=account, positions=legs))

    def fund(self, account: Account, position: Position, rate: Decimal) -> Fill:
        """Charge or pay funding on one open leg: longs pay a positive rate."""
        venue = self._venue
        mark, now = venue.mark(position.symbol), venue.booked_ms()
        fee = position.size * mark * rate
        account.wallet -= fee
        account.fees_paid += fee
        position.realised -= fee
        position.realised_total -= fee
        position.seq, position.updated_ms = venue.next_seq(position.symbol), now
        fill = Fill(
            execution_id=venue.unique_id(),
            symbol=position.symbol,
            side=Side.BUY if position.size > 0 else Side.SELL,
            position_idx=position.position_idx,
            order=None,
            order_id=venue.unique_id(),
            kind=FillKind.FUNDING,
            price=mark,
            quantity=abs(position.size),
            fee=fee,
            fee_rate=rate,
            closed=ZERO,
            profit=ZERO,
            leaves=ZERO,
            size_before=position.size,
            mark=mark,
            is_maker=False,
            time_ms=now,
            seq=position.seq,
        )
        account.fills.append(fill)
        venue.emit(Executed(account=account, symbol=position.symbol, fills=(fill,), seq=position.seq))
        venue.emit(WalletChanged(account=account))
        venue.emit(self._positions(account, position))
        return fill

    def _fill(
        self, order: Order, price: Decimal, quantity: Decimal, maker: bool, kind: FillKind, seq: int
    ) -> Fill:
        venue, account, intent = self._venue, order.account, order.intent
        now = venue.booked_ms()
        position = account.position(intent.symbol, intent.position_idx)
        size_before = position.size
        closed, profit = position.apply(quantity * intent.side.sign, price)
        rate = venue.maker_fee if maker else venue.taker_fee
        fee = price * quantity * rate
        account.wallet += profit - fee
        account.realised += profit
        account.fees_paid += fee
        flipped = ZERO < closed < quantity
        position.realised += profit - fee
        if flipped:
            position.realised = -fee * (quantity - closed) / quantity
        position.realised_total += profit - fee
        position.seq, position.updated_ms = seq, now
        position.created_ms = position.created_ms or now
        if not size_before or flipped:
            position.opened_ms = now
        self._add_to_order(order, price, quantity, fee, profit, seq, now)
        venue.note_holding(account, position)
        fill = Fill(
            execution_id=venue.unique_id(),
            symbol=intent.symbol,
            side=intent.side,
            position_idx=intent.position_idx,
            order=order,
            order_id=order.order_id,
            kind=kind,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_rate=rate,
            closed=closed,
            profit=profit,
            leaves=order.quantity - order.filled,
            size_before=size_before,
            mark=venue.mark(intent.symbol),
            is_maker=maker,
            time_ms=now,
            seq=seq,
        )
        account.fills.append(fill)
        return fill

    def _add_to_order(
        self,
        order: Order,
        price: Decimal,
        quantity: Decimal,
        fee: Decimal,
        profit: Decimal,
        seq: int,
        now: int,
    ) -> None:
        order.filled += quantity
        order.value += price * quantity
        order.fee += fee
        order.closed_profit += profit
        order.seq, order.updated_ms = seq, now
        if order.filled >= order.quantity:
            order.status = OrderStatus.FILLED
            order.account.open_orders.pop(order.order_id, None)
        else:
            order.status = OrderStatus.PARTLY_FILLED

    def _end(self, order: Order, cause: CancelCause) -> None:
        order.status, order.cancel_cause = OrderStatus.CANCELLED, cause
        order.updated_ms = self._venue.booked_ms()
        order.account.open_orders.pop(order.order_id, None)

    def _announce(self, order: Order, fills: tuple[Fill, ...], seq: int) -> None:
        """Fills and order first, then wallet and position: the order in which they were recorded."""
        venue, account = self._venue, order.account
        venue.emit(Executed(account=account, symbol=order.intent.symbol, fills=fills, seq=seq))
        venue.emit(OrderChanged(account=account, order=order, seq=seq))
        venue.emit(WalletChanged(account=account))
        venue.emit(self._positions(account, account.position(order.intent.symbol, order.intent.position_idx)))

    def _positions(self, account: Account, changed: Position) -> PositionChanged:
        if self._venue.push_both_legs:
            return PositionChanged(account=account, positions=account.legs(changed.symbol))
        return PositionChanged(account=account, positions=(changed,))
