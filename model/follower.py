"""One follower: what it knows of a symbol in, what it shall do out (R6-R10, R13, R14).

Pure. The actor gathers a Situation, performs the Decision and asks again.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import reduce

import attrs

from model.amounts import EXACT, ZERO, positive_or_none
from model.catchup import entry_of
from model.decision import Decision
from model.gates import Gates, pass_gates
from model.goal import Goal, goals_of
from model.instrument import Instrument
from model.leg import ChangeClass, PositionMode, Side
from model.prices import limit_price, within_band
from model.reasons import Reason
from model.reduction import plan_opening, plan_reduction
from model.settings import FollowerMode
from model.situation import Situation
from model.sizing import Step, Target, Unsizable, proportional_target, step_towards, target_of
from model.validation import OrderDraft, cap_by_limits, check_order, leverage_for, worse_price

__all__ = ["Decision", "Goal", "Situation", "decide", "goals_of", "wanted_size"]


def decide(goal: Goal, situation: Situation) -> Decision:
    """Return what to do now about one goal; never raises for what a venue or an operator can cause.

    What is held and owned is the truth, what was acted on only says which way the master went: a side
    that the master has left is closed whatever the follower remembers.
    """
    instrument, held_back = situation.instrument, _held_back(goal, situation)
    if held_back is not None or instrument is None:
        return _nothing(goal, situation, held_back or Reason.SYMBOL_NOT_LISTED)
    if not goal.after:
        return _reduction(goal, situation, instrument)
    if situation.size and (situation.size > 0) is not (goal.after > 0):
        return _reduction(attrs.evolve(goal, after=ZERO), situation, instrument, again=goal.adds)
    if goal.takes_off:
        reduction = _reduction(goal, situation, instrument)
        if reduction.drafts or reduction.reason is Reason.DEFERRED or not goal.adds:
            return reduction
    if goal.adds:
        return _opening(goal, situation, instrument)
    return _nothing(goal, situation, Reason.NOTHING_TO_DO)


def wanted_size(goal: Goal, situation: Situation) -> Decimal | None:
    """Return where R6 and the follower's limits want the leg, whatever holds it back for now (R15).

    Base asset, signed, in whole lots; None while an input of the formula is unknown.
    """
    instrument = situation.instrument
    if not goal.after:
        return ZERO
    price = positive_or_none(situation.mark) or entry_of(goal.change)
    if instrument is None or price is None:
        return None
    try:
        target = _target(goal, situation)
    except Unsizable:
        return None
    side = Side.BUY if goal.after > 0 else Side.SELL
    flat = attrs.evolve(situation, size=ZERO)
    _, quantities, _ = _sized_opening(target, side, price, price, flat, instrument)
    return EXACT.multiply(Decimal(side.sign), _total(quantities))


def _held_back(goal: Goal, situation: Situation) -> Reason | None:
    """Return why the leg is not touched at all, reductions included."""
    mode = situation.settings.mode
    if mode is not FollowerMode.FLATTENING if goal.change.by_operator else not mode.takes_changes:
        return Reason.PAUSED
    if not situation.key.may_reduce:
        return Reason.KEY_REFUSED if situation.key.is_refused else Reason.KEY_UNCHECKED
    is_ours = bool(situation.size) and situation.owned
    if not is_ours and not goal.is_move:
        return Reason.NOTHING_TO_DO
    if situation.size and not situation.owned:
        # What an order of ours may have opened is nobody's until its outcome is known (R11).
        return Reason.ORDER_UNKNOWN if situation.order_unknown else Reason.FOREIGN_POSITION
    return None


# Reductions


def _reduction(goal: Goal, situation: Situation, instrument: Instrument, *, again: bool = False) -> Decision:
    size = situation.size
    if not size:
        return _nothing(goal, situation, Reason.ALREADY_FLAT)
    target, note = _reduced_target(goal, situation)
    direction = 1 if size > 0 else -1
    kind = ChangeClass.PARTIAL_CLOSE if goal.after else ChangeClass.FULL_CLOSE
    step = step_towards(target, size, change_class=kind, lot=instrument.lot_size, direction=direction)
    if not step.increment:
        return _nothing(goal, situation, Reason.NOTHING_TO_DO, target, note)
    hedged = situation.mode is PositionMode.HEDGE
    quantities, reason = plan_reduction(size, step.desired, instrument, mark=situation.mark, hedged=hedged)
    side = Side.SELL if size > 0 else Side.BUY
    left = EXACT.fma(Decimal(side.sign), _total(quantities), size)
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
    decision = Decision(
        goal=goal,
        situation=situation,
        desired=left,
        aim=target,
        increment=step.increment,
        drafts=drafts,
        reason=reason,
        again=again and not left,
        notes=note,
    )
    return _checked(decision, situation, instrument)


def _reduced_target(goal: Goal, situation: Situation) -> tuple[Target, dict[str, object]]:
    """Return R6's target, or the master's own proportion: what closes is not held up by what is unknown."""
    try:
        return _target(goal, situation), {}
    except Unsizable as unknown:
        target = _proportional(goal, situation.size)
        return target, {"proportional_because": unknown.reason.value}


def _proportional(goal: Goal, size: Decimal) -> Target:
    acted_on = goal.before
    if goal.moving and goal.change_class is not ChangeClass.PARTIAL_CLOSE:
        acted_on = max(goal.moving, key=abs)
    began_with = size if goal.held is None or goal.held * size <= 0 else goal.held
    return proportional_target(began_with, acted_on, goal.after)


# Openings


def _opening(goal: Goal, situation: Situation, instrument: Instrument) -> Decision:
    gates = pass_gates(goal, situation, instrument)
    note = _gates_note(gates)
    reference = entry_of(goal.change)
    if gates.reason is not None or reference is None:
        return _nothing(goal, situation, gates.reason or Reason.PRICE_UNKNOWN, None, note)
    try:
        target = _target(goal, situation)
    except Unsizable as unknown:
        return _nothing(goal, situation, unknown.reason, None, note)
    side = Side.BUY if goal.after > 0 else Side.SELL
    mark = positive_or_none(situation.mark) or reference
    bound = limit_price(reference, side, situation.settings.limits.max_slippage, instrument)
    price = within_band(bound, side, situation.mark, instrument)
    note |= {"price_bound": price, "reference_price": reference}
    step, quantities, reason = _sized_opening(target, side, price, mark, situation, instrument)
    desired = EXACT.fma(Decimal(side.sign), _total(quantities), situation.size)
    notional = EXACT.multiply(abs(desired), max(mark, price))  # the tier must hold at either price
    decision = Decision(
        goal=goal,
        situation=situation,
        desired=desired,
        aim=target,
        increment=step.increment,
        drafts=tuple(
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
        ),
        leverage=_leverage_to_set(goal, situation, instrument, notional) if quantities else None,
        reason=reason,
        notes=note,
    )
    return _checked(decision, situation, instrument)


def _sized_opening(
    target: Target,
    side: Side,
    price: Decimal,
    mark: Decimal,
    situation: Situation,
    instrument: Instrument,
) -> tuple[Step, tuple[Decimal, ...], Reason | None]:
    """Return the step, its orders, and why they are none or fewer; within every limit of the follower."""
    settings, size, lot = situation.settings, situation.size, instrument.lot_size
    wanted = max(ZERO, side.sign * target.floor_lots(lot))

    def allowed(quantity: Decimal) -> tuple[Decimal, Reason | None]:
        return cap_by_limits(
            quantity, mark, settings.limits, situation.exposure, instrument, dearest=max(mark, price)
        )

    most, limit = allowed(wanted)
    aim = target if limit is None else Target(side.sign * most)
    kind = ChangeClass.INCREASE if size else ChangeClass.OPEN
    step = step_towards(aim, size, change_class=kind, lot=lot, direction=side.sign)
    quantity = abs(step.increment)
    is_fraction = not size and limit is None and not wanted and target.numerator * side.sign > 0
    if not quantity and not (is_fraction and settings.round_up_to_minimum):
        return step, (), limit or (Reason.ROUNDED_TO_ZERO if is_fraction else Reason.NOTHING_TO_DO)
    quantities, reason = plan_opening(
        quantity, instrument, mark=worse_price(mark, price), round_up=settings.round_up_to_minimum
    )
    if _total(quantities) > quantity:  # rounded up: the limits hold for that too
        _, exceeded = allowed(abs(size) + _total(quantities))
        if exceeded is not None:
            return step, (), exceeded
    return step, quantities, limit or reason


def _leverage_to_set(
    goal: Goal, situation: Situation, instrument: Instrument, notional: Decimal
) -> Decimal | None:
    limits, current = situation.settings.limits, situation.leverage
    wanted = leverage_for(goal.change.leverage, limits, instrument, notional, current=current)
    return None if wanted == current else wanted


# Both


def _target(goal: Goal, situation: Situation) -> Target:
    total = Target(ZERO)
    for change in goal.contributions if goal.after else ():
        total += target_of(change, situation.settings.sizing, equity=situation.equity)
    return total


def _checked(decision: Decision, situation: Situation, instrument: Instrument) -> Decision:
    """Return the decision, or nothing to send when the venue would refuse a part of it (R9)."""
    for draft in decision.drafts:
        verdict = check_order(draft, instrument, mark=situation.mark, mode=situation.mode)
        if verdict is not None:
            return attrs.evolve(
                decision,
                desired=situation.size,
                drafts=(),
                leverage=None,
                reason=verdict.reason,
                again=False,
                notes={**decision.notes, "refused": verdict.detail},
            )
    return decision


def _nothing(
    goal: Goal,
    situation: Situation,
    reason: Reason,
    target: Target | None = None,
    note: Mapping[str, object] | None = None,
) -> Decision:
    return Decision(
        goal=goal,
        situation=situation,
        desired=situation.size,
        aim=target,
        reason=reason,
        notes=note or {},
    )


def _gates_note(gates: Gates) -> dict[str, object]:
    return {"gates_passed": gates.passed, "gate_refused": gates.refused}


def _total(quantities: Iterable[Decimal]) -> Decimal:
    """Return the exact sum, whatever the thread's own context would round it to."""
    return reduce(EXACT.add, quantities, ZERO)
