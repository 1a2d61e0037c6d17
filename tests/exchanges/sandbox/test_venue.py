"""Trading without a wire, funding, liquidation, prices, descriptions."""

from decimal import Decimal

import pytest
import trio

from exchanges.clock import TrioClock
from exchanges.sandbox import (
    FaultKind,
    FillKind,
    PriceWalk,
    Refused,
    SandboxDescription,
    SandboxVenue,
    build_venue,
    describe_account,
)
from exchanges.sandbox.events import Executed, OrderChanged, PositionChanged, PriceChanged, WalletChanged
from tests.exchanges.sandbox.factories import BTC, buy, held, listen, make_venue

D = Decimal
ORDER_OF_FRAMES = [Executed, OrderChanged, WalletChanged, PositionChanged]


def test_a_trade_says_fills_order_wallet_position():
    venue = make_venue()
    events = listen(venue)

    order = venue.trade("m", BTC, D("0.3"), fills=[(D(100), D("0.1")), (D(103), D("0.2"))])

    assert [type(event) for event in events] == ORDER_OF_FRAMES
    assert (order.average_price, order.filled) == (102, D("0.3"))
    executed, position = events[0], events[3].positions[0]
    assert [fill.leaves for fill in executed.fills] == [D("0.2"), 0]
    assert executed.seq == position.seq == events[1].seq
    assert position.entry_price == 102


def test_each_fill_may_have_its_own_frames():
    venue = make_venue()
    events = listen(venue)

    venue.trade("m", BTC, D(1), fills=[(D(100), D("0.1")), (D(103), D("0.2"))], one_frame=False)

    assert [type(event) for event in events] == ORDER_OF_FRAMES * 2
    assert events[4].seq > events[0].seq


@pytest.mark.parametrize(
    ("quantity", "reduce_only", "leg"), [("1", False, 1), ("-1", False, 2), ("-1", True, 1), ("1", True, 2)]
)
def test_a_hedged_trade_finds_its_leg(quantity, reduce_only, leg):
    venue = make_venue()
    venue.trade("h", BTC, D(2), position_idx=1)
    venue.trade("h", BTC, D(-2), position_idx=2)

    order = venue.trade("h", BTC, D(quantity), reduce_only=reduce_only)

    assert order.intent.position_idx == leg


def test_a_trade_may_set_the_leverage_and_is_cut_when_it_reduces():
    venue = make_venue()
    venue.trade("m", BTC, D("0.1"), leverage=D(5))

    order = venue.trade("m", BTC, D("-3"), reduce_only=True)

    assert (order.filled, held(venue.account("m"))) == (D("0.1"), {})
    assert venue.account("m").leverage(BTC) == 5
    with pytest.raises(Refused, match="reduce_only"):
        venue.trade("m", BTC, D("-3"), reduce_only=True)


def test_prices_move_equity_without_a_wallet_push():
    venue = make_venue()
    venue.trade("m", BTC, D("0.1"), price=D(60_000))
    events = listen(venue)

    venue.set_price(BTC, D(61_000))

    assert [type(event) for event in events] == [PriceChanged]
    assert venue.balance("m").unrealised == 100
    assert venue.balance("m").equity == 10_000 - D("3.3") + 100


def test_a_breach_of_maintenance_margin_liquidates_every_leg_and_cancels_orders():
    venue = make_venue()
    venue.trade("m", BTC, D("1.5"), price=D(60_000))
    resting = venue.place("m", buy("0.001", "50000"))
    events = listen(venue)

    venue.set_price(BTC, D("53900"))
    assert held(venue.account("m")) == {0: "1.5"}
    venue.set_price(BTC, D("53600"))

    assert held(venue.account("m")) == {}
    assert not resting.status.is_open
    last = venue.account("m").fills[-1]
    assert (last.kind, last.order.intent.client_order_id, last.price) == (FillKind.LIQUIDATION, "", 53_600)
    assert WalletChanged in [type(event) for event in events]


def test_funding_pays_and_is_no_trade():
    venue = make_venue()
    venue.trade("m", BTC, D("0.1"), price=D(60_000))
    venue.trade("h", BTC, D("-0.1"), price=D(60_000))
    before = {name: venue.balance(name).wallet for name in ("m", "h")}
    events = listen(venue)

    venue.fund(BTC, D("0.0001"))

    paid = {name: before[name] - venue.balance(name).wallet for name in ("m", "h")}
    assert paid == {"m": D("0.6"), "h": D("-0.6")}
    fill = next(event for event in events if isinstance(event, Executed)).fills[0]
    assert (fill.kind, fill.quantity, fill.signed_quantity) == (FillKind.FUNDING, D("0.1"), 0)
    assert held(venue.account("m")) == {0: "0.1"}


