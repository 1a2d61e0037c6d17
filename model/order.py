"""An order's life, and the ids by which it is never sent twice (R11, R12)."""

import hashlib
from decimal import Decimal
from enum import Enum

import attrs

from model.leg import Leg, Side


class OrderState(Enum):
    """Where an order is. UNKNOWN ends only by the venue's own word (R11)."""

    CLAIMED = "claimed"
    """Its id is durable; it may or may not have left."""
    SENT = "sent"
    ACCEPTED = "accepted"
    FILLED = "filled"
    """Ended with everything filled."""
    ENDED = "ended"
    """Ended partly filled or unfilled: an IOC remainder was cancelled."""
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    LOST = "lost"
    """The venue said, twice and too late for it to arrive, that it never came."""

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more can happen to the order."""
        return self in (OrderState.FILLED, OrderState.ENDED, OrderState.REJECTED, OrderState.LOST)


class IllegalTransition(ValueError):
    """An order was moved along an edge that its life does not have."""


_LIFE: dict[OrderState, frozenset[OrderState]] = {
    OrderState.CLAIMED: frozenset(
        {OrderState.SENT, OrderState.REJECTED, OrderState.UNKNOWN, OrderState.LOST}
        | {OrderState.ACCEPTED, OrderState.FILLED, OrderState.ENDED}
    ),
    OrderState.SENT: frozenset(
        {OrderState.ACCEPTED, OrderState.FILLED, OrderState.ENDED}
        | {OrderState.REJECTED, OrderState.UNKNOWN, OrderState.LOST}
    ),
    OrderState.UNKNOWN: frozenset(
        {OrderState.ACCEPTED, OrderState.FILLED, OrderState.ENDED, OrderState.REJECTED, OrderState.LOST}
    ),
    OrderState.ACCEPTED: frozenset(
        {OrderState.FILLED, OrderState.ENDED, OrderState.REJECTED, OrderState.LOST}
    ),
    OrderState.FILLED: frozenset(),
    OrderState.ENDED: frozenset(),
    OrderState.REJECTED: frozenset(),
    OrderState.LOST: frozenset(),
}


def advance(state: OrderState, to: OrderState) -> OrderState:
    """Return ``to`` when an order in ``state`` may become it; repeats are no move.

    Raises: IllegalTransition.
    """
    if to is state or to in _LIFE[state]:
        return to
    raise IllegalTransition(f"an order that is {state.value} cannot become {to.value}")


@attrs.frozen(kw_only=True)
class OrderRequest:
    """One order as it shall leave: an IOC limit, or a market order where ``price`` is None."""

    client_order_id: str
    leg: Leg
    """Of the follower's account: symbol in the venue's spelling."""
    side: Side
    quantity: Decimal
    """Base asset, > 0, a multiple of the lot."""
    price: Decimal | None
    reduce_only: bool
    expires_at_ms: int | None = None
    """Wall clock after which the venue shall refuse it, where the venue can (openings only)."""


@attrs.frozen(kw_only=True)
class OrderReport:
    """What a venue said of one of our orders, by stream, answer or look-up."""

    leg: Leg
    client_order_id: str
    order_id: str
    state: OrderState
    filled: Decimal
    """Base asset, >= 0."""
    average_price: Decimal | None
    venue_time_ms: int
    reject_reason: str = ""
    side: Side | None = None
    """As an order's own row tells it; None where an answer does not repeat what was asked."""


def make_client_order_id(follower: str, change_id: str, part: int, attempt: int) -> str:
    """Return 32 hex digits derived from the four facts (R12); fits all three venues."""
    text = f"{follower}\x1f{change_id}\x1f{part}\x1f{attempt}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def make_copy_id(follower: str, change_id: str) -> str:
    """Return the 16 hex digits that name a follower's answer to a change."""
    return hashlib.blake2b(f"{follower}\x1f{change_id}".encode(), digest_size=8).hexdigest()
