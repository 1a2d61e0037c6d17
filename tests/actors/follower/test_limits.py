"""A follower that lost more than it may only closes until an operator resumes it (R9)."""

from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.events import FollowerStateChanged, RiskLimitBreached
from actors.messages import CrashNow
from exchanges.sandbox import FaultKind
from model.reasons import Reason
from model.settings import FollowerMode, Limits
from tests.world import Cast, World, fixed_ratio, open_world

D = Decimal
DAY_MS = 86_400_000


def limited(venue: str = "bybit", **limits: Decimal) -> Cast:
    return Cast(venue=venue, settings={"sizing": fixed_ratio("1"), "limits": Limits(**limits)})


def mode(world: World) -> FollowerMode:
    return world.engine.settings_of("alice").mode


async def lost(world: World, price: str) -> None:
    """Open half a bitcoin, and let the market move against it."""
    world.trade("BTCUSDT", "0.5")
    await world.settled()
    await trio.sleep(11)  # balance and positions are of one moment
    world.venue.set_price("BTCUSDT", D(price))
    await trio.sleep(3)


async def equity_before_and_loss(world: World, price: str) -> tuple[Decimal, Decimal]:
    before = D((await world.status("alice")).equity or "NaN")
    await lost(world, price)
    return before, before - D((await world.status("alice")).equity or "NaN")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"daily_loss": D(400)}, Reason.LIMIT_DAILY_LOSS),
        ({"max_drawdown": D(400)}, Reason.LIMIT_DRAWDOWN),
        ({"min_equity": D(9600)}, Reason.LIMIT_MIN_EQUITY),
    ],
)
async def test_a_broken_limit_ends_openings_and_says_so_once_and_reductions_go_on(
    tmp_path: Path, autojump_clock: MockClock, venue: str, limits: dict[str, Decimal], reason: Reason
) -> None:
    async with open_world(tmp_path, limited(venue, **limits)) as world:
        await lost(world, "59000")
        held = mode(world), world.mode_kept("alice")
        world.trade("ETHUSDT", "1")
        await world.settled()
        world.close("BTCUSDT")
        await world.settled()

        assert held == (FollowerMode.CLOSE_ONLY, FollowerMode.CLOSE_ONLY)
        assert (world.size("alice"), world.size("alice", "ETHUSDT")) == (0, 0)
        assert world.copies("alice")[1].reason is reason
        (event,) = world.seen(RiskLimitBreached)
        assert (event.follower, event.limit) == ("alice", next(iter(limits)))
        assert event.allowed == str(next(iter(limits.values())))
        assert (await world.status("alice")).state == "close_only"
        assert event.limit in world.seen(FollowerStateChanged)[-1].detail


@pytest.mark.parametrize("life", ["restart", "kill", "crash", "apply", "the next day"])
async def test_it_holds_until_an_operator_resumes_whatever_happens(
    tmp_path: Path, autojump_clock: MockClock, life: str
) -> None:
    async with open_world(tmp_path, limited(daily_loss=D(400))) as world:
        await lost(world, "59000")
        world.venue.set_price("BTCUSDT", D("64000"))
        match life:
            case "restart":
                await world.stop_engine()
                await world.start_engine()
            case "kill":
                await world.kill_engine()
                await world.start_engine()
            case "crash":
                world.engine.followers["alice"].tell(CrashNow("a drill"))
                await trio.sleep(1)
            case "apply":  # somebody read the ledger a moment before it knew
                settings = world.followers[0].settings
                world.engine.change_settings(settings)
                await trio.sleep(1)
            case _:
                for clock in (world.clock, world.host_clock):
                    clock.ahead_ms += DAY_MS
                await trio.sleep(70)
        await world.ready()
        world.trade("ETHUSDT", "1")
        await world.settled()
        held = world.size("alice", "ETHUSDT"), world.copies("alice")[1].reason, mode(world)
        world.order("alice", FollowerMode.ACTIVE)
        await trio.sleep(1)
        world.trade("ETHUSDT", "1")
        await world.settled()

        assert held == (D(0), Reason.LIMIT_DAILY_LOSS, FollowerMode.CLOSE_ONLY)
        assert world.size("alice", "ETHUSDT") == D(2)
        assert len(world.seen(RiskLimitBreached)) == 1


