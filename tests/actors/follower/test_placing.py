"""What is known of an order of ours while it is on its way (R11)."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.follower_desk import FollowerDesk
from exchanges.sandbox import FaultKind
from tests.world import Cast, World, open_world

D = Decimal


def desk_of(world: World, name: str) -> FollowerDesk:
    node: Any = world.engine.root._nodes[f"follower:{name}"]
    desk: FollowerDesk = node._life._actor._desk
    return desk


@pytest.mark.parametrize("quantity", ["0.2", "-0.1", "-0.2"])
async def test_an_order_is_on_its_way_until_its_answer_is_taken(
    tmp_path: Path, autojump_clock: MockClock, venue: str, quantity: str
) -> None:
    """Else what it moves meanwhile would be somebody else's to whoever compares anew."""
    async with open_world(tmp_path, Cast(venue=venue)) as world:
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        core, desk = world.core("alice"), desk_of(world, "alice")
        (before,) = [row.intent for row in core.ledger.of("alice") if row.intent.client_order_id]
        endpoint = world.house("alice").order_endpoint
        core.faults.add(FaultKind.DELAY_ANSWER, account="alice", endpoint=endpoint, seconds=2.0, count=1)
        core.faults.add(FaultKind.DROP_FRAME, account="alice", count=10)
        counted = [sum(desk.placing.values())]
        world.trade("BTCUSDT", quantity)
        await world.until(lambda: core.ledger.of("alice")[-1].intent is not before, timeout_s=2.0)
        await trio.sleep(1.0)
        counted.append(sum(desk.placing.values()))
        await world.settled()
        counted.append(sum(desk.placing.values()))

        assert counted == [0, 1, 0]
        assert world.size("alice") == D("0.2") + D(quantity)
