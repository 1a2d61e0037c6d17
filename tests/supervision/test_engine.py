"""The engine put together, in virtual time: it copies, changes followers as it runs, and stops."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors.messages import CrashNow
from actors.runtime import TrioActor
from exchanges.port import Credentials
from model.ledger import LeaseTaken, open_store
from model.settings import FollowerMode, Join
from supervision.engine import FollowerAccount
from tests.supervision.engine_house import House, engine_house, make_row, make_settings
from tests.supervision.fake_venue import FakeVenue


def half_of(house: House, name: str) -> Decimal:
    return house.account(name).size("BTCUSDT")


async def test_every_follower_gets_its_share_and_leaves_with_the_master(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        await house.until_ready()
        master = house.venue.of("master-key")

        master.move("BTCUSDT", "0.4")
        await house.until(lambda: half_of(house, "alice") == half_of(house, "bob") == Decimal("0.2"))
        master.move("BTCUSDT", "0")
        await house.until(lambda: half_of(house, "alice") == half_of(house, "bob") == 0)

        assert [len(house.account(name).placed) for name in ("alice", "bob")] == [2, 2]
    assert house.failure is None
    assert [house.account(name).closed for name in ("alice", "bob")] == [1, 1]
    assert house.venue.closed == 1


async def test_a_follower_added_while_it_runs_takes_part_and_one_removed_does_not(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        master = house.venue.of("master-key")
        master.move("BTCUSDT", "0.4")
        await house.until(lambda: half_of(house, "alice") == Decimal("0.2"))
        carol = FollowerAccount(
            settings=make_settings("carol", join=Join.NOW),
            credentials=Credentials(api_key="carol-key", api_secret="s"),
        )

        await house.engine.add_follower(carol)
        await house.until(lambda: half_of(house, "carol") == Decimal("0.2"))
        await house.engine.remove_follower("alice")
        master.move("BTCUSDT", "0.6")
        await house.until(lambda: half_of(house, "carol") == Decimal("0.3"))

        assert half_of(house, "alice") == Decimal("0.2")
        assert house.account("alice").closed == 1
        assert list(house.engine.followers) == ["carol"]


async def test_a_follower_with_new_keys_trades_the_new_account(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()

        other = Credentials(api_key="alice2-key", api_secret="s")
        await house.engine.replace_follower(
            FollowerAccount(settings=house.engine.settings_of("alice"), credentials=other)
        )
        await house.until_ready()
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await house.until(lambda: half_of(house, "alice2") == Decimal("0.2"))

        assert not house.account("alice").placed
        assert house.account("alice").closed == 1


async def test_changed_settings_are_there_after_a_crash(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        settings = house.engine.settings_of("alice")
        house.engine.change_settings(attrs.evolve(settings, mode=FollowerMode.CLOSE_ONLY))

        house.engine.followers["alice"].tell(CrashNow("a drill"))
        await house.until(lambda: len(house.seen("actor.started")) > 6)
        await house.until_ready()
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await house.until(lambda: bool(house.seen("copy.finished")))

        assert house.seen("copy.finished")[0].reason.value == "close_only"
        assert not house.account("alice").placed


class Brittle(TrioActor):
    """An operator's window that breaks whenever it is opened."""

    async def on_start(self) -> None:  # type: ignore[override]
        raise ZeroDivisionError("broken")


async def test_an_edge_that_gives_up_never_stops_trading_and_is_tried_again(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), edge=[("control", Brittle)]) as house:
        await house.until(lambda: bool(house.seen("supervisor.exhausted")), 120)
        crashes = len([e for e in house.seen("actor.crashed") if e.name == "control"])

        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await house.until(lambda: half_of(house, "alice") == Decimal("0.2"))
        await trio.sleep(61)

        assert len([e for e in house.seen("actor.crashed") if e.name == "control"]) > crashes
        assert house.failure is None


async def test_a_ledger_that_another_engine_holds_ends_the_run_as_itself(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    class Taken:
        def acquire(self) -> None:
            raise LeaseTaken("another engine")

        def still_held(self) -> bool:
            return False

        def release(self) -> None:
            pass

    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    house = House(store, FakeVenue())
    house.lease = Taken()
    house.build()

    async with house.running():
        await house.until(lambda: house.failure is not None)

    assert type(house.failure) is LeaseTaken
    assert house.venue.closed == 1
    store.close()


async def test_stopping_lets_an_order_in_flight_settle(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        house.venue.order_s = 5.0
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await house.until(lambda: bool(house.account("alice").placed))

        await house.engine.stop()

        assert half_of(house, "alice") == Decimal("0.2")
        (copy,) = house.store.copies()
        assert copy.state.value == "applied"


async def test_cancelling_does_not_wait_for_anybody(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        house.venue.order_s = 60.0
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await house.until(lambda: bool(house.account("alice").placed))
        began = trio.current_time()

        house.engine.cancel()
        await house.until(lambda: house.venue.closed == 1)

        assert trio.current_time() - began < 6
        (copy,) = house.store.copies()
        assert copy.state.value == "claimed"  # the next start asks the venue what became of it


async def test_a_follower_that_was_ready_before_pairing_knew_it_hears_of_every_leg(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await house.until(lambda: half_of(house, "alice") == Decimal("0.2"))
        start = house.engine.root.start_child

        async def slowly(*arguments: Any) -> None:
            await start(*arguments)
            await trio.sleep(2)

        monkeypatch.setattr(house.engine.root, "start_child", slowly)
        credentials = Credentials(api_key="carol-key", api_secret="s")
        settings = make_settings("carol", join=Join.NOW)

        await house.engine.add_follower(FollowerAccount(settings=settings, credentials=credentials))

        await house.until(lambda: half_of(house, "carol") == Decimal("0.2"))
