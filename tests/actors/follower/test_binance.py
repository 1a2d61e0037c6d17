"""What is different for a follower on Binance: stream keys, ids, hedged closes, throttles, own orders."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.messages import CrashNow
from exchanges.sandbox import FaultKind, Liquidity, OrderIntent, TimeInForce
from exchanges.sandbox.binance import BinanceSandbox
from exchanges.sandbox.http import HttpRequest, HttpResponse
from model.copy import CopyState
from model.leg import Side
from model.reasons import Reason
from tests.world import Cast, World, fixed_ratio, mirror, open_world

D = Decimal


def alice(**fields: object) -> Cast:
    return Cast(venue="binance", settings={"sizing": fixed_ratio("1")}, **fields)  # type: ignore[arg-type]


def face(world: World) -> BinanceSandbox:
    found = world.house("alice").server._face
    assert isinstance(found, BinanceSandbox)
    return found


def rest_order(world: World, symbol: str, side: Side, quantity: str, price: str, **more: object) -> None:
    """Leave an order of alice's own in the book, as her app does."""
    intent = OrderIntent(
        symbol=symbol,
        side=side,
        quantity=D(quantity),
        price=D(price),
        time_in_force=TimeInForce.GTC,
        **more,  # type: ignore[arg-type]
    )
    world.core("alice").place("alice", intent)


async def test_a_stream_that_another_program_silenced_is_noticed_and_copies_go_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        face(world).keys.delete(world.account("alice"))
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await trio.sleep(60)
        world.core("alice").trade("alice", "BTCUSDT", D("-0.05"))  # seen only on a stream that lives
        await trio.sleep(1)
        world.close("BTCUSDT")
        await world.settled()

    assert world.size("alice") == 0
    assert not world.sent_twice()


async def test_an_order_that_is_not_found_yet_is_not_sent_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice()) as world:
        face(world).queries.visible_after_ms = 4_000
        world.core("alice").faults.add(
            FaultKind.LOSE_ANSWER, account="alice", endpoint="order.place", count=1
        )
        world.core("alice").faults.add(FaultKind.DROP_FRAME, account="alice", count=4)
        world.trade("BTCUSDT", "0.5")
        await world.settled(timeout_s=120)

        assert world.size("alice") == D("0.5")
        assert len(world.core("alice").ledger.of("alice")) == 1