async def test_who_is_resumed_is_measured_from_there(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, limited(daily_loss=D(400), max_drawdown=D(400))) as world:
        await lost(world, "59000")
        world.order("alice", FollowerMode.ACTIVE)
        await trio.sleep(100)
        after = mode(world)
        await world.stop_engine()
        await world.start_engine()
        await world.ready()
        again = mode(world)
        await trio.sleep(11)
        world.venue.set_price("BTCUSDT", D("58000"))
        await trio.sleep(3)

        assert (after, again) == (FollowerMode.ACTIVE, FollowerMode.ACTIVE)
        assert mode(world) is FollowerMode.CLOSE_ONLY
        assert len(world.seen(RiskLimitBreached)) == 2


async def test_a_floor_that_is_still_broken_stops_a_resumed_follower_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, limited(min_equity=D(9900))) as world:
        await lost(world, "59000")
        world.order("alice", FollowerMode.ACTIVE)
        await trio.sleep(3)

        assert mode(world) is FollowerMode.CLOSE_ONLY
        assert len(world.seen(RiskLimitBreached)) == 2


async def test_a_loss_is_the_whole_limit_and_not_a_cent_less(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, limited()) as world:
        before, loss = await equity_before_and_loss(world, "59000")
    reached: dict[str, FollowerMode] = {}
    for name, limits in {
        "daily_loss": {"daily_loss": loss},
        "daily_loss and a cent": {"daily_loss": loss + D("0.01")},
        "max_drawdown": {"max_drawdown": loss},
        "max_drawdown and a cent": {"max_drawdown": loss + D("0.01")},
        "min_equity": {"min_equity": before - loss},
        "min_equity and a cent": {"min_equity": before - loss + D("0.01")},
    }.items():
        (tmp_path / name).mkdir()
        async with open_world(tmp_path / name, limited(**limits)) as world:
            await lost(world, "59000")
            reached[name] = mode(world)

    assert reached == {
        "daily_loss": FollowerMode.CLOSE_ONLY,
        "daily_loss and a cent": FollowerMode.ACTIVE,
        "max_drawdown": FollowerMode.CLOSE_ONLY,
        "max_drawdown and a cent": FollowerMode.ACTIVE,
        "min_equity": FollowerMode.ACTIVE,
        "min_equity and a cent": FollowerMode.CLOSE_ONLY,
    }


async def test_a_limit_that_comes_with_new_settings_is_watched_from_then_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, limited()) as world:
        await lost(world, "59000")
        settings = world.engine.settings_of("alice")
        world.engine.change_settings(attrs.evolve(settings, limits=Limits(min_equity=D(9900))))
        await trio.sleep(2)

        assert mode(world) is FollowerMode.CLOSE_ONLY


async def test_a_paused_follower_stays_paused_and_is_judged_when_it_is_resumed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, limited(daily_loss=D(400))) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.order("alice", FollowerMode.PAUSED)
        world.venue.set_price("BTCUSDT", D("59000"))
        await trio.sleep(100)
        paused = mode(world)
        world.order("alice", FollowerMode.ACTIVE)
        world.trade("ETHUSDT", "1")
        await world.settled()
        await trio.sleep(2)

        assert paused is FollowerMode.PAUSED
        assert mode(world) is FollowerMode.CLOSE_ONLY
        assert world.size("alice", "ETHUSDT") == 0


