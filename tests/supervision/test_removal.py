"""A follower that shall be forgotten while its orders are under way: never with something left unseen (4)."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from exchanges.sandbox import FaultKind
from model.copy import CopyState
from model.ledger.secrets import SealingKeys, generate_key
from model.reasons import Reason
from supervision.control import Conflict
from supervision.service import ServiceDesk
from supervision.service.removal import Remove, remove
from tests.world import Cast, World, open_world

D = Decimal


def desk_of(world: World) -> ServiceDesk:
    return ServiceDesk(engine=world.engine, keys=SealingKeys([generate_key()]))


async def removed(desk: ServiceDesk, **options: Any) -> Any:
    return await remove(desk, Remove(request_id=options.pop("request_id", "1"), name="alice", **options))


async def test_a_copy_under_way_is_waited_for_and_what_it_opened_keeps_the_follower(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue), Cast(name="bob")) as world:
        world.core("alice").faults.add(FaultKind.DELAY_FILL, account="alice", seconds=4.0, count=1)
        world.trade("BTCUSDT", "0.5")
        await world.until(lambda: bool(world.core("alice").ledger.of("alice")))

        with pytest.raises(Conflict, match=r"holds \w+ 0\.5"):
            await removed(desk_of(world))
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert world.size("alice") == D("0.6")


async def test_an_order_that_stays_unknown_keeps_the_follower(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        faults = world.core("alice").faults
        faults.add(FaultKind.DELAY_FILL, account="alice", seconds=60.0, count=1)
        faults.add(
            FaultKind.RESET_AFTER, account="alice", endpoint=world.house("alice").order_endpoint, count=1
        )
        world.trade("BTCUSDT", "0.5")
        await world.until(lambda: bool(world.core("alice").ledger.of("alice")))
        began = trio.current_time()

        with pytest.raises(Conflict, match=r"no known outcome|under way"):
            await removed(desk_of(world))
        took = trio.current_time() - began
        await world.settled(200)

        assert 29 < took < 33
        assert world.size("alice") == D("0.5")


async def test_left_with_an_order_under_way_its_copy_ends_and_nothing_is_sent_any_more(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue), Cast(name="bob")) as world:
        world.core("alice").faults.add(FaultKind.DELAY_FILL, account="alice", seconds=300.0, count=1)
        world.trade("BTCUSDT", "0.5")
        await world.until(lambda: bool(world.core("alice").ledger.of("alice")))

        await removed(desk_of(world), leave=True)
        world.close("BTCUSDT")
        await world.settled()

        (copy,) = world.copies("alice")
        assert (copy.state, copy.reason) == (CopyState.SKIPPED, Reason.REMOVED)
        assert len(world.core("alice").ledger.of("alice")) == 1
        assert world.size("bob") == 0
        assert world.store.holdings("alice") == []


async def test_a_process_that_dies_between_the_ledger_and_the_engine_starts_without_it(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(tmp_path, Cast(), Cast(name="bob")) as world:
        desk = desk_of(world)

        async def dies(name: str) -> None:
            raise KeyError("the process ends here")

        monkeypatch.setattr(world.engine, "remove_follower", dies)
        with pytest.raises(KeyError):
            await removed(desk)
        assert [row.settings.name for row in world.store.followers()] == ["bob"]
        await world.kill_engine()
        world.followers = tuple(it for it in world.followers if it.settings.name == "bob")
        await world.start_engine()
        await world.ready()

        assert await removed(desk_of(world)) == {"name": "alice", "state": "removed"}  # the call repeated
        assert list(world.engine.followers) == ["bob"]