async def test_a_fill_that_no_stream_shows_is_read_until_it_shows(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Found by simulation: what a read leaves out is flat as of a while ago; the view kept the position."""
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        world.house("alice").server.silence_connections(account="alice", kind="private")
        world.close("BTCUSDT")
        await trio.sleep(1.5)
        world.trade("BTCUSDT", "0.2")
        await world.settled()
        sizes = [row.intent.quantity for row in world.core("alice").ledger.of("alice")]

    assert sizes == [D("0.1"), D("0.1"), D("0.2")]
    assert world.size("alice") == D("0.2")


@pytest.mark.parametrize("lag_ms", [1_500, 4_500])
async def test_an_engine_that_starts_before_reads_have_caught_up_waits_for_them(
    tmp_path: Path, autojump_clock: MockClock, lag_ms: int
) -> None:
    """Found by simulation: killed just after an order, it read the account without it, and opened again."""
    async with open_world(tmp_path, alice()) as world:
        face(world).states.replicas.lag_ms = face(world).queries.visible_after_ms = lag_ms
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        sizes = [row.intent.quantity for row in world.core("alice").ledger.of("alice")]

    assert sizes == [D("0.1"), D("0.1")]
    assert world.size("alice") == D("0.2")


@pytest.mark.parametrize("left", ["", "0.05"])
@pytest.mark.parametrize(("before", "last"), [("", "0.1"), ("0.1", "0.2"), ("0.3", "-0.1")])
async def test_what_reads_did_not_show_yet_at_a_start_is_reduced_too(
    tmp_path: Path, autojump_clock: MockClock, before: str, last: str, left: str
) -> None:
    """It closed what was shown, nothing or too little, and left the follower alone in the rest."""
    async with open_world(tmp_path, alice()) as world:
        if before:
            world.trade("BTCUSDT", before)
            await trio.sleep(60)
        face(world).states.replicas.lag_ms = face(world).queries.visible_after_ms = 4_500
        await trio.sleep(5)
        world.trade("BTCUSDT", last)
        await world.settled()
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        world.trade("BTCUSDT", str(D(left or 0) - D(before or 0) - D(last)))
        await world.settled()

        assert world.size("alice") == D(left or 0)
        assert not world.sent_twice()
        last_copy = world.copies("alice")[-1]
        assert (last_copy.state, last_copy.reason) == (CopyState.APPLIED, None)


@pytest.mark.parametrize("again", ["0.02", "0.2", "-0.2"])
@pytest.mark.parametrize("after_s", [0.2, 10.0])
async def test_a_leg_that_was_left_while_a_fill_of_it_was_hidden_is_opened_anew(
    tmp_path: Path, autojump_clock: MockClock, again: str, after_s: float
) -> None:
    """While the fill was waited for the leg counted as not left: it has to count as left once it is flat."""
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.3")
        await trio.sleep(60)
        face(world).states.replicas.lag_ms = face(world).queries.visible_after_ms = 4_500
        await trio.sleep(5)
        world.trade("BTCUSDT", "-0.1")
        await world.settled()
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        world.close("BTCUSDT")
        await world.settled()
        await trio.sleep(after_s)
        world.trade("BTCUSDT", again)
        await world.settled()

        assert world.size("alice") == D(again)
        assert world.copies("alice")[-1].state is CopyState.APPLIED
        assert not world.sent_twice()


@pytest.mark.parametrize(
    ("lost", "after_s", "lag_ms"),
    [
        (FaultKind.ERROR_AFTER, 1.0, 1_500),
        (FaultKind.ERROR_AFTER, 3.0, 4_500),
        (FaultKind.LOSE_ANSWER, 16.5, 4_500),
    ],
)
async def test_a_partial_close_waits_for_what_reads_do_not_show_yet(
    tmp_path: Path, autojump_clock: MockClock, lost: FaultKind, after_s: float, lag_ms: int
) -> None:
    """Sized from 0.1 held it left 0.25 of 0.3; the look after it saw the old 0.3, and closed everything."""
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(60)
        face(world).states.replicas.lag_ms = lag_ms
        await trio.sleep(5)
        faults = world.core("alice").faults
        faults.add(lost, account="alice", endpoint="order.place", status=503, count=1)
        faults.add(FaultKind.DROP_FRAME, account="alice")
        world.trade("BTCUSDT", "0.2")
        await trio.sleep(after_s)
        world.trade("BTCUSDT", "-0.25")
        await world.settled(timeout_s=120)
        sizes = [row.intent.quantity for row in world.core("alice").ledger.of("alice")]

    assert world.size("alice") == D("0.05")
    assert sizes == [D("0.1"), D("0.2"), D("0.25")]


async def test_a_fill_is_not_taken_for_shown_by_what_an_older_one_moved(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The rest was taken off 0.3, of which 0.05 had gone already: the follower was flat, the master not."""
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await trio.sleep(60)
        face(world).states.replicas.lag_ms = 1_500
        await trio.sleep(5)
        faults = world.core("alice").faults
        faults.add(FaultKind.ERROR_AFTER, account="alice", endpoint="order.place", status=503, count=1)
        faults.add(FaultKind.DROP_FRAME, account="alice")
        world.trade("BTCUSDT", "0.2")
        await trio.sleep(0.95)
        late = faults.add(
            FaultKind.DELAY_ANSWER, account="alice", endpoint="order.place", seconds=0.1, count=1
        )
        world.trade("BTCUSDT", "-0.25")
        await world.settled(timeout_s=120)
        sizes = [row.intent.quantity for row in world.core("alice").ledger.of("alice")]

    assert late.struck
    assert sizes == [D("0.1"), D("0.2"), D("0.05"), D("0.2")]
    assert world.size("alice") == D("0.05")


async def test_a_position_that_a_first_reading_did_not_show_stays_ours(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Whether a flat row comes in between is chance: seeds in which one did are kept with the simulation."""
    async with open_world(tmp_path, alice()) as world:
        face(world).states.replicas.lag_ms = face(world).queries.visible_after_ms = 4_500
        await trio.sleep(5)
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        (leg,) = (await world.status("alice")).legs
        assert leg.owned
        await trio.sleep(60)
        (leg,) = (await world.status("alice")).legs
        assert (leg.owned, leg.position) == (True, "0.1")


async def test_a_stop_does_not_wait_for_a_venue_that_tells_no_last_fill(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await world.kill_engine()
        world.core("alice").faults.add(FaultKind.ERROR_BEFORE, account="alice", status=503)
        await world.start_engine()
        await trio.sleep(3)
        began = trio.current_time()
        await world.stop_engine()

        assert trio.current_time() - began < 5


async def test_nothing_waits_after_a_start_whose_first_reading_shows_the_last_fill(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await world.kill_engine()
        await world.start_engine()
        await world.ready()
        began = trio.current_time()
        world.trade("BTCUSDT", "0.1")
        await world.settled()

        assert trio.current_time() - began < 1.0
        assert world.size("alice") == D("0.2")


async def test_a_position_that_its_owner_closed_by_hand_is_closed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await trio.sleep(5)  # an answer that leaves a position out is of 2 s ago, at worst
        world.core("alice").faults.add(FaultKind.DROP_FRAME, account="alice")
        world.core("alice").close_position("alice", "BTCUSDT")
        world.close("BTCUSDT")
        await world.settled(timeout_s=120)
        rows = world.core("alice").ledger.of("alice")

    assert world.size("alice") == 0
    assert [row.filled for row in rows if row.intent.reduce_only and row.via == "order.place"] == [D(0)]
    assert world.copies("alice")[-1].reason is Reason.ALREADY_FLAT


async def test_an_exit_that_the_owners_own_order_blocks_goes_on_until_it_is_done(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        rest_order(world, "BTCUSDT", Side.SELL, "0.1", "62000", reduce_only=True)
        world.close("BTCUSDT")
        await trio.sleep(60)
        held = world.size("alice")
        (order,) = world.account("alice").open_orders.values()
        world.core("alice").cancel(order)
        await world.settled(timeout_s=120)

    assert held == D("0.1")
    assert world.size("alice") == 0
    assert not world.sent_twice()


async def test_a_market_without_depth_is_left_part_by_part(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        world.core("alice").set_liquidity("BTCUSDT", Liquidity(depth=D("0.03")))
        world.close("BTCUSDT")
        await world.settled(timeout_s=120)
        closes = [row for row in world.core("alice").ledger.of("alice") if row.intent.reduce_only]

    assert world.size("alice") == 0
    assert [row.filled for row in closes] == [D("0.03"), D("0.03"), D("0.03"), D("0.01")]


async def test_while_the_venue_is_overloaded_exits_pass_and_openings_do_not(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice()) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        throttle = world.core("alice").faults.add(FaultKind.POST_ONLY_WINDOW)
        world.trade("ETHUSDT", "1")
        world.close("BTCUSDT")
        await trio.sleep(10)
        sizes = world.size("alice"), world.size("alice", "ETHUSDT")
        world.core("alice").faults.remove(throttle)
        await world.settled(timeout_s=120)

    assert sizes == (D(0), D(0))
    assert world.size("alice", "ETHUSDT") == 0  # too old by then


async def test_an_account_that_switches_to_hedge_is_followed_there(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice(), master_hedges=["BTCUSDT"]) as world:
        world.trade("BTCUSDT", "0.1", position_idx=1)
        await world.settled()
        world.close("BTCUSDT", 1)
        await world.settled()
        face(world).modes.switch_position_mode(world.account("alice"), hedge=True)
        await trio.sleep(70)
        world.trade("BTCUSDT", "0.2", position_idx=1)
        world.trade("BTCUSDT", "-0.1", position_idx=2)
        await world.settled(timeout_s=120)
        sizes = [world.size("alice", position_idx=idx) for idx in (1, 2)]
        world.close("BTCUSDT", 1)
        world.close("BTCUSDT", 2)
        await world.settled(timeout_s=120)

    assert sizes == [D("0.2"), D("-0.1")]
    assert [world.size("alice", position_idx=idx) for idx in (1, 2)] == [D(0), D(0)]


async def test_a_small_close_of_a_hedged_leg_is_part_of_the_next_one(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Whether the venue's minimum is that of hedged closes is not published: nothing is sent below it."""
    async with open_world(tmp_path, alice(hedge=True), master_hedges=["ETHUSDT"]) as world:
        sizes = []
        for quantity in ("0.10", "-0.005", "-0.005", "-0.05"):
            await trade_eth(world, quantity)
            sizes.append(world.size("alice", "ETHUSDT", 1))
        world.close("ETHUSDT", 1)
        await world.settled()

    assert sizes == [D("0.1"), D("0.1"), D("0.09"), D("0.04")]
    assert world.size("alice", "ETHUSDT", 1) == 0
    assert world.copies("alice")[1].reason is Reason.DEFERRED
    assert all(row.accepted for row in world.core("alice").ledger.of("alice"))


async def test_a_close_that_the_venue_alone_finds_too_small_is_part_of_the_next_one(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, alice(hedge=True), master_hedges=["ETHUSDT"]) as world:
        core = world.core("alice")
        await trade_eth(world, "0.10")
        core.add_listing(attrs.evolve(core.listing("ETHUSDT"), min_notional=D(100)), core.mark("ETHUSDT"))
        await trade_eth(world, "-0.02")
        await trio.sleep(120)
        held = world.size("alice", "ETHUSDT", 1)
        await trade_eth(world, "-0.02")
        refused = [row for row in core.ledger.of("alice") if not row.accepted]
        small = world.copies("alice")[1]

    assert held == D("0.1")
    assert world.size("alice", "ETHUSDT", 1) == D("0.06")
    assert (small.state, small.reason) == (CopyState.SKIPPED, Reason.DEFERRED)
    assert 1 <= len(refused) <= 2  # the auditor may have it tried once more


async def trade_eth(world: World, quantity: str) -> None:
    """Trade on the master's long leg, however little."""
    fills = [(D(3000), abs(D(quantity)))]
    world.trade("ETHUSDT", quantity, position_idx=1, fills=fills)
    await world.settled()


async def test_a_large_close_is_split_by_the_market_lot(tmp_path: Path, autojump_clock: MockClock) -> None:
    cast = Cast(venue="binance", equity="50000000", settings={"sizing": fixed_ratio("10")})
    async with open_world(tmp_path, cast, master_equity="50000000") as world:
        world.trade("BTCUSDT", "30")
        await world.settled()
        opened = world.size("alice")
        world.close("BTCUSDT")
        await world.settled()
        closes = [row for row in world.core("alice").ledger.of("alice") if row.intent.reduce_only]

    assert opened == D(300)
    assert world.size("alice") == 0
    assert [row.filled for row in closes] == [D(100)] * 3


def set_multi_assets(world: World, *, on: bool) -> None:
    """Let alice switch her margin mode in the app."""
    account, feed = world.account("alice"), face(world).feed
    face(world).modes.switch_multi_assets(account, on=on)
    feed.tell(account, feed.events.multi_assets_changed(on=on))


async def test_all_assets_as_one_margin_stop_openings_and_no_exit(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    cast = attrs.evolve(alice(), settings={"sizing": mirror("1")})
    async with open_world(tmp_path, cast) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        set_multi_assets(world, on=True)
        await trio.sleep(5)
        world.trade("ETHUSDT", "1")
        world.close("BTCUSDT")
        await world.settled(timeout_s=120)
        sizes = world.size("alice"), world.size("alice", "ETHUSDT")
        reasons = {row.reason for row in world.copies("alice")}
        set_multi_assets(world, on=False)
        await trio.sleep(5)
        world.trade("ETHUSDT", "1")
        await world.settled(timeout_s=120)

    assert sizes == (D(0), D(0))
    assert Reason.EQUITY_UNKNOWN in reasons
    assert world.size("alice", "ETHUSDT") > 0


async def test_a_leverage_is_capped_by_the_tier_of_what_is_held(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    cast = Cast(venue="binance", equity="5000000", settings={"sizing": fixed_ratio("100")})
    async with open_world(tmp_path, cast, master_equity="500000") as world:
        world.trade("BTCUSDT", "0.3", leverage=D(100))
        await world.settled()

    assert world.size("alice") == D(30)
    assert world.account("alice").leverage("BTCUSDT") == D(75)


async def test_a_follower_that_crashed_is_not_misled_by_a_read_that_lags(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Its next life knew nothing but a read from before the opening, and opened once more."""
    async with open_world(tmp_path, Cast(venue="binance", hedge=True)) as world:
        face(world).states.replicas.lag_ms = face(world).queries.visible_after_ms = 1_500
        await trio.sleep(5)
        world.trade("BTCUSDT", "-0.1")
        await world.settled()
        world.engine.address("follower:alice").tell(CrashNow("a drill"))
        await trio.sleep(0.5)
        world.trade("BTCUSDT", "-0.01")
        await world.settled()

        assert world.size("alice", "BTCUSDT", 2) == D("-0.11")


async def test_openings_of_an_account_that_is_not_known_share_one_read_of_it(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had its own: three followers spent the minute's weight within half a minute."""
    async with open_world(tmp_path, alice(equity="100000")) as world:
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        asked = count_requests(world, monkeypatch)
        world.house("alice").server.drop_connections(account="alice", kind="private")
        for symbol, quantity in (("ETHUSDT", "1"), ("SOLUSDT", "10"), ("XRPUSDT", "1000")):
            world.trade(symbol, quantity)
        await world.settled()

        assert all(world.size("alice", symbol) for symbol in ("ETHUSDT", "SOLUSDT", "XRPUSDT"))
        assert asked["/fapi/v3/balance"] <= 3  # the copies' one, and the two of a stream that came up


def count_requests(world: World, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return what is asked by REST of alice's venue from now on, by path."""
    asked: Counter[str] = Counter()
    answer = face(world).answer

    async def counting(request: HttpRequest) -> HttpResponse:
        asked[request.path] += 1
        return await answer(request)

    monkeypatch.setattr(face(world), "answer", counting)
    return asked
