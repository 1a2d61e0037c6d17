"""One run from its seed: everything goes wrong, then it heals, then everybody must be where R6 says.

The same seed gives the same run, step by step: virtual time, a seeded scheduler, seeded chance.
"""

import hashlib
import random
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import trio
from pykka import ActorDeadError, ActorRegistry
from trio.testing import MockClock

from actors.mark_stream import CLOCK_REFRESH_S
from actors.messages import CrashNow
from exchanges.sandbox import Fault, FaultKind, Liquidity, SandboxDescription
from exchanges.sandbox.binance import BinanceSandbox
from model.amounts import use_money_context
from model.copy import CopyState
from model.reasons import Reason
from model.settings import SizingMode
from supervision.events import AccountQuarantined, SupervisorExhausted
from tests.houses import House
from tests.simulation.books import TOLERANCE, Books
from tests.simulation.outage import Outage
from tests.simulation.schedule import MASTER_EQUITY, Schedule, make_schedule
from tests.simulation.step import LOTS, Step
from tests.simulation.story import Story, say, tell_copies
from tests.world import MASTER, Cast, World, open_world

CONVERGES_WITHIN_S = 60.0
STEP_S = 0.5
DEAD_LINES_S = 45.0
ARRIVAL_POLL_S = 0.002
RATE_STOP_S = 60.0
READS_LAG_MS = (0, 400, 1_500)
MASTER_VENUE = "bybit"
WATCHED_AFTER_RESTART_S = 15.0
ZERO = Decimal(0)
_AT_ONCE = frozenset({"trade", "price", "drop", "silence", "crash"})


@attrs.define(kw_only=True)
class Outcome:
    """What a run came to."""

    schedule: Schedule
    violations: list[str]
    log: list[str]

    @property
    def digest(self) -> str:
        """Everything that was decided, as one word: two runs of a seed have the same."""
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()


def simulate(schedule: Schedule | int, *, tell: bool = False) -> Outcome:
    """Run one schedule, or the one of a seed, and return what came of it; ``tell`` prints all of it."""
    if isinstance(schedule, int):
        schedule = make_schedule(schedule)
    use_money_context()
    _seed_scheduler(schedule.seed)
    with tempfile.TemporaryDirectory() as directory:
        run = Run(schedule, Path(directory), tell=tell)
        try:
            trio.run(run.main, clock=MockClock(autojump_threshold=0))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            run.violations.append("".join(traceback.format_exception(error))[-6000:])
    if leaked := ActorRegistry.get_all():
        run.violations.append(f"actors outlive the engine: {leaked}")
        ActorRegistry.stop_all(block=False)
    return Outcome(schedule=schedule, violations=run.violations, log=run.log)


def _seed_scheduler(seed: int) -> None:
    """Make trio's order of tasks a function of the seed, as hypothesis does."""
    from trio._core import _run

    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r = random.Random(seed)