def test_sequences_grow_by_symbol_and_never_restart():
    venue = make_venue()
    seqs = [venue.next_seq(BTC) for _ in range(50)]

    assert seqs == sorted(set(seqs))
    assert len({venue.unique_id() for _ in range(1000)}) == 1000


async def test_a_seed_and_a_clock_repeat_a_run(autojump_clock):
    def run() -> list[object]:
        venue = make_venue(clock=TrioClock(), seed=5)
        order = venue.trade("m", BTC, D(1))
        return [order.order_id, order.seq, order.created_ms]

    assert run() == run()


async def test_the_walk_moves_prices_repeatably_and_stays_near(autojump_clock):
    async def run() -> list[Decimal]:
        venue = SandboxVenue()
        walk = PriceWalk(venue, seed=3, step_bp=20, span_bp=100)
        seen = []
        for _ in range(400):
            walk.step()
            seen.append(venue.mark(BTC))
        return seen

    first = await run()

    assert first == await run()
    assert len(set(first)) > 50
    assert max(first) < 66_000
    assert min(first) > 54_000
    venue = SandboxVenue()
    with trio.move_on_after(5):
        await PriceWalk(venue).run()
    assert venue.mark(BTC) != 60_000


def test_a_description_builds_a_venue():
    accounts = (describe_account("m", D(5000)), describe_account("f", D(100), hedge=True, read_only=True))
    venue = build_venue(SandboxDescription(accounts=accounts, prices={BTC: D(50_000)}))

    account = venue.account("f")
    assert (account.wallet, account.hedge, account.read_only) == (100, True, True)
    assert venue.prices() == {BTC: 50_000}
    assert venue.account_by_key(accounts[0].api_key) is venue.account("m")
    assert accounts[0].api_secret not in repr(accounts)
    assert (
        describe_account("m", D(1)).api_key
        == accounts[0].api_key
        != describe_account("m", D(1), seed=2).api_key
    )


def test_names_and_keys_are_unique():
    venue = make_venue()

    for name, key in (("m", "new"), ("new", "mk")):
        with pytest.raises(ValueError, match="already"):
            venue.add_account(name, api_key=key, api_secret="s", equity=D(1))


def test_faults_strike_where_and_as_often_as_they_should():
    faults = make_venue().faults
    one = faults.add(FaultKind.LOSE_ANSWER, account="a", endpoint="order.*", count=2)

    def strike(account: str, endpoint: str) -> bool:
        return faults.strike(FaultKind.LOSE_ANSWER, account=account, endpoint=endpoint) is not None

    assert [strike("b", "order.create"), strike("a", "auth")] == [False, False]
    assert [strike("a", "order.create") for _ in range(3)] == [True, True, False]
    assert (one.struck, faults.any) == (2, False)


def test_chance_is_seeded():
    def draws(seed: int) -> list[bool]:
        faults = make_venue(seed=seed).faults
        faults.add(FaultKind.DROP_FRAME, probability=0.3)
        return [faults.strike(FaultKind.DROP_FRAME) is not None for _ in range(200)]

    assert draws(1) == draws(1) != draws(2)
    assert 30 < sum(draws(1)) < 90


def test_delays_are_fixed_or_drawn():
    faults = make_venue().faults
    faults.add(FaultKind.DELAY_FILL, seconds=0.5, count=1)
    faults.add(FaultKind.DELAY_ANSWER, seconds=(1.0, 2.0))

    assert [faults.delay_s(FaultKind.DELAY_FILL) for _ in range(2)] == [0.5, 0.0]
    assert all(1.0 <= faults.delay_s(FaultKind.DELAY_ANSWER) <= 2.0 for _ in range(50))
    faults.clear()
    assert faults.delay_s(FaultKind.DELAY_ANSWER) == 0.0


async def test_a_fill_can_wait_after_the_order_is_taken(autojump_clock, nursery):
    venue = make_venue()
    nursery.start_soon(venue.run)
    venue.faults.add(FaultKind.DELAY_FILL, account="m", seconds=3.0)

    order = venue.place("m", buy("0.01"))

    assert order.filled == 0
    await trio.sleep(3.1)
    assert order.filled == D("0.01")


def test_a_partial_fill_can_be_ordered():
    venue = make_venue()
    venue.faults.add(FaultKind.PARTIAL_FILL, count=1, fraction=D("0.25"))

    assert venue.place("m", buy("0.01")).filled == D("0.002")
    assert venue.place("m", buy("0.01")).filled == D("0.01")
