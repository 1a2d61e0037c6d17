"""One crash after another of whoever reads a WebSocket, in the middle of a trade each, and what it cost."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import trio

from actors.mark_stream import MarkStream
from actors.messages import CrashNow
from exchanges.sandbox import FaultKind
from supervision.events import ActorCrashed, ActorStarted, SupervisorExhausted
from tests.fire.mines import HANDLED, READ, Mines
from tests.fire.targets import MASTER_STREAM, Target
from tests.fire.witness import incarnations, touched
from tests.houses import House
from tests.world import MASTER, Cast, World, fixed_ratio

CAST = tuple(
    Cast(
        name=f"{venue[:2]}{number}",
        venue=venue,
        equity="1000000",
        settings={"sizing": fixed_ratio(ratio)},
    )
    for venue in ("bybit", "binance", "hyperliquid")
    for number, ratio in enumerate(("1", "0.5"))
)
ASKED, RESET = "it is told to crash", "its socket is reset"
WAYS = (ASKED, READ, HANDLED, RESET)
SYMBOL = "BTCUSDT"
STEPS = tuple(Decimal(it) for it in ("0.2", "0.2", "-0.1", "-0.3", "-0.2", "-0.2", "0.1", "0.3"))
"""Open, add, take off, close; long and short. One order of each follower for each."""
EVERY_S = 12.0
"""Ten targets in turn: each has been well for over a minute, so every restart is a first one."""
ONE_WAY_S = 0.02
ON_TIME_S = 0.2
RESTART_S_MAX = 1.0
CAUGHT_UP_S = 10.0
POLL_S = 0.005


@attrs.define
class Report:
    """What a day of crashes showed; seconds are virtual."""

    strikes: list[tuple[str, str]] = attrs.field(factory=list)
    """Which kind of target, and in which way."""
    restart_s: list[float] = attrs.field(factory=list)
    live_s: list[float] = attrs.field(factory=list)
    sibling_s: list[float] = attrs.field(factory=list)
    """From a trade to the order of a follower beside the crash."""
    problems: list[str] = attrs.field(factory=list)
    orders: int = 0
    grown: dict[str, tuple[int, int]] = attrs.field(factory=dict)

    @property
    def crashes(self) -> int:
        """How many actors fell; one that only connects again did not."""
        return len(self.restart_s)


@attrs.define
class Drills:
    """Crashes and trades in a world that is ready."""

    world: World
    mines: Mines
    chance: random.Random
    report: Report = attrs.field(factory=Report)
    trades: int = 0
    _heard: list[tuple[float, object]] = attrs.field(factory=list)
    _sockets: list[object] = attrs.field(factory=list)
    """Those before the strike, kept themselves: an address is used again."""

    def begin(self) -> None:
        """Give every venue a distance."""
        for house in self.world.houses:
            for kind in (FaultKind.DELAY_REQUEST, FaultKind.DELAY_ANSWER):
                house.core.faults.add(kind, seconds=ONE_WAY_S)

    async def listen(self) -> None:
        """Note everything that happens, and when, until cancelled."""
        with self.world.engine.parts.bus.subscribe() as subscription:
            async for item in subscription:
                self._heard.append((trio.current_time(), getattr(item, "event", item)))

    async def crash(self, target: Target, way: str) -> None:
        """Bring one down while the master trades; see it come back, and the others not notice."""
        began, before = trio.current_time(), incarnations(self.world)
        self._heard.clear()
        self.report.strikes.append((target.kind, way))
        self._sockets = self._sockets_of(target)
        await self._strike(target, way)
        is_reset = way == RESET and target.survives_a_reset
        falls = () if is_reset else target.falls
        await self._until(lambda: is_reset or self._has_crashed(target), target, way, "never crashed")
        fell_at = began if is_reset else self._at(ActorCrashed, target)
        if falls:
            await self._until(lambda: self._is_up(target), target, way, "never came back")
            self.report.restart_s.append(self._at(ActorStarted, target) - fell_at)
        await self._until(lambda: self._is_live(target), target, way, "is not live")
        self.report.live_s.append(trio.current_time() - fell_at)
        await self._until(self.all_on_target, target, way, "is waited for: not everybody is on target")
        for name in touched(before, incarnations(self.world), but=falls):
            self._say(target, way, f"{name} was touched")
        self._look_at_siblings(target, way, began)
        self.mines.lift()
        await trio.sleep_until(began + EVERY_S)

    async def _strike(self, target: Target, way: str) -> None:
        world = self.world
        if way in (READ, HANDLED):
            self.mines.lay(target.actor, way)
        elif way == ASKED:
            world.engine.address(target.actor).tell(CrashNow("a drill"))
        else:
            house = self._house_of(target)
            cut = house.server.drop_connections(account=target.account, kind=target.socket, reset=True)
            if not cut:
                self._say(target, way, "it had no socket")
        self.trade()
        mark = world.venue.mark(SYMBOL)
        world.venue.set_price(SYMBOL, mark + self.chance.choice((-1, 1)))

    @staticmethod
    def now() -> float:
        """Return the virtual time."""
        return trio.current_time()

    def trade(self) -> None:
        """Let the master do the next thing."""
        self.world.trade(SYMBOL, str(STEPS[self.trades % len(STEPS)]))
        self.trades += 1

    def all_on_target(self) -> bool:
        """Tell whether everybody holds its multiple of what the master holds."""
        size = self.world.size(MASTER)
        return all(self.world.size(it.name) == size * it.settings["sizing"].ratio for it in CAST)

    # What came of it

    def _house_of(self, target: Target) -> House:
        return next(it for it in self.world.houses if it.exchange == target.exchange)

    def _sockets_of(self, target: Target) -> list[object]:
        server = self._house_of(target).server
        return list(server.connections(account=target.account, kind=target.socket))

    def _has_another_socket(self, target: Target) -> bool:
        return any(all(it is not old for old in self._sockets) for it in self._sockets_of(target))

    def _has_crashed(self, target: Target) -> bool:
        return any(isinstance(it, ActorCrashed) and it.name == target.actor for _, it in self._heard)

    def _is_up(self, target: Target) -> bool:
        return any(isinstance(it, ActorStarted) and it.name == target.actor for _, it in self._heard)

    def _at(self, kind: type[Any], target: Target) -> float:
        return next((at for at, it in self._heard if isinstance(it, kind) and it.name == target.actor), -1.0)

    def _is_live(self, target: Target) -> bool:
        if target.account is None:
            if not self._has_another_socket(target):
                return False
            actor = self.world.engine.root._nodes[target.actor]._life._actor  # type: ignore[attr-defined]
            assert isinstance(actor, MarkStream)
            return actor._streaming
        return any(target.says_live(it) for _, it in self._heard)

    async def _until(self, is_so: Callable[[], bool], target: Target, way: str, else_say: str) -> None:
        with trio.move_on_after(CAUGHT_UP_S):
            while not is_so():
                await trio.sleep(POLL_S)
            return
        self._say(target, way, f"{else_say} within {CAUGHT_UP_S:g} s")

    def _look_at_siblings(self, target: Target, way: str, traded_at: float) -> None:
        for member in CAST:
            rows = self.orders_of(member.name)
            if len(rows) != self.trades:
                self._say(target, way, f"{len(rows)} orders of {member.name} for {self.trades} trades")
            if member.name == target.follower:
                continue
            late_s = rows[-1].arrived_at - traded_at
            self.report.sibling_s.append(late_s)
            if target.actor != MASTER_STREAM and late_s > ON_TIME_S:
                self._say(target, way, f"{member.name} copied after {late_s:.3f} s")

    def orders_of(self, name: str) -> tuple[Any, ...]:
        """Return a follower's orders as its venue saw them arrive."""
        return self.world.core(name).ledger.of(name)

    def _say(self, target: Target, way: str, what: str) -> None:
        escalated = [it for _, it in self._heard if isinstance(it, SupervisorExhausted)]
        more = f"; {escalated}" if escalated else ""
        self.report.problems.append(f"{trio.current_time():.3f} {target.actor}, {way}: {what}{more}")
