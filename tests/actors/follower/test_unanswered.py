"""What a follower had in hand when it crashed ends with an outcome all the same (R2, R17)."""

from pathlib import Path

import trio
import trio.lowlevel
from trio.testing import MockClock

from actors.events import MasterChangeSeen, MasterStreamChanged
from actors.ledger_desk import LedgerDesk
from actors.messages import CrashNow
from model.copy import Claim, ClaimAnswer, CopyState
from model.leg import ONE_WAY, Leg
from tests.simulation.outage import Outage
from tests.world import MASTER, Cast, open_world

COMMIT_S = 0.5


class SlowClaims(LedgerDesk):
    """A desk whose commits take long enough to crash in."""

    async def claim(self, claim: Claim) -> ClaimAnswer:
        """Take the time, then claim."""
        await trio.sleep(COMMIT_S)
        return await super().claim(claim)


async def test_what_was_in_hand_at_a_crash_is_superseded_by_what_came_after(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It had no outcome, ever: nobody was told of it again, for the master had moved on."""
    async with open_world(tmp_path, Cast(), make_desk=SlowClaims) as world:
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(COMMIT_S / 2)
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        await trio.lowlevel.checkpoint()
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(5)
        await world.settled()

        oldest, newest = world.copies("alice")
        assert (oldest.state, oldest.superseded_by) == (CopyState.SUPERSEDED, newest.change_id)
        assert newest.state is CopyState.APPLIED
        assert str(world.size("alice")) == "0.2"


async def test_what_was_in_hand_at_a_crash_is_told_again_where_it_is_the_newest(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(), make_desk=SlowClaims) as world:
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(COMMIT_S / 2)
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        await trio.sleep(5)
        await world.settled()

        (copy,) = world.copies("alice")
        assert copy.state is CopyState.APPLIED


async def test_an_episode_that_began_and_ended_around_a_crash_has_outcomes(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(), make_desk=SlowClaims) as world:
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(COMMIT_S / 2)
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        await trio.lowlevel.checkpoint()
        world.close("BTCUSDT")
        await trio.sleep(5)
        await world.settled()

        assert [copy.state for copy in world.copies("alice")] == [CopyState.SUPERSEDED, CopyState.SKIPPED]
        assert not world.size("alice")


async def test_a_ledger_that_is_away_leaves_no_pile_to_the_first_claim_after_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Claims of thousands of rows took longer than anybody waits, and the engine never opened again."""
    async with open_world(tmp_path, Cast()) as world:
        outage = world.store.database = Outage(world.store.database)
        outage.is_down = True
        for number in range(50):
            world.trade("BTCUSDT", "-0.1" if number % 2 else "0.1")
            await trio.sleep(0.1)
        left = world.engine._unanswered["alice"].has(Leg("BTCUSDT", ONE_WAY))
        outage.is_down = False
        world.trade("BTCUSDT", "0.1")
        await world.until(lambda: bool(world.size("alice")))

        assert not left


async def test_what_was_superseded_while_the_ledger_was_away_has_an_outcome_though_its_follower_crashed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Claims that only the crashed life knew were neither kept nor told: most were never mentioned."""
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        outage = world.store.database = Outage(world.store.database)
        outage.is_down = True
        for quantity in ("0.1", "-0.05", "0.1", "-0.05", "0.1"):
            world.trade("BTCUSDT", quantity)
        await trio.sleep(1)
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        await trio.sleep(5)
        outage.is_down = False
        await trio.sleep(10)
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        answered = {copy.change_id for copy in world.copies("alice")}
        assert [it for it in world.seen(MasterChangeSeen) if it.change.change_id not in answered] == []
        assert len(answered) == 7
        assert str(world.size("alice")) == "0.4"


async def test_an_exit_goes_on_where_the_masters_line_came_back_meanwhile(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """It looked for newer changes again and again, and let nobody else run."""
    async with open_world(tmp_path, Cast(), make_desk=SlowClaims) as world:
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(5)
        await world.settled()
        world.close("BTCUSDT")
        await trio.sleep(COMMIT_S / 2)
        assert world.server.drop_connections(account=MASTER, kind="private")

        await world.until(lambda: world.size("alice") == 0, timeout_s=2.0)
        await world.until(lambda: len(world.seen(MasterStreamChanged)) == 3, timeout_s=2.0)
