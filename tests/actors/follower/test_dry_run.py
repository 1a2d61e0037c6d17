"""A follower that runs dry does everything but the sending, and says what it would have sent (4)."""

from decimal import Decimal
from pathlib import Path

import attrs
from trio.testing import MockClock

from actors.messages import AdoptPosition
from model.copy import CopyState
from model.reasons import Reason
from model.settings import Limits
from supervision.explanation import explain_copy
from tests.world import Cast, World, fixed_ratio, mirror, open_world

D = Decimal


def dry(venue: str = "bybit", **other: object) -> Cast:
    return Cast(venue=venue, settings={"sizing": fixed_ratio("1"), "dry_run": True, **other})


def explained(world: World, number: int) -> str:
    copy = world.store.explain(world.copies("alice")[number].copy_id)
    assert copy is not None
    return "\n".join(explain_copy(copy.to_json()))


async def test_nothing_is_sent_and_every_copy_says_what_would_have_been(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, dry(venue), Cast(venue=venue, name="bob")) as world:
        world.trade("BTCUSDT", "0.5", leverage=D(7))
        world.trade("ETHUSDT", "-2")
        await world.settled()
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()

        assert len(world.core("alice").ledger.of("alice")) == 0
        assert not world.account("alice").open_positions()
        assert world.size("bob", "ETHUSDT") == D(-2)
        copies = world.copies("alice")
        assert [copy.reason for copy in copies] == [Reason.DRY_RUN] * 3 + [Reason.ALREADY_FLAT]
        assert {copy.state for copy in copies} == {CopyState.SKIPPED}
        assert not [order for copy in copies for order in copy.orders]
        assert "would have sent: buy 0.5 at " in explained(world, 0)
        assert "would have sent: buy 0.7 at " in explained(world, 2)
        assert "it would have sent (dry_run)" in explained(world, 0)
        assert (await world.status("alice")).dry_run is True


async def test_gates_and_limits_are_judged_as_ever(tmp_path: Path, autojump_clock: MockClock) -> None:
    limits = Limits(deny=frozenset({"BTCUSDT"}), max_notional=D(3000))
    async with open_world(tmp_path, dry(limits=limits, sizing=mirror())) as world:
        world.trade("BTCUSDT", "0.5")
        world.trade("ETHUSDT", "2")
        await world.settled()

        btc, eth = world.copies("alice")
        assert btc.reason is Reason.SYMBOL_DENIED
        assert eth.reason is Reason.DRY_RUN
        decision = eth.explain["decisions"][0]  # type: ignore[index]
        assert decision["gates_passed"]
        assert D(decision["desired"]) * D(decision["mark"]) <= D(3000)


async def test_a_position_of_the_owners_own_is_left_alone_and_not_adopted(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, dry(venue)) as world:
        world.core("alice").trade("alice", world.house("alice").own_symbol("BTCUSDT"), D("0.3"))
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        answer = await world.engine.followers["alice"].ask(AdoptPosition(symbol="BTCUSDT"), timeout_s=5)

        assert "runs dry" in answer.why_not
        assert world.size("alice") == D("0.3")
        assert [copy.reason for copy in world.copies("alice")] == [Reason.FOREIGN_POSITION]


async def test_it_trades_from_the_next_change_on_when_it_is_not_dry_any_more(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, dry()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.engine.change_settings(attrs.evolve(world.engine.settings_of("alice"), dry_run=False))
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert world.size("alice") == D("0.6")