@pytest.mark.parametrize(
    ("limits", "bought", "reason"),
    [
        ({"max_notional_per_symbol": D(6000)}, "0.1", None),
        ({"max_notional_per_symbol": D("5999.99")}, "0.099", Reason.LIMIT_NOTIONAL_PER_SYMBOL),
        ({"max_notional": D(6000)}, "0.1", None),
        ({"max_notional": D("5999.99")}, "0.099", Reason.LIMIT_NOTIONAL),
        ({"max_positions": 1}, "0.1", None),
        ({"deny": frozenset({"BTCUSDT"})}, "0", Reason.SYMBOL_DENIED),
        ({"allow": frozenset({"BTCUSDT"})}, "0.1", None),
        ({"allow": frozenset({"ETHUSDT"})}, "0", Reason.SYMBOL_NOT_ALLOWED),
    ],
)
async def test_limits_on_size_and_symbols_hold_to_the_lot(
    tmp_path: Path,
    autojump_clock: MockClock,
    limits: dict[str, object],
    bought: str,
    reason: Reason | None,
) -> None:
    settings = {"sizing": fixed_ratio("1"), "limits": Limits(**limits)}  # type: ignore[arg-type]
    async with open_world(tmp_path, Cast(settings=settings)) as world:
        world.venue.set_price("BTCUSDT", D("60000"))
        await trio.sleep(2)
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert world.size("alice") == D(bought)
        assert world.copies("alice")[0].reason is reason


async def test_the_masters_leverage_is_taken_up_to_the_followers_own(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    alice = limited(venue, max_leverage=D(5))
    bob = attrs.evolve(limited(venue, max_leverage=D(8)), name="bob")
    async with open_world(tmp_path, alice, bob) as world:
        world.trade("BTCUSDT", "0.1", leverage=D(8))
        await world.settled()

        own = world.house("alice").own_symbol("BTCUSDT")
        took = [world.account(name).leverage(own) for name in ("alice", "bob")]
        assert took == [D(5), D(8)]


async def test_the_position_beyond_the_last_that_is_allowed_is_not_opened_and_an_increase_is(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    cast = Cast(venue=venue, settings={"sizing": fixed_ratio("1"), "limits": Limits(max_positions=2)})
    async with open_world(tmp_path, cast) as world:
        for symbol, quantity in (("BTCUSDT", "0.1"), ("ETHUSDT", "1"), ("SOLUSDT", "10"), ("BTCUSDT", "0.1")):
            world.trade(symbol, quantity)
            await world.settled()
        world.close("ETHUSDT")
        await world.settled()
        world.trade("SOLUSDT", "10")
        await world.settled()

        sizes = [world.size("alice", symbol) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
        assert world.copies("alice")[2].reason is Reason.LIMIT_POSITIONS
        assert sizes == [D("0.2"), D(0), D(20)]


async def test_a_loss_that_is_told_before_its_position_is_gone_is_not_counted_twice(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    limits = {"daily_loss": D(800), "max_drawdown": D(800)}
    async with open_world(tmp_path, limited(**limits)) as world:
        await lost(world, "59000")  # about 500, still open
        world.core("alice").faults.add(FaultKind.DELAY_FRAME, account="alice", topic="position*", seconds=2.0)
        world.close("BTCUSDT")
        await trio.sleep(0.5)
        during = D((await world.status("alice")).equity or "NaN")
        await world.settled()
        world.core("alice").faults.clear()
        await trio.sleep(100)
        after = D((await world.status("alice")).equity or "NaN")

        assert during < after - 400  # the view has it twice
        assert mode(world) is FollowerMode.ACTIVE
        assert not world.seen(RiskLimitBreached)


async def test_what_is_lost_while_copies_go_on_is_judged_between_them(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, limited(venue, daily_loss=D(400))) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.venue.set_price("BTCUSDT", D("59000"))
        await trio.sleep(1.5)
        refused: list[Reason | None] = []
        for _ in range(20):  # never quiet for ten seconds
            world.trade("BTCUSDT", "-0.01")
            world.trade("ETHUSDT", "0.1")
            await trio.sleep(4)
            refused.append(world.copies("alice")[-1].reason)

        assert mode(world) is FollowerMode.CLOSE_ONLY
        assert world.size("alice", "ETHUSDT") == 0  # the gate held what the mode did not yet
        assert set(refused) == {Reason.LIMIT_DAILY_LOSS}
