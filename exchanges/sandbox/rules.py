"""Whether an order may be taken: the venue's filters, one function a rule, raising Refused."""

import re
from decimal import Decimal

from exchanges.sandbox.account import Account
from exchanges.sandbox.listing import Listing, ListingStatus, price_step
from exchanges.sandbox.order import OrderIntent
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.rulebook import Rulebook
from model.amounts import ZERO, is_multiple
from model.leg import Side

OPEN_ORDERS_MAX = 500


def check_client_id(account: Account, client_order_id: str, rulebook: Rulebook) -> None:
    """An id is optional, short, plain, and not used twice by one account, or not while it is in use."""
    if not client_order_id:
        return
    if not re.fullmatch(rulebook.client_id, client_order_id):
        raise Refused(Reason.CLIENT_ID)
    earlier = account.orders_by_client_id.get(client_order_id)
    if earlier is not None and (earlier.status.is_open or not rulebook.ids_live_with_orders):
        raise Refused(Reason.CLIENT_ID_DUPLICATE)


def check_leg(account: Account, intent: OrderIntent) -> None:
    """One-way symbols have leg 0, hedged ones 1 and 2."""
    if intent.position_idx not in account.leg_indices(intent.symbol):
        raise Refused(Reason.POSITION_IDX)


def reducible(account: Account, intent: OrderIntent) -> Decimal:
    """Return how much of the leg an order of this side can close, >= 0."""
    size = account.size(intent.symbol, intent.position_idx)
    return max(ZERO, -size * intent.side.sign)


def only_reduces(intent: OrderIntent) -> bool:
    """Tell whether an order can never open: flagged so, or on the closing side of a hedged leg."""
    closing_side = {1: Side.SELL, 2: Side.BUY}.get(intent.position_idx)
    return intent.reduce_only or intent.side is closing_side


def allowed_quantity(account: Account, intent: OrderIntent, listing: Listing, rulebook: Rulebook) -> Decimal:
    """Return the quantity to work with: cut to the position when the order only reduces.

    A quantity of zero with reduce-only and close-on-trigger closes the whole leg, up to the maximum.
    """
    held = reducible(account, intent)
    quantity = intent.quantity
    if not quantity and intent.reduce_only and intent.close_on_trigger:
        return min(_some(held), _maximum(intent, listing))
    check_quantity(quantity, listing)
    reduces = only_reduces(intent)
    if quantity > _maximum(intent, listing) and (rulebook.bounds_reductions or not reduces):
        raise Refused(Reason.QUANTITY_ABOVE_MAX)
    if not reduces:
        return quantity
    cuts = rulebook.cuts_reductions and (intent.reduce_only or rulebook.cuts_hedged_closes)
    if quantity > _some(held) and not cuts:
        raise Refused(Reason.REDUCE_ONLY)
    return min(quantity, held)


def _some(held: Decimal) -> Decimal:
    if not held:
        raise Refused(Reason.REDUCE_ONLY)
    return held


def _maximum(intent: OrderIntent, listing: Listing) -> Decimal:
    return listing.max_market_quantity if intent.price is None else listing.max_quantity


def check_quantity(quantity: Decimal, listing: Listing) -> None:
    """A positive whole number of lots, not below the minimum."""
    if quantity <= 0 or quantity < listing.min_quantity:
        raise Refused(Reason.QUANTITY_BELOW_MIN)
    if not is_multiple(quantity, listing.lot_size):
        raise Refused(Reason.QUANTITY)


def check_price(price: Decimal | None, listing: Listing) -> None:
    """A positive whole number of steps."""
    if price is not None and (price <= 0 or not is_multiple(price, price_step(listing, price))):
        raise Refused(Reason.PRICE)


def check_band(intent: OrderIntent, mark: Decimal, listing: Listing, rulebook: Rulebook) -> None:
    """A limit may not be too far from the mark where it is not moved."""
    if intent.price is None or rulebook.moves_to_band:
        return
    away = intent.price - mark
    if (abs(away) if rulebook.bands_both_sides else away * intent.side.sign) > mark * listing.price_band:
        raise Refused(Reason.PRICE_BAND)


def check_notional(
    value: Decimal, listing: Listing, intent: OrderIntent, rulebook: Rulebook, *, closes_all: bool
) -> None:
    """An order has a most and a least value; from the least, what reduces or closes is exempt."""
    if listing.max_notional is not None and value > listing.max_notional:
        raise Refused(Reason.NOTIONAL_ABOVE_MAX)
    reduces = only_reduces(intent) and (intent.reduce_only or rulebook.exempts_hedged_closes)
    exempt = reduces if rulebook.exempts_reductions else closes_all
    if value < listing.min_notional and not exempt:
        raise Refused(Reason.NOTIONAL_BELOW_MIN)


def check_symbol(listing: Listing | None) -> Listing:
    """The symbol is listed and trading."""
    if listing is None:
        raise Refused(Reason.SYMBOL)
    if listing.status is not ListingStatus.TRADING:
        raise Refused(Reason.SYMBOL_CLOSED)
    return listing


def check_room(account: Account, symbol: str) -> None:
    """So many active orders per symbol and no more."""
    if len(account.open_orders) >= OPEN_ORDERS_MAX and len(account.open_orders_of(symbol)) >= OPEN_ORDERS_MAX:
        raise Refused(Reason.TOO_MANY_ORDERS)
