"""One follower: what it knows of a symbol in, what it shall do out (R6-R10, R13, R14).

Pure. The actor gathers a Situation, performs the Decision and asks again.
"""

from collections.abc import Mapping
from decimal import Decimal

import attrs

from model.amounts import ZERO, format_decimal
from model.catchup import joined, missed_opening_allowed
from model.change import Change
from model.instrument import Instrument, InstrumentStatus
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, ChangeClass, Leg, PositionMode, Side, classify
from model.reasons import Reason
from model.reduction import plan_opening, plan_reduction
from model.settings import FollowerMode, FollowerSettings
from model.sizing import Target, Unsizable, margin_pct_of, proportional_target, step_towards, target_of
from model.validation import Exposure, OrderDraft, cap_by_limits, check_order, leverage_for, limit_price


@attrs.frozen(kw_only=True)
class Goal:
    """Where one leg of the follower shall be, as the master's legs say."""

    leg: Leg
    """Of the follower's account."""
    before: Decimal
    """The master's size that the follower last acted on, net where legs are netted."""
    after: Decimal
    change: Change
    """The change that is being answered."""
    contributions: tuple[Change, ...]
    """The master legs that make up ``after``."""

    @property
    def change_class(self) -> ChangeClass:
        """The class of the move, judged by what the follower acted on (R2: states, not deltas)."""
        return classify(self.before, self.after)


@attrs.frozen(kw_only=True)
class Situation:
    """Everything a decision depends on. Money in quote asset, ages in seconds."""

    settings: FollowerSettings
    instrument: Instrument | None
    mode: PositionMode
    size: Decimal
    """Confirmed signed size of the leg."""
    owned: bool
    leverage: Decimal | None
    equity: Decimal | None
    mark: Decimal | None
    exposure: Exposure
    age_s: float
    """Since the change was received."""
    max_open_age_s: float
    stopping: bool = False
    clock_ok: bool = True
    durable: bool = True
    """The claim is in the ledger (R18)."""


@attrs.frozen(kw_only=True)
class Decision:
    """Orders to send now for one goal, or the reason for none."""

    goal: Goal
    desired: Decimal
    """Where the leg shall be after ``drafts`` filled, rounded to the lot."""
    target: Decimal | None
    drafts: tuple[OrderDraft, ...] = ()
    leverage: Decimal | None = None
    """To be set before an opening; None: leave it."""
    reason: Reason | None = None
    """Why nothing, or less, is sent."""
    again: bool = False
    """A flip's close: decide once more when it is confirmed (R5)."""
    numbers: Mapping[str, object] = attrs.field(factory=dict)


def goals_of(
    change: Change,
    others: tuple[Change, ...],
    *,
    symbol: str,
    mode: PositionMode,
    acted: Mapping[Leg, Decimal],
) -> tuple[Goal, ...]:
    """Return the follower's goals for one change, reductions first (R6: nets and hedge legs).

    Args:
        others: last change of the master symbol's other legs.
        symbol: the follower's spelling.
        acted: the master size per follower leg that was last acted on; absent is zero.
    """
    legs = {other.leg.position_idx: other for other in others}
    legs[change.leg.position_idx] = change
    held = tuple(leg for leg in legs.values() if leg.size_after)
    if mode is PositionMode.ONE_WAY:
        wanted = {Leg(symbol, ONE_WAY): held}
    else:
        longs = tuple(leg for leg in held if leg.size_after > 0)
        shorts = tuple(leg for leg in held if leg.size_after < 0)
        wanted = {Leg(symbol, HEDGE_LONG): longs, Leg(symbol, HEDGE_SHORT): shorts}
        touched = change.leg.position_idx
        wanted = {leg: rows for leg, rows in wanted.items() if touched in (ONE_WAY, leg.position_idx)}
    goals = [
        Goal(
            leg=leg,
            before=acted.get(leg, ZERO),
            after=sum((row.size_after for row in rows), ZERO),
            change=change,
            contributions=rows,
        )
        for leg, rows in wanted.items()
    ]
    return tuple(sorted(goals, key=lambda goal: not goal.change_class.reduces))


