"""A position that the engine did not open becomes ours, because an operator says so (R14)."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial

import attrs
import trio

from actors.copy_situation import situation_for
from actors.events import PositionAdopted
from actors.follower_desk import FollowerDesk
from actors.messages import AdoptAnswer, AdoptPosition, MasterChanged, Mend, MendAnswer
from model.amounts import CONTEXT, EXACT, ZERO, format_decimal
from model.catchup import joined
from model.change import Change
from model.copy import Holding
from model.follower import wanted_size
from model.goal import Goal, answered_by
from model.ledger import LedgerUnreachable
from model.leg import ONE_WAY, Leg, PositionMode
from model.reasons import Reason
from model.repair import RepairPlan
from model.settings import FollowerMode


@attrs.frozen(kw_only=True)
class Adoption:
    """A leg that may be adopted, beside what the master holds there."""

    leg: Leg
    change: Change | None
    """The master's newest on the symbol; None: it never held it."""
    goal: Goal | None
    """What that asks of the leg, in the follower's units."""
    holding: Holding


async def adopt(
    desk: FollowerDesk,
    wanted: AdoptPosition,
    master: Iterable[Change],
    *,
    is_busy: Callable[[str], bool],
    mend: Callable[[Mend], MendAnswer],
) -> AdoptAnswer:
    """Make a position ours, the ledger first, and bring it to its target where that is wanted.

    Args:
        master: the newest change of each of the master's legs, oldest first.
        is_busy: tells whether a copy is at work on a symbol.
        mend: begins an ordinary copy of one leg.
    """
    found = plan_adoption(desk, wanted, master)
    if isinstance(found, AdoptAnswer):
        return found
    leg, size = found.leg, desk.view.size(found.leg)
    if is_busy(leg.symbol):
        return AdoptAnswer(leg=leg, size=size, why_not="a copy is at work on the symbol: try again")
    try:
        await desk.ledger.read(lambda store: store.put_holdings([found.holding]))
    except LedgerUnreachable as error:
        return AdoptAnswer(leg=leg, size=size, why_not=f"the ledger is away: {error}")
    desk.holdings[leg] = found.holding
    _tell(desk, leg, size, at_once=wanted.at_once)
    answer = AdoptAnswer(leg=leg, size=size)
    if not wanted.at_once:
        return answer
    wish = bring_in_line(desk, found)
    done = MendAnswer(why_not="its target is not known") if wish is None else mend(wish)
    return attrs.evolve(answer, orders=done.orders, why_no_orders=done.why_not)


def late_joins(desk: FollowerDesk, message: MasterChanged, symbol: str) -> list[Mend]:
    """Return what takes part in an episode that was left out before the operator said `join = "now"`.

    Each is asked for under one id, however often the master's leg is told.
    """
    change = message.change
    if not (change.size_after and joined(change, desk.settings)):
        return []
    return [
        Mend(
            message=message,
            plan=RepairPlan(leg=leg, before=ZERO, wanted=None, may_open=True),
            asked_at_ms=desk.settings.joined_at_ms,
        )
        for leg, holding in desk.holdings.items()
        if (leg.symbol, holding.change_id) == (symbol, change.change_id)
        and holding.skipped is Reason.NOT_JOINED
        and not desk.view.size(leg)
    ]


def _tell(desk: FollowerDesk, leg: Leg, size: Decimal, *, at_once: bool) -> None:
    desk.bus.publish(
        PositionAdopted(
            follower=desk.settings.name,
            symbol=leg.symbol,
            position_idx=leg.position_idx,
            size=format_decimal(size),
            at_once=at_once,
        )
    )


def plan_adoption(
    desk: FollowerDesk, wanted: AdoptPosition, master: Iterable[Change]
) -> Adoption | AdoptAnswer:
    """Return the adoption that was asked for, or the answer of why there is none.

    Args:
        master: the newest change of each of the master's legs, oldest first.
    """
    why_not = _why_not_now(desk)
    found = _find_legs(desk, wanted)
    if why_not or len(found) != 1:
        return AdoptAnswer(why_not=why_not or _why_not_one(found, wanted))
    (leg,) = found
    size = desk.view.size(leg)
    if desk.owns(leg):
        return AdoptAnswer(leg=leg, size=size, was_ours=True)
    changes = [it for it in master if desk.symbols.name(it.leg.symbol) == leg.symbol]
    change = _newest_facing(leg, changes)
    goal = None if change is None else _goal_of(desk, leg, change, changes)
    if why_not := _why_not_there(desk, leg, goal, wanted):
        return AdoptAnswer(leg=leg, size=size, why_not=why_not)
    holding = Holding(
        follower=desk.settings.name,
        leg=leg,
        owned=True,
        target=size,
        master_size=ZERO if goal is None else goal.after,
        change_id="" if change is None else change.change_id,
    )
    return Adoption(leg=leg, change=change, goal=goal, holding=holding)


