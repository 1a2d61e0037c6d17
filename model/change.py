"""One confirmed move of a master leg (R4)."""

import hashlib
from decimal import Decimal

import attrs

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
    """Volume-weighted price of the fills; the entry price where there were none."""
    master_equity: Decimal | None
    entry_price: Decimal | None
    venue_time_ms: int
    received_at_ms: int
    seq: int
    episode_id: str
    """change_id of the change that opened this episode (flat to flat)."""
    episode_began_ms: int
    """Venue time of that opening."""
    peak_size: Decimal
    """Largest absolute size of this episode so far."""
    peak_margin: Decimal | None
    """Initial margin confirmed with the update that brought ``peak_size`` (fixed_margin, R6)."""
    from_snapshot: bool = False
    """Seen as a difference of sizes, without its fills (R4, R14)."""
    caught_up: bool = False
    """Found by catch-up after a start or a reconnect: judged by price, not by age (R13, R14)."""

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
