"""One case from its number: an order's answer is lost, things happen, and everybody ends where R6 says."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import trio

from exchanges.sandbox import Fault, FaultKind
from exchanges.sandbox.binance import BinanceSandbox
from exchanges.sandbox.bybit import BybitSandbox
from exchanges.sandbox.hyperliquid import HyperliquidSandbox
from model.ledger import open_store
from model.reasons import Reason
from tests.simulation.run import DEAD_LINES_S, Outcome, Run, run_through
from tests.simulation.schedule import Schedule
from tests.simulation.step import LOTS, Step
from tests.unknown_outcomes.case import LATE_S_MAX, Case, make_case, quietly
from tests.unknown_outcomes.stage import CaseStage
from tests.unknown_outcomes.troubles import FOLLOWER
from tests.unknown_outcomes.verdicts import Verdicts
from tests.unknown_outcomes.wire import Wire
from tests.unknown_outcomes.words import READERS
from tests.world import MASTER, World

ARRIVES_WITHIN_S = 60.0
POLL_S = 0.01
ENDS_AFTER_S = 2.0
LEAVES_DEAD_LINES = ("half_open_line", "stream_silent", "no_name", "refused_connections")
BANNED_S = 130.0
"""What Binance's 418 stops our address for, and a little more."""

MISSED = frozenset(
    {
        *(Reason.EXPIRED, Reason.ORDER_LOST, Reason.PRICE_MOVED, Reason.STALE_CHANGE),
        *(Reason.VENUE_UNREACHABLE, Reason.ORDER_UNKNOWN, Reason.LEDGER_UNREACHABLE),
        *(Reason.VIEW_NOT_FRESH, Reason.PRICE_UNKNOWN, Reason.EQUITY_UNKNOWN, Reason.VENUE_REJECTED),
    }
)
"""Why an opening may be given up: its time is over, or it found nobody (R13)."""


def run_case(case: Case | int, *, tell: bool = False) -> Outcome:
    """Run one case, or that of a number, and return what came of it."""
    made = make_case(case) if isinstance(case, int) else case
    return run_through(lambda directory: CaseRun(made, directory, tell=tell), seed=made.number)


