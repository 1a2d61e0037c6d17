"""What was decided about one goal, and each number of it in words for `explain` (R17).

Orders leave first: the words are made when they are asked for.
"""

from collections.abc import Mapping
from decimal import Decimal

import attrs

from model.amounts import ZERO, format_decimal, is_multiple
from model.change import Change
from model.goal import Goal
from model.reasons import Reason
from model.situation import Situation
from model.sizing import Target, margin_pct_of
from model.validation import OrderDraft


@attrs.frozen(kw_only=True)
class Decision:
    """Orders to send now for one goal, or the reason for none."""

    goal: Goal
    situation: Situation
    """What it was decided from."""
    desired: Decimal
    """Where the leg shall be after ``drafts`` filled, rounded to the lot."""
    aim: Target | None = None
    """R6's target before rounding."""
    increment: Decimal = ZERO
    drafts: tuple[OrderDraft, ...] = ()
    leverage: Decimal | None = None
    """To be set before an opening; None: leave it."""
    reason: Reason | None = None
    """Why nothing, or less, is sent."""
    again: bool = False
    """A flip's close: decide once more when it is confirmed (R5)."""
    notes: Mapping[str, object] = attrs.field(factory=dict)
    """What else `explain` shows; decimals become text there."""

    @property
    def target(self) -> Decimal | None:
        """R6's target to 50 digits: to be shown, never to be computed with."""
        return None if self.aim is None else self.aim.value

    @property
    def leaves_fraction(self) -> bool:
        """Tell whether something stays for it is no whole lot: lots that grew coarser grow finer again."""
        instrument = self.situation.instrument
        return (
            self.reason is Reason.DEFERRED
            and instrument is not None
            and not is_multiple(self.desired, instrument.lot_size)
        )

    @property
    def has_more_to_reduce(self) -> bool:
        """Tell whether these are the first orders of a reduction that takes more than one plan's (R10)."""
        return self.reason is Reason.ABOVE_MAX_QUANTITY and bool(self.drafts) and not self.drafts[0].opens

    @property
    def numbers(self) -> dict[str, object]:
        """Each number of R6, as text."""
        goal, situation = self.goal, self.situation
        return {
            "leg": str(goal.leg),
            "class": goal.change_class.value,
            "sizing": situation.settings.sizing.mode.value,
            "master_size_before": format_decimal(goal.before),
            "master_size_after": format_decimal(goal.after),
            "master": [_contribution(change, situation) for change in goal.contributions],
            "equity": _text(situation.equity),
            "current": format_decimal(situation.size),
            "target": _text(self.target),
            "increment": format_decimal(self.increment),
            "lot": _text(situation.instrument.lot_size if situation.instrument else None),
            "mark": _text(situation.mark),
            "leverage_now": _text(situation.leverage),
            "age_s": round(situation.age_s, 6),
            **{name: _shown(value) for name, value in self.notes.items()},
        }


def _contribution(change: Change, situation: Situation) -> dict[str, object]:
    return {
        "change_id": change.change_id,
        "leg": str(change.leg),
        "size": format_decimal(change.size_after),
        "initial_margin": _text(change.initial_margin),
        "equity": _text(change.master_equity),
        "leverage": _text(change.leverage),
        "peak_margin": _text(change.peak_margin),
        "margin_pct": _text(margin_pct_of(change, situation.settings.sizing)),
    }


def _shown(value: object) -> object:
    if isinstance(value, Decimal):
        return format_decimal(value)
    return list(value) if isinstance(value, tuple) else value


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format_decimal(value)
