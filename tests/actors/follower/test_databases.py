"""What operators order is kept on every database alike, and outlives the process."""

from decimal import Decimal
from pathlib import Path

import trio
from trio.testing import MockClock

from actors.messages import AdoptPosition
from model.settings import FollowerMode, Limits
from tests.world import Cast, fixed_ratio, open_world

D = Decimal


async def test_flattening_adopting_and_broken_limits_outlive_a_kill(
    tmp_path: Path, autojump_clock: MockClock, ledger_url: str
) -> None:
    limited = {"sizing": fixed_ratio("1"), "limits": Limits(daily_loss=D(400))}
    cast = Cast(), Cast(name="bob", settings=limited), Cast(name="carol")
    async with open_world(tmp_path, *cast, ledger_url=ledger_url) as world:
        world.order("carol", FollowerMode.CLOSE_ONLY)
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.core("carol").trade("carol", "BTCUSDT", D("0.2"))
        await trio.sleep(11)
        world.venue.set_price("BTCUSDT", D("59000"))
        await trio.sleep(3)
        adopted = await world.engine.followers["carol"].ask(AdoptPosition(symbol="BTCUSDT"), timeout_s=5)
        world.order("alice", FollowerMode.FLATTENING)
        await world.kill_engine()
        modes = {name: world.mode_kept(name) for name in ("alice", "bob", "carol")}
        await world.start_engine()
        await world.ready()
        await world.until(lambda: world.mode_kept("alice") is FollowerMode.PAUSED)
        world.trade("ETHUSDT", "1")
        world.close("BTCUSDT")
        await world.settled()

        assert adopted.why_not == ""
        assert modes == {
            "alice": FollowerMode.FLATTENING,
            "bob": FollowerMode.CLOSE_ONLY,
            "carol": FollowerMode.CLOSE_ONLY,
        }
        for name in ("alice", "bob", "carol"):
            assert (world.size(name), world.size(name, "ETHUSDT")) == (0, 0)
        assert not world.sent_twice()