@cache
def _empty_ledger() -> bytes:
    """Return a ledger's file as it begins: making one takes longer than half a case."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        open_store(f"sqlite:///{path}").close()
        return path.read_bytes()


def _schedule(case: Case) -> Schedule:
    traded = Step(at=0, act="trade", what={"symbol": case.symbol})
    return Schedule(
        seed=case.number,
        cast=(case.cast,),
        hedged=(case.symbol,) if case.hedged else (),
        steps=(traded,),
        heals_at=0,
        venue=case.venue,
    )


class CaseRun(Run):
    """The run of one case."""

    def __init__(self, case: Case, directory: Path, *, tell: bool = False) -> None:
        super().__init__(_schedule(case), directory, tell=tell)
        (directory / "ledger.db").write_bytes(_empty_ledger())
        self.case = case
        self._armed: list[Fault] = []
        self._orders_before = 0

    def _let_reads_lag(self, world: World) -> None:
        face, lag_ms = world.house(FOLLOWER).server._face, self.case.trouble.lag_ms
        if isinstance(face, BybitSandbox):
            face.rest.queries.visible_after_ms = lag_ms
        elif isinstance(face, BinanceSandbox):
            face.queries.visible_after_ms, face.states.replicas.lag_ms = lag_ms, min(lag_ms, 1_500)
        elif isinstance(face, HyperliquidSandbox):
            face.queries.visible_after_ms = lag_ms

    async def _go_through(self, world: World) -> None:
        self.verdicts = Verdicts(
            venue=world.core(FOLLOWER),
            follower=FOLLOWER,
            reader=READERS[self.case.venue](),
            ledger=self._directory / "ledger.db",
            violations=self.violations,
        )
        self.verdicts.watch(world.store)
        host = world.house(FOLLOWER).host
        wire = world.network = Wire(world.network, self.verdicts.listen, cut_off=host)
        outage: Any = world.store.database
        self.stage: CaseStage = CaseStage(
            world, outage, self.books, tells=self._tell, case=self.case, wire=wire
        )
        await world.start_engine()
        await world.ready()
        await self._lose_an_answer(world)
        await self._end(world)

    async def _lose_an_answer(self, world: World) -> None:
        if self.case.hand != "open":
            self.stage.trade("open")
            await self._converge("at first", self._off_target)
        async with trio.open_nursery() as nursery:
            await self._begin(nursery)
            await self._order_leaves(nursery)
            self.stage.heal()

    async def _begin(self, nursery: trio.Nursery) -> None:
        """Switch on what waits for the order, and let the master trade."""
        case, trouble = self.case, self.case.trouble
        if case.by_rest:
            await self.stage.perform(Step(at=0, act="drop_orders", what={}))
            await self.stage.perform(Step(at=0, act="refuse_entry", what={}))
        for step in (*quietly(case), *trouble.before):
            nursery.start_soon(self.stage.perform, step)
        faults = self.world.core(FOLLOWER).faults
        skip = {"skip": 1} if case.second else {}
        self._armed = [
            faults.add(
                FaultKind[it["kind"]], **{name: of for name, of in it.items() if name != "kind"}, **skip
            )
            for it in trouble.waiting
        ]
        await trio.sleep(POLL_S)
        self._orders_before = self._orders_left()
        self.stage.trade(case.hand)

    async def _order_leaves(self, nursery: trio.Nursery) -> None:
        """Wait until the order that is struck has left, and do what is to happen then."""
        case = self.case
        wanted = self._orders_before + 1 + case.second
        with trio.move_on_after(ARRIVES_WITHIN_S):
            while self._orders_left() < wanted:
                await trio.sleep(POLL_S)
        steps = [*case.trouble.meanwhile]
        if case.then:
            steps.append(Step(at=case.then_after_s, act="next", what={"kind": case.then}))
        async with trio.open_nursery() as ours:
            for step in steps:
                ours.start_soon(self._at_its_time, step)
        await trio.sleep(ENDS_AFTER_S)
        if self._orders_left() < wanted or any(not it.struck for it in self._armed[:1]):
            self._say(f"nothing was struck: {[str(it) for it in self._armed]}")

    async def _at_its_time(self, step: Step) -> None:
        await trio.sleep(step.at)
        await self.stage.perform(step)

    async def _end(self, world: World) -> None:
        await self._converge("after healing", self._missing)
        if not self.violations:
            await self._settle_in()
            self._trade_afresh()
            await self._converge("after fresh trades", self._off_target)
        if not self.violations:
            for leg in tuple(world.account(MASTER).open_positions()):
                world.close(leg.symbol, leg.position_idx)
            await self._converge("after the master left everything", self._off_target)
        await world.stop_engine()
        self.verdicts.look()
        self.verdicts.close()
        self.violations += [f"sent twice: {it}" for it in world.sent_twice()]

    async def _settle_in(self) -> None:
        """Wait out what holds openings up rightly: a dead line, late frames, a ban that named no time."""
        is_dead, is_late = self.case.name in LEAVES_DEAD_LINES, self.case.stream == "late"
        waits_s = DEAD_LINES_S if is_dead else LATE_S_MAX if is_late else ENDS_AFTER_S
        await trio.sleep(self._stopped_s() or waits_s)
        self._close_dust()

    def _close_dust(self) -> None:
        """Close by its owner's hand what Binance takes no order for; until then its symbol opens nothing."""
        small = self.verdict.too_small_to_leave(FOLLOWER)
        for member, symbol, idx in self.books.legs():
            own = self.books.own(member.name, symbol)
            if (
                own in small
                and self.world.size(member.name, symbol, idx)
                and not self.books.ideal(member, symbol, idx)
            ):
                self.world.core(member.name).close_position(member.name, own, idx)

    def _stopped_s(self) -> float:
        limited = any(step.what.get("kind") == "RATE_LIMIT" for step in self.case.trouble.meanwhile)
        return BANNED_S if limited else 0.0

    def _orders_left(self) -> int:
        return sum(bool(it.left) for it in self.verdicts.heard.values())

    # Where everybody must be

    def _missing(self) -> list[str]:
        """Tell who is neither where R6 says nor has missed an opening, with a reason."""
        missed = self._missed_legs()
        return self.verdict.unsettled() + [why for leg, why in self._off().items() if leg not in missed]

    def _off_target(self) -> list[str]:
        return self.verdict.unsettled() + list(self._off().values())

    def _off(self) -> dict[tuple[str, int], str]:
        """Return the legs that are not within one lot of R6, which is exact at a fixed ratio."""
        off = {}
        for member, symbol, idx in self.books.legs():
            size, ideal = self.world.size(member.name, symbol, idx), self.books.ideal(member, symbol, idx)
            if abs(size - ideal) > LOTS[symbol]:
                off[symbol, idx] = f"{member.name} {symbol}:{idx} holds {size} and should hold {ideal}"
        return off

    def _missed_legs(self) -> set[tuple[str, int]]:
        """Return the legs on which an opening was given up: less is held, on the right side."""
        missed = set()
        for member, symbol, idx in self.books.legs():
            holding = self.verdict.holding(member.name, symbol, idx)
            size, ideal = self.world.size(member.name, symbol, idx), self.books.ideal(member, symbol, idx)
            is_known = holding is not None and (holding.skipped in MISSED or holding.wanted is not None)
            if is_known and abs(size) < abs(ideal) and size * ideal >= 0:
                missed.add((symbol, idx))
        return missed
