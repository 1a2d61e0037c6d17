"""Which of the master's positions a follower takes part in, and what it still opens late (R14)."""

from decimal import Decimal

from model.amounts import EXACT, positive_or_none
from model.change import Change
from model.reasons import Reason
from model.settings import FollowerSettings, Join


def joined(change: Change, settings: FollowerSettings) -> bool:
    """Tell whether the follower takes part in the episode of this change."""
    return settings.join is Join.NOW or change.episode_began_ms >= settings.joined_at_ms


def entry_of(change: Change) -> Decimal | None:
    """Return the price that a copy is judged by: of the master's fills, or its entry when late; > 0."""
    fills, entry = positive_or_none(change.fill_price), positive_or_none(change.entry_price)
    return (entry or fills) if change.caught_up else (fills or entry)


def missed_opening_allowed(change: Change, mark: Decimal | None, max_slippage: Decimal) -> Reason | None:
    """Return why a missed opening may not be made up for now, None when it may.

    Args:
        mark: the follower's venue, quote asset; None while unknown: nothing is opened blindly.
        max_slippage: a fraction of the master's entry price, to either side.
    """
    entry, mark = entry_of(change), positive_or_none(mark)
    if entry is None or mark is None:
        return Reason.PRICE_UNKNOWN
    if is_beyond(mark, entry, max_slippage):
        return Reason.PRICE_MOVED
    return None


def is_beyond(price: Decimal, reference: Decimal, share: Decimal) -> bool:
    """Tell whether ``price`` is off ``reference`` by more than ``share`` of it."""
    return abs(EXACT.subtract(price, reference)) > EXACT.multiply(reference, share)
