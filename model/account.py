"""What is known of one account: positions, wallet balance, and whether that is fresh (R21)."""

from decimal import Decimal

import attrs

from model.leg import Leg


@attrs.frozen(kw_only=True)
class PositionReport:
    """One leg as a venue reports it. Size signed, base asset; money in quote asset.

    None means that the venue did not say; only a flat row's size is zero for certain.
    """

    leg: Leg
    size: Decimal
    entry_price: Decimal | None
    leverage: Decimal | None
    initial_margin: Decimal | None
    mark_price: Decimal | None
    seq: int
    """The venue's own order of states, -1 where it has none."""
    venue_time_ms: int
    opened_at_ms: int | None = None


@attrs.frozen(kw_only=True)
class WalletReport:
    """Balances of an account in quote asset; None where the venue left it blank."""

    wallet_balance: Decimal | None
    equity: Decimal | None
    available: Decimal | None
    venue_time_ms: int


@attrs.frozen(kw_only=True)
class AccountSnapshot:
    """Everything about an account at one moment, by REST."""

    positions: tuple[PositionReport, ...]
    wallet: WalletReport
    hedge_symbols: frozenset[str] | None = None
    """Symbols known to be in hedge mode; None when the venue was not asked."""


@attrs.frozen(kw_only=True)
class Execution:
    """One fill of one order of an account. Quantity base asset > 0; fees are not needed here."""

    execution_id: str
    symbol: str
    position_idx: int | None
    """None where the venue's row does not say (Bybit, R4)."""
    side_sign: int
    quantity: Decimal
    price: Decimal
    closed_size: Decimal | None
    order_id: str
    client_order_id: str
    seq: int
    venue_time_ms: int
