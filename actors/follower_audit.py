"""A follower's part of an audit: what it holds beside the master's legs, and a repair of one leg (R15)."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import attrs
import trio

from actors.copy_situation import goals_for, situation_for
from actors.follower_desk import FollowerDesk
from actors.messages import FollowerLegs, LookAtLegs, MasterChanged, MasterLeg, Mend, MendAnswer
from model.amounts import EXACT, ZERO, format_decimal
from model.audit import AuditLeg, leverage_bounds
from model.catchup import joined
from model.change import Change
from model.follower import Decision, decide
from model.goal import answered_by
from model.leg import ONE_WAY, Leg, PositionMode
from model.repair import repair_change

IsBusy = Callable[[str], bool]


def look_at_legs(desk: FollowerDesk, look: LookAtLegs, *, state: str, is_busy: IsBusy) -> FollowerLegs:
    """Return every leg on which either side holds something."""
    return FollowerLegs(
        exchange=desk.settings.exchange,
        state=state,
        repair=desk.settings.repair,
        legs=tuple(_audit_legs(desk, look, is_busy)),
        heard_at=desk.view.heard_at,
        read_at=desk.read_at,
    )


def repair_message(desk: FollowerDesk, mend: Mend, *, newest: Change) -> MasterChanged:
    """Return the message that the repairing copy answers: the master's newest change, under its own id."""
    change = repair_change(newest, follower=desk.settings.name, asked_at_ms=mend.asked_at_ms)
    return attrs.evolve(
        mend.message,
        change=change,
        superseded=(),
        received_at=trio.current_time(),
        repair=attrs.evolve(mend.plan, answers=newest.change_id),
    )


def preview(desk: FollowerDesk, message: MasterChanged) -> MendAnswer:
    """Return what a repair would send first, from what is known now."""
    assert message.repair is not None
    leg = message.repair.leg
    mode = desk.view.mode(leg.symbol) or PositionMode.ONE_WAY
    orders: list[str] = []
    why_not = "the follower has no such leg in its position mode"
    for goal in goals_for(desk, message, symbol=leg.symbol, mode=mode):
        begun = goal.begun(moving=(), held=desk.view.size(leg))
        decision = decide(begun, situation_for(desk, begun, message, durable=True, fresh=True))
        orders += _in_words(decision)
        why_not = "" if decision.reason is None else decision.reason.value
    return MendAnswer(orders=tuple(orders), why_not="" if orders else why_not)


def why_no_repair(desk: FollowerDesk, mend: Mend, *, is_prepared: bool, is_busy: IsBusy) -> str:
    """Return why the follower takes no repair of a leg now, "" when it does."""
    if not is_prepared:
        return "starting"
    if desk.stopping:
        return "stopping"
    if not desk.settings.mode.takes_changes:
        return desk.settings.mode.value
    if not desk.key.state.may_reduce:
        return "its key may send nothing"
    return "a copy is at work on the symbol" if is_busy(mend.plan.leg.symbol) else ""


def _in_words(decision: Decision) -> Iterator[str]:
    if decision.leverage is not None:
        yield f"leverage {format_decimal(decision.leverage)}"
    for draft in decision.drafts:
        price = "at market" if draft.price is None else f"at {format_decimal(draft.price)} or better"
        flag = ", reduce-only" if draft.reduce_only else ""
        yield f"{draft.side.value} {format_decimal(draft.quantity)} {draft.leg.symbol} {price}{flag}"


def _audit_legs(desk: FollowerDesk, look: LookAtLegs, is_busy: IsBusy) -> Iterator[AuditLeg]:
    own = [*desk.view.open_legs(), *(leg for leg, held in desk.holdings.items() if held.target)]
    by_symbol: dict[str, set[Leg]] = {}
    for leg in own:
        by_symbol.setdefault(leg.symbol, set()).add(leg)
    names = {desk.symbols.name(symbol): symbol for symbol in look.open_symbols}
    if not names.keys() >= by_symbol.keys():
        names = {desk.symbols.name(symbol): symbol for symbol in look.master} | names
    for symbol in sorted(by_symbol.keys() | {desk.symbols.name(it) for it in look.open_symbols}):
        theirs = look.master.get(names.get(symbol, ""), ())
        yield from _legs_of(desk, symbol, theirs, by_symbol.get(symbol, set()), is_busy(symbol))


def _legs_of(
    desk: FollowerDesk, symbol: str, theirs: tuple[MasterLeg, ...], own: set[Leg], busy: bool
) -> Iterator[AuditLeg]:
    mode = desk.view.mode(symbol) or PositionMode.ONE_WAY
    held = tuple(desk.symbols.own_units(it.message.change) for it in theirs if it.message.change.size_after)
    takes_part = partial(joined, settings=desk.settings)
    answered = answered_by(held, symbol=symbol, mode=mode, takes_part=takes_part)
    for leg in sorted(own | answered.keys()):
        rows = answered.get(leg, ())
        if leg in own or rows:
            yield _audit_leg(desk, leg, rows, theirs, busy=busy)


def _audit_leg(
    desk: FollowerDesk, leg: Leg, rows: tuple[Change, ...], theirs: tuple[MasterLeg, ...], *, busy: bool
) -> AuditLeg:
    instrument = desk.board.instruments.get(leg.symbol)
    size = desk.view.size(leg)
    mark = desk.board.marks.latest(leg.symbol) or ZERO
    facing = [it for it in theirs if _is_facing(leg, it.message.change)]
    bounds = None
    if instrument is not None:
        notional = EXACT.multiply(abs(size), mark)
        bounds = leverage_bounds(rows, desk.settings.limits, instrument, notional=notional)
    return AuditLeg(
        leg=leg,
        answers=_answered_first(facing),
        size=size,
        owned=desk.owns(leg),
        lot=ZERO if instrument is None else instrument.lot_size,
        master_size=sum((row.size_after for row in rows), ZERO),
        joined=all(joined(row, desk.settings) for row in rows),
        holding=desk.holdings.get(leg),
        busy=busy,
        paused=not desk.may_send(),
        leverage=desk.view.leverages.get(leg.symbol),
        leverage_bounds=bounds,
        changed_at=max(desk.moved_at.get(leg, desk.began_at), *(it.changed_at for it in facing), 0.0),
    )


def _is_facing(leg: Leg, change: Change) -> bool:
    """Tell whether a leg of the master concerns a leg of the follower, flat or not."""
    mine, theirs = leg.position_idx, change.leg.position_idx
    return ONE_WAY in (mine, theirs) or mine == theirs


def _answered_first(facing: Iterable[MasterLeg]) -> Leg | None:
    """Return the master's largest leg, or the one that was left last: a copy answers one change."""
    largest = max(facing, key=lambda it: (abs(it.message.change.size_after), it.changed_at), default=None)
    return None if largest is None else largest.message.change.leg
