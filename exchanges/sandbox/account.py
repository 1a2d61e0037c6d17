"""An account at the sandbox: keys, wallet, modes, leverages, positions, orders and fills."""

from collections import deque
from decimal import Decimal

import attrs

from exchanges.sandbox.order import Fill, Order
from exchanges.sandbox.position import Position
from exchanges.sandbox.refusals import Reason, Refused
from model.amounts import ZERO

FILLS_KEPT = 5000


@attrs.define(kw_only=True, eq=False)
class Account:
    """Wallet in USDT. ``hedge`` is the default mode, ``hedge_by_symbol`` overrides it."""

    name: str
    uid: int
    api_key: str
    api_secret: str = attrs.field(repr=False)
    wallet: Decimal
    hedge: bool = False
    read_only: bool = False
    may_withdraw: bool = False
    may_transfer: bool = False
    tells_rights: bool = True
    """False: the venue's answer about the key lacks what it may do."""
    is_ip_bound: bool = True
    key_expires_at_ms: int | None = None
    margin_mode: str = "cross"
    """Of "cross", "isolated" and "portfolio": what the venue says of it; positions stay in cross margin."""
    default_leverage: Decimal = Decimal(10)
    hedge_by_symbol: dict[str, bool] = attrs.field(factory=dict)
    leverage_by_symbol: dict[str, Decimal] = attrs.field(factory=dict)
    positions: dict[tuple[str, int], Position] = attrs.field(factory=dict, repr=False)
    orders: dict[str, Order] = attrs.field(factory=dict, repr=False)
    """All ever accepted, by order id, oldest first."""
    orders_by_client_id: dict[str, Order] = attrs.field(factory=dict, repr=False)
    open_orders: dict[str, Order] = attrs.field(factory=dict, repr=False)
    fills: deque[Fill] = attrs.field(factory=lambda: deque(maxlen=FILLS_KEPT), repr=False)
    deposited: Decimal = ZERO
    fees_paid: Decimal = ZERO
    realised: Decimal = ZERO
    """Profit of what was closed, before fees."""

    def is_hedged(self, symbol: str) -> bool:
        """Tell the position mode of a symbol."""
        return self.hedge_by_symbol.get(symbol, self.hedge)

    def leverage(self, symbol: str) -> Decimal:
        """Return the leverage set for a symbol."""
        return self.leverage_by_symbol.get(symbol, self.default_leverage)

    def position(self, symbol: str, position_idx: int = 0) -> Position:
        """Return one leg, flat if it never traded; raise Refused when the mode has no such leg."""
        if position_idx not in self.leg_indices(symbol):
            raise Refused(Reason.POSITION_IDX)
        found = self.positions.get((symbol, position_idx))
        if found is None:
            found = Position(symbol=symbol, position_idx=position_idx)
            self.positions[symbol, position_idx] = found
        return found

    def legs(self, symbol: str) -> tuple[Position, ...]:
        """Return the one leg of a one-way symbol or the two of a hedged one."""
        return tuple(self.position(symbol, idx) for idx in self.leg_indices(symbol))

    def leg_indices(self, symbol: str) -> tuple[int, ...]:
        """Return (0,) for one-way, (1, 2) for hedge."""
        return (1, 2) if self.is_hedged(symbol) else (0,)

    def size(self, symbol: str, position_idx: int = 0) -> Decimal:
        """Return the signed size of one leg, zero where there is none."""
        found = self.positions.get((symbol, position_idx))
        return found.size if found else ZERO

    def open_positions(self) -> list[Position]:
        """Return the legs that hold something."""
        return [position for position in self.positions.values() if position.size]

    def open_orders_of(self, symbol: str) -> list[Order]:
        """Return the open orders of one symbol, oldest first."""
        return [order for order in self.open_orders.values() if order.intent.symbol == symbol]