def decide(goal: Goal, situation: Situation) -> Decision:
    """Return what to do now about one goal; never raises for what a venue or an operator can cause."""
    held_back = _held_back(goal, situation)
    if held_back is not None:
        return _nothing(goal, situation, held_back)
    size, kind = situation.size, goal.change_class
    if kind is ChangeClass.UNCHANGED:
        return _nothing(goal, situation, Reason.NOTHING_TO_DO)
    on_wrong_side = bool(size) and bool(goal.after) and (size > 0) != (goal.after > 0)
    if on_wrong_side:
        return _reduction(attrs.evolve(goal, after=ZERO), situation, again=True)
    if kind in (ChangeClass.PARTIAL_CLOSE, ChangeClass.FULL_CLOSE):
        return _reduction(goal, situation, again=False)
    return _opening(goal, situation)


def _held_back(goal: Goal, situation: Situation) -> Reason | None:
    if situation.settings.mode is FollowerMode.PAUSED:
        return Reason.PAUSED
    if situation.size and not situation.owned:
        return Reason.FOREIGN_POSITION
    if situation.instrument is None:
        return Reason.SYMBOL_NOT_LISTED
    return None


def _reduction(goal: Goal, situation: Situation, *, again: bool) -> Decision:
    instrument = situation.instrument
    assert instrument is not None
    size = situation.size
    if not size:
        return _nothing(goal, situation, Reason.ALREADY_FLAT)
    try:
        target = _target(goal, situation)
        note: dict[str, object] = {}
    except Unsizable as unknown:
        target = proportional_target(size, goal.before, goal.after)
        note = {"proportional_because": unknown.reason.value}
    step = step_towards(
        target,
        size,
        change_class=ChangeClass.PARTIAL_CLOSE if goal.after else ChangeClass.FULL_CLOSE,
        lot=instrument.lot_size,
        direction=1 if size > 0 else -1,
    )
    if not step.increment:
        return _nothing(goal, situation, Reason.NOTHING_TO_DO, target)
    quantities, reason = plan_reduction(size, step.desired, instrument, mark=situation.mark)
    side = Side.SELL if size > 0 else Side.BUY
    left = size + side.sign * sum(quantities, ZERO)
    drafts = tuple(
        OrderDraft(
            leg=goal.leg,
            side=side,
            quantity=quantity,
            price=None,
            reduce_only=True,
            opens=False,
            closes_all=not left,
        )
        for quantity in quantities
    )
    return Decision(
        goal=goal,
        desired=left,
        target=target.value,
        drafts=drafts,
        reason=reason,
        again=again and not reason,
        numbers=_numbers(goal, situation, target, step.increment) | note,
    )


def _opening(goal: Goal, situation: Situation) -> Decision:
    closed = _opening_closed(goal, situation)
    if closed is not None:
        return _nothing(goal, situation, closed)
    instrument = situation.instrument
    assert instrument is not None
    try:
        target = _target(goal, situation)
    except Unsizable as unknown:
        return _nothing(goal, situation, unknown.reason)
    reference = goal.change.fill_price or goal.change.entry_price
    mark = situation.mark or reference
    if reference is None or mark is None:
        return _nothing(goal, situation, Reason.PRICE_UNKNOWN, target)
    return _sized_opening(goal, situation, target, reference, mark)


def _sized_opening(
    goal: Goal, situation: Situation, target: Target, reference: Decimal, mark: Decimal
) -> Decision:
    settings, instrument, size = situation.settings, situation.instrument, situation.size
    assert instrument is not None
    direction = 1 if goal.after > 0 else -1
    uncapped = target.floor_lots(instrument.lot_size)
    capped, limit_reason = cap_by_limits(
        abs(uncapped), mark, settings.limits, situation.exposure, instrument, goal.leg.symbol
    )
    wanted = target if limit_reason is None else Target(direction * capped, Decimal(1))
    kind = ChangeClass.INCREASE if size else ChangeClass.OPEN
    step = step_towards(wanted, size, change_class=kind, lot=instrument.lot_size, direction=direction)
    numbers = _numbers(goal, situation, target, step.increment)
    quantities, reason = _opening_quantities(step.increment, target, situation, mark)
    reason = limit_reason or reason
    if not quantities:
        return Decision(goal=goal, desired=size, target=target.value, reason=reason, numbers=numbers)
    side = Side.BUY if direction > 0 else Side.SELL
    price = limit_price(reference, side, settings.limits.max_slippage, instrument)
    drafts = tuple(
        OrderDraft(
            leg=goal.leg,
            side=side,
            quantity=quantity,
            price=price,
            reduce_only=False,
            opens=True,
            closes_all=False,
        )
        for quantity in quantities
    )
    for draft in drafts:
        verdict = check_order(draft, instrument, mark=mark, mode=situation.mode)
        if verdict is not None:
            return _nothing(goal, situation, verdict.reason or Reason.VENUE_REJECTED, target)
    desired = size + direction * sum(quantities, ZERO)
    leverage = _leverage_to_set(goal, situation, abs(desired) * mark)
    return Decision(
        goal=goal,
        desired=desired,
        target=target.value,
        drafts=drafts,
        leverage=leverage,
        reason=reason,
        numbers=numbers
        | {"price_bound": format_decimal(price), "reference_price": format_decimal(reference)},
    )


