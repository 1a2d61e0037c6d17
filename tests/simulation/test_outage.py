"""The database is gone for a minute while the master trades on: openings wait, exits do not (R18)."""

import random
from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from exchanges.sandbox.rules import only_reduces
from tests.lags import Held, Lags
from tests.simulation.books import Books
from tests.simulation.outage import HangingDesk, Outage
from tests.simulation.step import LOTS
from tests.world import MASTER, Cast, World, fixed_ratio, open_world

CAST = (
    Cast(name="alice", equity="1000000", settings={"sizing": fixed_ratio("0.5")}),
    Cast(name="bob", equity="1000000", venue="binance", settings={"sizing": fixed_ratio("0.37")}),
    Cast(name="carol", equity="1000000", venue="hyperliquid", settings={"sizing": fixed_ratio("0.5")}),
)
UNITS = {"BTCUSDT": Decimal("0.02"), "ETHUSDT": Decimal("0.5"), "SOLUSDT": Decimal(10)}
EVERY_S = 0.05
DOWN_S = 60.0
EXIT_LAG_S_MAX = 1.5
"""Whoever asks first of a database that hangs waits a second for it."""
RESUMES_S_MAX = 5.0
CONVERGES_S_MAX = 10.0
LEAVING, LEFT_AT_A_TIME = "XRPUSDT", "-1000"
"""What the master leaves step by step, all through the outage."""
HANGS_S = 5.0
"""As long as a statement may take at most."""


class Trouble:
    """What may be wrong with the database, one thing at a time."""

    def __init__(self, world: World) -> None:
        self._outage = world.store.database = Outage(world.store.database)
        self._world = world

    def begin(self, kind: str) -> None:
        """Let it be away, take nothing, hang, or be well again."""
        desk = self._world.engine.parts.ledger
        assert isinstance(desk, HangingDesk)
        self._outage.is_down = kind == "away"
        self._outage.takes_nothing = kind == "takes nothing"
        desk.hangs_s = HANGS_S if kind == "hangs" else 0.0


class Storm:
    """The master's hand."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = random.Random(3)

    async def blow(self, seconds: float) -> None:
        """Move twenty times a second; once a second leave a little of what is being left."""
        for number in range(int(seconds / EVERY_S)):
            symbol = self._chance.choice(tuple(UNITS))
            step = self._chance.randint(-4, 4) * UNITS[symbol] - self._world.size(MASTER, symbol)
            if step:
                self._world.trade(symbol, str(step))
            if number % 20 == 10:
                self._world.trade(LEAVING, LEFT_AT_A_TIME)
            await trio.sleep(EVERY_S)


def arrivals(world: World, *, exits: bool) -> list[float]:
    """Return when followers' reductions arrived, or their openings."""
    rows = (row for house in world.houses for row in house.core.ledger if row.account != MASTER)
    return sorted(row.arrived_at for row in rows if only_reduces(row.intent) is exits)


def held(world: World, books: Books) -> list[Held]:
    """Return every leg of every follower."""
    return [
        Held(
            f"{member.name} {symbol}",
            world.size(member.name, symbol, idx),
            books.ideal(member, symbol, idx),
            LOTS[symbol],
        )
        for member, symbol, idx in books.legs()
    ]


def off_target(world: World, books: Books) -> list[Held]:
    """Return who is not within one lot."""
    return [it for it in held(world, books) if abs(it.size - it.ideal) > it.lot]


async def go_through(directory: Path, troubles: tuple[str, ...]) -> None:
    """Trade through a minute of these troubles, one after the other."""
    async with open_world(directory, *CAST, master_equity="1000000", make_desk=HangingDesk) as world:
        trouble, storm = Trouble(world), Storm(world)
        books = Books(world=world, cast=CAST, directory=directory)
        books.watch()
        lags = Lags(lambda: held(world, books))
        lags.watch(world.venue)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lags.run)
            world.trade(LEAVING, "100000")
            await storm.blow(3)
            began, opened = trio.current_time(), len(arrivals(world, exits=False))
            for kind in troubles:
                trouble.begin(kind)
                await storm.blow(DOWN_S / len(troubles))
            assert len(arrivals(world, exits=False)) == opened
            trouble.begin("well again")
            back = trio.current_time()
            await storm.blow(2 * RESUMES_S_MAX)
            nursery.cancel_scope.cancel()
        with trio.move_on_after(CONVERGES_S_MAX):
            while off_target(world, books):
                await trio.sleep(0.05)
        books.close()

        assert not books.violations
        assert not off_target(world, books)
        assert len([at for at in arrivals(world, exits=True) if began < at <= back]) >= len(CAST) * DOWN_S
        assert lags.longest_s <= EXIT_LAG_S_MAX, lags.longest_of
        assert arrivals(world, exits=False)[opened] - back <= RESUMES_S_MAX


async def test_a_minute_without_the_database_holds_up_no_exit_and_lets_no_opening_out(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Behind a database that hung, claims of exits, and what came of them, waited as long as it did."""
    await go_through(tmp_path, ("hangs", "away"))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["hangs", "away", "takes nothing"])
async def test_a_whole_minute_of_one_trouble(tmp_path: Path, autojump_clock: MockClock, kind: str) -> None:
    await go_through(tmp_path, (kind,))
