"""One confirmed move of a master leg (R4)."""

import hashlib
from decimal import Decimal

import attrs

from model.amounts import CONTEXT, EXACT, ONE, ZERO
from model.leg import ChangeClass, Leg, classify


@attrs.frozen(kw_only=True)
class Change:
    """A master leg went from one size to another, and the venue confirmed the margin.

    Sizes in base asset, signed, long > 0; money and prices in quote asset. Optional numbers are
    None when the venue did not say: an opening then has no size (R6).
    """

    change_id: str
    leg: Leg
    size_before: Decimal
    size_after: Decimal
    initial_margin: Decimal | None
    leverage: Decimal | None
    fill_price: Decimal | None
    """Volume-weighted price of the fills that moved the leg.

    Where they never came: of an open or a flip the entry price, which is the same figure from the
    venue; of anything else the mark price that came with the update.
    """
    master_equity: Decimal | None
    entry_price: Decimal | None
    venue_time_ms: int
    received_at_ms: int
    seq: int
    episode_id: str
    """change_id of the change that opened this episode (flat to flat)."""
    episode_began_ms: int
    """Venue time of that opening; 0 where it began before we watched and the venue does not say when."""
    peak_size: Decimal
    """Largest absolute size of this episode so far."""
    peak_margin: Decimal | None
    """Initial margin confirmed with the update that brought ``peak_size`` (fixed_margin, R6)."""
    from_snapshot: bool = False
    """Seen as a difference of sizes that the fills we have do not explain (R4, R14)."""
    caught_up: bool = False
    """Found by catch-up after a start or a reconnect: judged by price, not by age (R13, R14)."""
    by_operator: bool = False
    """No move of the master's: an operator has one follower's ``leg``, in its own spelling, closed."""

    @property
    def change_class(self) -> ChangeClass:
        """The class of the move (R5)."""
        return classify(self.size_before, self.size_after)


def make_change_id(leg: Leg, seq: int, size_after: Decimal) -> str:
    """Return the id of the change that brought ``leg`` to ``size_after`` at ``seq``.

    Derived from what the venue says, so a replay or a snapshot of the same state repeats it.
    """
    text = f"{leg.symbol}|{leg.position_idx}|{seq}|{size_after.normalize():f}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def operator_close(follower: str, leg: Leg, size: Decimal, wall_ms: int) -> Change:
    """Return the change by which a follower's leg is closed for an operator.

    Args:
        leg: of the follower's account.
        size: what is held, signed.
        wall_ms: when it was decided; it makes the id of this closing another than of the one before.
    """
    text = f"close\x1f{follower}\x1f{leg.symbol}\x1f{leg.position_idx}\x1f{wall_ms}"
    change_id = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Change(
        change_id=change_id,
        leg=leg,
        size_before=size,
        size_after=ZERO,
        initial_margin=None,
        leverage=None,
        fill_price=None,
        master_equity=None,
        entry_price=None,
        venue_time_ms=wall_ms,
        received_at_ms=wall_ms,
        seq=-1,
        episode_id=change_id,
        episode_began_ms=wall_ms,
        peak_size=abs(size),
        peak_margin=None,
        caught_up=True,
        by_operator=True,
    )


@attrs.frozen(kw_only=True)
class Episode:
    """What a change tells of its leg's life from flat to flat (R6, R14)."""

    episode_id: str
    episode_began_ms: int
    peak_size: Decimal
    peak_margin: Decimal | None


def episode_after(
    last: Change | None, *, change_id: str, size_after: Decimal, margin: Decimal | None, began_ms: int
) -> Episode:
    """Return the episode as it stands with the change that follows ``last``.

    An open and a flip begin one; a full close belongs to the one that it ends. The peak's margin
    is the one confirmed with the update that brought the peak, and never drifts.

    Args:
        margin: initial margin confirmed with ``size_after``.
        began_ms: venue time, should this change begin an episode.
    """
    size = abs(size_after)
    kind = ChangeClass.OPEN if last is None else classify(last.size_after, size_after)
    if last is None or kind in (ChangeClass.OPEN, ChangeClass.FLIP):
        return Episode(episode_id=change_id, episode_began_ms=began_ms, peak_size=size, peak_margin=margin)
    grown = size > last.peak_size
    return Episode(
        episode_id=last.episode_id,
        episode_began_ms=last.episode_began_ms,
        peak_size=size if grown else last.peak_size,
        peak_margin=margin if grown else last.peak_margin,
    )


def in_units(change: Change, factor: Decimal) -> Change:
    """Return the change counted in other units, ``factor`` of them in one of the master's.

    Money stays, sizes grow, prices shrink. The id stays too: it is the same change.
    """
    if factor == ONE or change.by_operator:
        return change

    def price(value: Decimal | None) -> Decimal | None:
        return None if value is None else CONTEXT.divide(value, factor)

    return attrs.evolve(
        change,
        size_before=EXACT.multiply(change.size_before, factor),
        size_after=EXACT.multiply(change.size_after, factor),
        peak_size=EXACT.multiply(change.peak_size, factor),
        fill_price=price(change.fill_price),
        entry_price=price(change.entry_price),
    )