def bring_in_line(desk: FollowerDesk, adoption: Adoption) -> Mend | None:
    """Return what brings an adopted leg to its target, by an ordinary copy; None while there is no target.

    It begins from the size of the master's that the position answers.
    """
    goal, leg, change = adoption.goal, adoption.leg, adoption.change
    if goal is None or change is None:
        return None
    message = MasterChanged(change=change, others=(), received_at=trio.current_time())
    size = desk.view.size(leg)
    before = size  # of another side than the master's: it is closed
    if size * goal.after > 0:
        target = wanted_size(goal, situation_for(desk, goal, message, durable=True, fresh=True))
        if not target:
            return None
        before = CONTEXT.divide(EXACT.multiply(goal.after, size), target)
    plan = RepairPlan(leg=leg, before=before, wanted=None, may_open=True)
    return Mend(message=message, plan=plan, asked_at_ms=desk.clock.wall_ms())


def _why_not_now(desk: FollowerDesk) -> str:
    if desk.settings.dry_run:
        return "it runs dry: nothing would be sent for the position"
    if desk.settings.mode is FollowerMode.FLATTENING:
        return "it is being flattened: the position would be closed with the others"
    return "" if desk.is_fresh() else "its account is not known as it is now: try again"


def _find_legs(desk: FollowerDesk, wanted: AdoptPosition) -> list[Leg]:
    names = {wanted.symbol, desk.symbols.name(wanted.symbol)}
    held = [leg for leg in desk.view.open_legs() if leg.symbol in names]
    return [leg for leg in held if wanted.position_idx in (None, leg.position_idx)]


def _why_not_one(found: list[Leg], wanted: AdoptPosition) -> str:
    if found:
        return f"it holds both sides of {wanted.symbol}: say which, position_idx 1 or 2"
    return f"it holds nothing on {wanted.symbol}"


def _why_not_there(desk: FollowerDesk, leg: Leg, goal: Goal | None, wanted: AdoptPosition) -> str:
    """Tell what speaks against following the master from where the position is."""
    if leg.symbol not in desk.board.instruments:
        return f"its venue does not list {leg.symbol}"
    if wanted.at_once:
        return "" if goal is not None else "the master has never held it: close it by hand"
    after = ZERO if goal is None else goal.after
    if desk.view.size(leg) * after > 0:
        return ""
    there = f"holds {format_decimal(after)} there" if after else "holds nothing there"
    return f"the master {there}: as ours it would be closed; close it by hand, or adopt it now"


def _newest_facing(leg: Leg, changes: list[Change]) -> Change | None:
    """Return the change that a copy on the leg answers: of its own side where there are two."""
    facing = [it for it in changes if ONE_WAY in (leg.position_idx, it.leg.position_idx)]
    facing += [it for it in changes if it.leg.position_idx == leg.position_idx and it not in facing]
    return facing[-1] if facing else None


def _goal_of(desk: FollowerDesk, leg: Leg, change: Change, changes: list[Change]) -> Goal:
    """Return what the master's legs of the symbol ask of the follower's, as they stand now."""
    mode = PositionMode.ONE_WAY if leg.position_idx == ONE_WAY else PositionMode.HEDGE
    held = tuple(desk.symbols.own_units(it) for it in changes if it.size_after)
    takes_part = partial(joined, settings=desk.settings)
    rows = answered_by(held, symbol=leg.symbol, mode=mode, takes_part=takes_part).get(leg, ())
    after = sum((row.size_after for row in rows), ZERO)
    own = desk.symbols.own_units(change)
    return Goal(leg=leg, before=after, after=after, change=own, contributions=rows)