class Run:
    """The run of one schedule."""

    def __init__(self, schedule: Schedule, directory: Path, *, tell: bool = False) -> None:
        self._tell = tell
        self.schedule = schedule
        self.violations: list[str] = []
        self.log: list[str] = []
        self._directory = directory
        self._engine_lock = trio.Lock()
        self._faults: list[Fault] = []
        self._healing = False

    async def main(self) -> None:
        """Chaos, healing, fresh trades, a restart, the end of every position."""
        schedule = self.schedule
        async with open_world(
            self._directory,
            *schedule.cast,
            master_equity=MASTER_EQUITY,
            master_hedges=schedule.hedged,
            description=SandboxDescription(accounts=(), seed=schedule.seed),
            start=False,
        ) as world:
            self.world = world
            world.store.database = self.outage = Outage(world.store.database)
            self.books = Books(world=world, cast=schedule.cast, directory=self._directory, tell=self._tell)
            self.books.watch()
            self._let_reads_lag(world)
            self.violations = self.books.violations
            if self._tell:
                world.events = Story()
            try:
                await self._go_through(world)
            finally:
                self._write_log(world)
                self.books.close()

    def _let_reads_lag(self, world: World) -> None:
        """Where a venue's reads may be behind its events, they are, in two runs of three."""
        for house in world.houses:
            face = house.server._face
            if isinstance(face, BinanceSandbox):
                lag_ms = READS_LAG_MS[self.schedule.seed % len(READS_LAG_MS)]
                face.states.replicas.lag_ms = face.queries.visible_after_ms = lag_ms

    async def _go_through(self, world: World) -> None:
        await world.start_engine()
        await world.ready()
        async with trio.open_nursery() as nursery:
            await self._chaos(nursery)
            self._heal()
        await self._converge("after healing", self._unsettled)
        self._check_events()
        if self.violations:
            return
        if any(step.act in ("skew", "silence") for step in self.schedule.steps):
            # Until then the clocks have not been compared, or a line is dead and nobody knows: a stream
            # for 25 s, and then a request over another dead line for 15 s more.
            await trio.sleep(max(CLOCK_REFRESH_S, DEAD_LINES_S) + STEP_S)
        await trio.sleep(self._stopped_s())
        self._trade_afresh()
        await self._converge("after fresh trades", self._off_target)
        if self.violations:
            return
        await self._restart()
        for leg in tuple(world.account(MASTER).open_positions()):
            world.close(leg.symbol, leg.position_idx)
        await self._converge("after the master left everything", self._off_target)
        await world.stop_engine()

    def _stopped_s(self) -> float:
        """Return how long a venue may have stopped our address after the healing, without naming a time.

        Meanwhile nothing is opened, and no stream or read tells what has become of a reduction.
        """
        limited = any(step.what.get("kind") == "RATE_LIMIT" for step in self.schedule.steps)
        return RATE_STOP_S if limited and self.schedule.venue != MASTER_VENUE else 0.0

    async def _chaos(self, nursery: trio.Nursery) -> None:
        began = trio.current_time()
        for step in self.schedule.steps:
            await trio.sleep_until(began + step.at)
            if step.act in _AT_ONCE:
                await self._perform(step)  # in their order
            else:
                nursery.start_soon(self._perform, step)
        await trio.sleep_until(began + self.schedule.heals_at)

    def _heal(self) -> None:
        self._healing = True
        for house in self.world.houses:
            house.core.faults.clear()
        self.outage.is_down = False
        self.outage.loses_commits = 0
        for symbol in LOTS:
            self._set_liquidity(symbol, Liquidity())

    def _set_liquidity(self, symbol: str, liquidity: Liquidity) -> None:
        for house in self.world.houses:
            house.core.set_liquidity(house.own_symbol(symbol), liquidity)

    def _houses(self, account: str | None) -> tuple[House, ...]:
        """Return where something happens to an account, everywhere for none."""
        return self.world.houses if account is None else (self.world.house(account),)

    async def _perform(self, step: Step) -> None:
        if self._tell:
            say(f"STEP {step}")
        await getattr(self, f"_do_{step.act}")(**step.what)

    # Steps

    async def _do_trade(
        self,
        *,
        symbol: str,
        idx: int,
        quantity: Decimal,
        parts: int,
        one_frame: bool,
        leverage: Decimal | None = None,
    ) -> None:
        lot, sign = LOTS[symbol], 1 if quantity > 0 else -1
        lots = int(abs(quantity) / lot)
        parts = min(parts, lots)
        shares = [lot * (lots // parts + (n < lots % parts)) for n in range(parts)]
        side_price = self.world.venue.mark(symbol)
        held = self.world.size(MASTER, symbol, idx)
        self.world.trade(
            symbol,
            str(quantity),
            position_idx=idx,
            fills=[(side_price, share) for share in shares],
            one_frame=one_frame,
            reduce_only=bool(held) and (held > 0) != (sign > 0) and abs(quantity) <= abs(held),
            **({} if leverage is None else {"leverage": leverage}),
        )

    async def _do_price(self, *, symbol: str, price: Decimal) -> None:
        self.world.venue.set_price(symbol, price)

    async def _do_drop(self, *, account: str, kind: str | None, reset: bool) -> None:
        for house in self._houses(account):
            house.server.drop_connections(account=account, kind=kind, reset=reset)

    async def _do_silence(self, *, account: str, kind: str | None) -> None:
        self.world.house(account).server.silence_connections(account=account, kind=kind)

    async def _do_fault(self, *, kind: str, lasts_s: float | None = None, **fields: Any) -> None:
        if self._healing:
            return
        every = [house.core.faults for house in self._houses(fields.get("account"))]
        struck = [(faults, faults.add(FaultKind[kind], **fields)) for faults in every]
        if lasts_s is not None:
            await trio.sleep(lasts_s)
            for faults, fault in struck:
                faults.remove(fault)

    async def _do_thin(self, *, symbol: str, liquidity: Liquidity, lasts_s: float) -> None:
        self._set_liquidity(symbol, liquidity)
        await trio.sleep(lasts_s)
        self._set_liquidity(symbol, Liquidity())

    async def _do_skew(self, *, ms: int, lasts_s: float) -> None:
        for skewed in (ms, 0):
            for house in self.world.houses:
                house.core.faults.clock_skew_ms = skewed
            await trio.sleep(lasts_s if skewed else 0)

    async def _do_outage(self, *, lasts_s: float) -> None:
        if self._healing:
            return
        self.outage.is_down = True
        await trio.sleep(lasts_s)
        self.outage.is_down = False

    async def _do_commits(self, *, lost: int) -> None:
        if not self._healing:
            self.outage.loses_commits = lost

    async def _do_crash(self, *, actor: str) -> None:
        with suppress(ActorDeadError, AssertionError, LookupError):
            self.world.engine.address(actor).tell(CrashNow("a drill"))

    async def _do_kill(self, *, away_s: float) -> None:
        async with self._engine_lock:
            await self.world.kill_engine()
            await trio.sleep(away_s)
            await self.world.start_engine()

    async def _do_ambush(self, *, after_s: float, times: int, away_s: float) -> None:
        for _ in range(times):
            if not await self._order_arrives():
                return
            await trio.sleep(after_s)
            await self._do_kill(away_s=away_s)

    async def _order_arrives(self) -> bool:
        """Wait for the next order of a follower; tell whether one came before the healing."""
        seen = self._orders_of_followers()
        while not self._healing:
            if self._orders_of_followers() > seen:
                return True
            await trio.sleep(ARRIVAL_POLL_S)
        return False

    def _orders_of_followers(self) -> int:
        return sum(len(house.core.ledger) for house in self.world.houses) - len(
            self.world.venue.ledger.of(MASTER)
        )

    async def _do_drain(self, *, away_s: float) -> None:
        async with self._engine_lock:
            await self.world.stop_engine()
            await trio.sleep(away_s)
            await self.world.start_engine()

    # Healed

    def _trade_afresh(self) -> None:
        """Let the master add to what it holds, and open what it does not: targets are R6's again."""
        for symbol in {step.what["symbol"]: None for step in self.schedule.steps if step.act == "trade"}:
            for leg in self.world.account(MASTER).legs(symbol):
                sign = -1 if leg.size < 0 or leg.position_idx == 2 else 1
                quantity = LOTS[symbol] * _FRESH_LOTS[symbol] * sign
                self.world.trade(symbol, str(quantity), position_idx=leg.position_idx, reduce_only=False)

    async def _restart(self) -> None:
        world = self.world
        sent = [(house.core.ledger, len(house.core.ledger)) for house in world.houses]
        await world.stop_engine()
        await world.start_engine()
        await world.ready()
        await trio.sleep(WATCHED_AFTER_RESTART_S)
        for row in (row for ledger, number in sent for row in ledger.since(number)):
            self._say(f"a restart with nothing new sent {row.account} {row.intent}")

    async def _converge(self, when: str, unsettled: Callable[[], list[str]]) -> None:
        within_s = CONVERGES_WITHIN_S + self._stopped_s()
        deadline = trio.current_time() + within_s
        quiet = 0
        while quiet < 3:
            why = await self._busy() or unsettled()
            quiet = 0 if why else quiet + 1
            if why and trio.current_time() > deadline:
                self.violations += [f"{when}, not after {within_s:g} s: {it}" for it in why]
                return
            await trio.sleep(STEP_S)

    async def _busy(self) -> list[str]:
        """Tell who has still something in hand."""
        world = self.world
        master = await world._master_status()
        if master is None or not master.reconciled:
            return ["the master is not reconciled"]
        known = {(it.leg.symbol, it.leg.position_idx): it.size_after for it in master.legs}
        held = {(leg.symbol, leg.position_idx): leg.size for leg in world.account(MASTER).open_positions()}
        if known != held:
            return [f"the engine knows {known}, the master holds {held}"]
        why = []
        for name in world.engine.followers:
            with trio.move_on_after(10.0):
                try:
                    status = await world._status_now(name)
                except trio.TooSlowError:
                    break
                if status is None or status.busy_symbols or status.unknown_orders or status.state != "ready":
                    why.append(f"{name} is busy: {status}")
                continue
            why.append(f"{name} does not answer")
        claimed = [row for row in world.copies() if row.state is CopyState.CLAIMED]
        return why + [f"{row.follower} has no outcome for {row.copy_id[:8]} {row.leg}" for row in claimed]

    def _unsettled(self) -> list[str]:
        """Tell who is not where its last copy says."""
        why = []
        for member, symbol, idx in self.books.legs():
            size, ideal = self.world.size(member.name, symbol, idx), self.books.ideal(member, symbol, idx)
            where, lot = f"{member.name} {symbol}:{idx} holds {size}", LOTS[symbol]
            if not ideal or size * ideal < 0:
                if size:
                    why.append(f"{where}, the master's side gives {ideal}")
                continue
            most = self.books.ideal(member, symbol, idx, known=False)
            dust = self._dust(member, symbol)
            if abs(size) > max(abs(ideal), abs(most)) * (1 + TOLERANCE) + lot + dust:
                why.append(f"{where}, more than {ideal}")
            holding = self._holding(member.name, symbol, idx)
            if holding is None:
                why.append(f"{where}, no copy ever answered {ideal}")
            elif holding.skipped is None and abs(size - holding.target) > lot:
                why.append(f"{where}, its last copy wanted {holding.target}")
            elif holding.master_size != self._master_size(member, symbol, idx):
                why.append(f"{where}, the last copy answered {holding.master_size}")
        return why

    def _off_target(self) -> list[str]:
        """Tell who is not within a lot of R6, at the venue's own numbers."""
        why = self._unsettled()
        for member, symbol, idx in self.books.legs():
            size, ideal = self.world.size(member.name, symbol, idx), self.books.ideal(member, symbol, idx)
            lot = LOTS[symbol]
            peak_missed = self.books.ideal(member, symbol, idx, known=False)
            low, high = sorted((abs(ideal), abs(peak_missed)))
            if member.settings["sizing"].mode is SizingMode.FIXED_MARGIN and self._was_away():
                low = Decimal(0)  # it may take two episodes for one: the older peak makes it careful
            if low * (1 - TOLERANCE) - lot <= abs(size) <= high * (1 + TOLERANCE) + lot:
                continue
            holding = self._holding(member.name, symbol, idx)
            reason = holding.skipped if holding else None
            dust = self._dust(member, symbol)
            if not size and reason in _TOO_SMALL and abs(ideal) < lot + dust:
                continue
            if reason is Reason.DEFERRED and abs(size - ideal) <= lot + dust:
                continue
            why.append(f"{member.name} {symbol}:{idx} holds {size} and should hold {ideal}: {reason}")
        return why

    def _was_away(self) -> bool:
        return any(step.act in ("kill", "drain", "crash", "ambush") for step in self.schedule.steps)

    def _dust(self, member: Cast, symbol: str) -> Decimal:
        """Return what is too small to be traded alone."""
        venue, own = self.world.core(member.name), self.books.own(member.name, symbol)
        return venue.listing(own).min_notional * Decimal("1.1") / venue.mark(own)

    def _holding(self, name: str, symbol: str, idx: int) -> Any:
        key = self.books.own(name, symbol), idx
        held = (it for it in self.world.store.holdings(name) if (it.leg.symbol, it.leg.position_idx) == key)
        return next(held, None)

    def _master_size(self, member: Any, symbol: str, idx: int) -> Decimal:
        sizes = [leg.size for leg in self.world.account(MASTER).legs(symbol)]
        wanted = {0: lambda size: True, 1: lambda size: size > 0, 2: lambda size: size < 0}[idx]
        return sum(filter(wanted, sizes), ZERO)

    def _check_events(self) -> None:
        crashed = any(step.act == "crash" for step in self.schedule.steps)
        for kind in (AccountQuarantined, SupervisorExhausted):
            for event in self.world.seen(kind):
                if not crashed:
                    self._say(f"{event}")
        for row in self.world.copies():
            if row.reason is None and row.state is not CopyState.APPLIED:
                self._say(f"{row.state} without a reason: {row}")

    def _say(self, what: str) -> None:
        self.violations.append(f"{trio.current_time():.3f} {what}")

    def _write_log(self, world: World) -> None:
        self.log += [
            f"{row.arrived_at:.6f} {row.account} {row.intent} {row.status} {row.filled}"
            for house in world.houses
            for row in house.core.ledger
        ]
        self.log += [str(row) for row in world.copies()]
        if self._tell:
            tell_copies(world)


_TOO_SMALL = frozenset({Reason.ROUNDED_TO_ZERO, Reason.BELOW_MIN_NOTIONAL, Reason.BELOW_MIN_QUANTITY})
_FRESH_LOTS = {"BTCUSDT": 40, "ETHUSDT": 40, "SOLUSDT": 20, "XRPUSDT": 4000}
"""Worth more than any follower's smallest order, whatever its scale."""