def _opening_quantities(
    increment: Decimal, target: Target, situation: Situation, mark: Decimal
) -> tuple[tuple[Decimal, ...], Reason | None]:
    instrument = situation.instrument
    assert instrument is not None
    if increment:
        return plan_opening(
            abs(increment), instrument, mark=mark, round_up=situation.settings.round_up_to_minimum
        )
    rounds_to_zero = target.value and not target.floor_lots(instrument.lot_size)
    if rounds_to_zero and not situation.size:
        if situation.settings.round_up_to_minimum:
            return plan_opening(instrument.lot_size, instrument, mark=mark, round_up=True)
        return (), Reason.ROUNDED_TO_ZERO
    return (), Reason.NOTHING_TO_DO


def _opening_closed(goal: Goal, situation: Situation) -> Reason | None:
    """Return why no opening may go out now, whatever its size (R9, R13, R14, R18, R20)."""
    settings, instrument, change = situation.settings, situation.instrument, goal.change
    assert instrument is not None
    if situation.stopping:
        return Reason.ENGINE_STOPPING
    if settings.mode is FollowerMode.CLOSE_ONLY:
        return Reason.CLOSE_ONLY
    if not situation.durable:
        return Reason.LEDGER_UNREACHABLE
    if not joined(change, settings):
        return Reason.NOT_JOINED
    if instrument.status is not InstrumentStatus.TRADING:
        return Reason.SYMBOL_NOT_TRADING
    if not situation.clock_ok:
        return Reason.CLOCK_OFFSET
    if change.caught_up:
        refused = missed_opening_allowed(change, situation.mark, settings.limits.max_slippage)
        if refused is not None:
            return refused
    elif situation.age_s > situation.max_open_age_s:
        return Reason.EXPIRED
    floor = settings.limits.min_equity
    if floor is not None and situation.equity is not None and situation.equity < floor:
        return Reason.LIMIT_MIN_EQUITY
    return None


def _target(goal: Goal, situation: Situation) -> Target:
    total = Target(ZERO, Decimal(1))
    for change in goal.contributions:
        if change.size_after and goal.after:
            total += target_of(change, situation.settings.sizing, equity=situation.equity)
    return total


def _leverage_to_set(goal: Goal, situation: Situation, notional: Decimal) -> Decimal | None:
    assert situation.instrument is not None
    wanted = leverage_for(goal.change.leverage, situation.settings.limits, situation.instrument, notional)
    return None if wanted is None or wanted == situation.leverage else wanted


def _nothing(goal: Goal, situation: Situation, reason: Reason, target: Target | None = None) -> Decision:
    return Decision(
        goal=goal,
        desired=situation.size,
        target=None if target is None else target.value,
        reason=reason,
        numbers=_numbers(goal, situation, target, ZERO),
    )


def _numbers(
    goal: Goal, situation: Situation, target: Target | None, increment: Decimal
) -> dict[str, object]:
    """Return each number of R6 as text, for `explain` (R17)."""
    return {
        "leg": str(goal.leg),
        "class": goal.change_class.value,
        "sizing": situation.settings.sizing.mode.value,
        "master_size_before": format_decimal(goal.before),
        "master_size_after": format_decimal(goal.after),
        "master": [_contribution(change, situation) for change in goal.contributions],
        "equity": _text(situation.equity),
        "current": format_decimal(situation.size),
        "target": _text(None if target is None else target.value),
        "increment": format_decimal(increment),
        "lot": _text(situation.instrument.lot_size if situation.instrument else None),
        "mark": _text(situation.mark),
        "leverage_now": _text(situation.leverage),
        "age_s": round(situation.age_s, 6),
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


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format_decimal(value)
