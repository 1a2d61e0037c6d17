"""What a copy decides from, gathered from its follower's desk; also for one that is only previewed."""

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from actors.copy_record import CopyRecord
from actors.follower_desk import FollowerDesk
from actors.messages import MasterChanged
from exchanges.errors import ExchangeError
from model.catchup import joined
from model.follower import Goal, Situation, goals_of
from model.leg import Leg, PositionMode
from model.repair import RepairPlan
from model.settings import FollowerMode, FollowerSettings


def goals_for(
    desk: FollowerDesk, message: MasterChanged, *, symbol: str, mode: PositionMode
) -> tuple[Goal, ...]:
    """Return the follower's goals for a change; of a repair only that of the leg which it mends (R15)."""
    goals = goals_of(
        desk.symbols.own_units(message.change),
        tuple(desk.symbols.own_units(other) for other in message.others),
        symbol=symbol,
        mode=mode,
        acted=desk.acted(),
        takes_part=partial(joined, settings=desk.settings),
    )
    repair = message.repair
    if repair is None:
        return goals
    return tuple(attrs.evolve(goal, before=repair.before) for goal in goals if goal.leg == repair.leg)


def situation_for(
    desk: FollowerDesk, goal: Goal, message: MasterChanged, *, durable: bool, fresh: bool
) -> Situation:
    """Return the follower and its venue as they are now.

    Args:
        durable: the claim is in the ledger (R18).
        fresh: the account is known as it is now (R21).
    """
    leg = goal.leg
    return Situation(
        settings=_restricted(desk.settings, message.repair),
        instrument=desk.board.instruments.get(leg.symbol),
        mode=desk.view.mode(leg.symbol) or PositionMode.ONE_WAY,
        size=desk.view.size(leg),
        owned=desk.owns(leg),
        leverage=desk.view.leverages.get(leg.symbol),
        equity=desk.equity(),
        mark=desk.mark(leg.symbol),
        exposure=desk.exposure_beside(leg),
        age_s=trio.current_time() - message.received_at,
        max_open_age_s=desk.max_open_age_s,
        stopping=desk.stopping,
        clock_ok=desk.board.clock_ok,
        durable=durable,
        view_fresh=fresh,
        master_heard=desk.master.is_live,
        order_unknown=bool(desk.unknown_orders[leg.symbol]) or desk.is_unconfirmed(leg.symbol),
        key=desk.key.state,
        symbol_confirmed=desk.symbols.is_confirmed(goal.change.leg.symbol),
        limit_broken=None if desk.breach is None else desk.breach.reason,
        equity_day_start=None if desk.equity_record is None else desk.equity_record.day_start,
        equity_peak=None if desk.equity_record is None else desk.equity_record.peak,
    )


async def read_state(desk: FollowerDesk, leg: Leg, record: CopyRecord, *, for_exit: bool) -> bool:
    """Read what the view lacks, in parallel (R7 step 2); trouble leaves what is known.

    Args:
        for_exit: nothing is opened: the position is all that it takes, and all that it waits for (R13).

    Returns: whether what was asked for is known as it is now.
    """
    if leg.symbol not in desk.board.instruments:
        return True
    failed: list[ExchangeError] = []

    async def read(reading: Callable[[], Awaitable[object]]) -> None:
        try:
            await reading()
        except ExchangeError as error:
            failed.append(error)
            record.trouble(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, partial(desk.read_symbol, leg.symbol, for_exit=for_exit))
        if not (for_exit or desk.is_fresh()):
            nursery.start_soon(read, desk.share_account_read)
    return not failed


def _restricted(settings: FollowerSettings, repair: RepairPlan | None) -> FollowerSettings:
    """A repair that may only close is a copy of a follower that may only close."""
    if repair is None or repair.may_open or settings.mode is not FollowerMode.ACTIVE:
        return settings
    return attrs.evolve(settings, mode=FollowerMode.CLOSE_ONLY)
