"""Orders against the venue's rules: filters, legs, margin, reduce-only, time in force, flips."""

from decimal import Decimal

import attrs
import pytest
import trio

from exchanges.sandbox import (
    FaultKind,
    Liquidity,
    ListingStatus,
    OrderStatus,
    Reason,
    Refused,
    TimeInForce,
)
from exchanges.sandbox.events import Executed, OrderChanged, PositionChanged
from exchanges.sandbox.order import CancelCause
from tests.exchanges.sandbox.factories import BTC, buy, held, listen, make_venue, sell

D = Decimal


def refusal(venue, name, intent) -> Reason:
    with pytest.raises(Refused) as caught:
        venue.place(name, intent)
    return caught.value.reason


def test_a_market_order_fills_at_the_mark():
    venue = make_venue()

    order = venue.place("m", buy("0.01"))

    assert (order.status, order.average_price, order.fee) == (OrderStatus.FILLED, 60_000, D("0.33"))
    assert held(venue.account("m")) == {0: "0.01"}
    assert venue.balance("m").wallet == D("9999.67")


@pytest.mark.parametrize(
    ("intent", "reason"),
    [
        (attrs.evolve(buy("1"), symbol="NOPEUSDT"), Reason.SYMBOL),
        (buy("0"), Reason.QUANTITY_BELOW_MIN),
        (buy("-1"), Reason.QUANTITY_BELOW_MIN),
        (buy("0.0005"), Reason.QUANTITY_BELOW_MIN),
        (buy("0.0015"), Reason.QUANTITY),
        (buy("501"), Reason.QUANTITY_ABOVE_MAX),
        (buy("1191", "60000"), Reason.QUANTITY_ABOVE_MAX),
        (buy("0.01", "60000.05"), Reason.PRICE),
        (buy("0.01", "-1"), Reason.PRICE),
        (buy("0.001", "4999.9"), Reason.NOTIONAL_BELOW_MIN),
        (buy("2"), Reason.MARGIN),
        (buy("0.01", position_idx=1), Reason.POSITION_IDX),
        (sell("0.01", reduce_only=True), Reason.REDUCE_ONLY),
        (buy("0.01", client_order_id="x" * 37), Reason.CLIENT_ID),
        (buy("0.01", client_order_id="a b"), Reason.CLIENT_ID),
    ],
)
def test_what_breaks_a_rule_is_refused_and_changes_nothing(intent, reason):
    listing = attrs.evolve(make_venue().listing(BTC), min_notional=D(5))
    venue = make_venue()
    if reason is Reason.NOTIONAL_BELOW_MIN:
        venue.add_listing(listing, D(4999))
    events = listen(venue)

    assert refusal(venue, "m", intent) is reason

    assert (events, held(venue.account("m")), venue.balance("m").wallet) == ([], {}, 10_000)
    assert [row.status for row in venue.ledger] == ["refused"]


def test_a_closed_symbol_takes_no_orders():
    venue = make_venue()
    venue.add_listing(attrs.evolve(venue.listing(BTC), status=ListingStatus.CLOSED), D(60_000))

    assert refusal(venue, "m", buy("0.01")) is Reason.SYMBOL_CLOSED


def test_an_id_is_taken_once_and_a_refused_one_stays_free():
    venue = make_venue()
    assert refusal(venue, "m", buy("2", client_order_id="a")) is Reason.MARGIN

    venue.place("m", buy("0.01", client_order_id="a"))

    assert refusal(venue, "m", buy("0.01", client_order_id="a")) is Reason.CLIENT_ID_DUPLICATE
    venue.place("h", buy("0.01", position_idx=1, client_order_id="a"))
    assert venue.ledger.sent_twice() == {("m", "a"): 3}
    assert venue.ledger.accepted_twice() == {}
    assert held(venue.account("m")) == {0: "0.01"}


def test_margin_counts_fees_positions_and_resting_orders():
    venue = make_venue()
    venue.place("m", buy("0.8", "50000"))  # holds 4,000 and fees
    venue.place("m", buy("0.9"))  # 5,400 and fees

    assert refusal(venue, "m", buy("0.1")) is Reason.MARGIN
    venue.place("m", sell("0.9", reduce_only=True))


def test_leverage_decides_what_is_affordable():
    venue = make_venue()
    assert refusal(venue, "m", buy("2")) is Reason.MARGIN

    venue.set_leverage("m", BTC, D(20))

    assert venue.place("m", buy("2")).status is OrderStatus.FILLED
    with pytest.raises(Refused, match="margin"):
        venue.set_leverage("m", BTC, D(2))
    assert venue.account("m").leverage(BTC) == 20


@pytest.mark.parametrize(
    ("leverage", "reason"),
    [("10", Reason.LEVERAGE_UNCHANGED), ("101", Reason.LEVERAGE_TOO_HIGH), ("0.5", Reason.LEVERAGE)],
)
def test_leverage_has_rules(leverage, reason):
    venue = make_venue()

    with pytest.raises(Refused) as caught:
        venue.set_leverage("m", BTC, D(leverage))

    assert caught.value.reason is reason


def test_reduce_only_is_cut_to_the_position():
    venue = make_venue()
    venue.place("m", buy("0.01"))

    order = venue.place("m", sell("0.5", reduce_only=True))

    assert (order.quantity, order.status) == (D("0.01"), OrderStatus.FILLED)
    assert held(venue.account("m")) == {}
    assert refusal(venue, "m", sell("0.01", reduce_only=True)) is Reason.REDUCE_ONLY


def test_zero_with_both_flags_closes_the_leg():
    venue = make_venue()
    venue.place("m", buy("0.013"))

    order = venue.place("m", sell("0", reduce_only=True, close_on_trigger=True))

    assert (order.quantity, held(venue.account("m"))) == (D("0.013"), {})


def test_a_flip_closes_and_opens_in_one_fill():
    venue = make_venue()
    venue.place("m", buy("0.02"))
    events = listen(venue)

    venue.place("m", sell("0.05"))

    fill = next(event for event in events if isinstance(event, Executed)).fills[0]
    assert (fill.quantity, fill.closed, fill.leaves) == (D("0.05"), D("0.02"), 0)
    leg = venue.account("m").position(BTC)
    assert (leg.size, leg.entry_price, leg.seq) == (D("-0.03"), 60_000, fill.seq)
    assert leg.realised == -fill.fee * D("0.03") / D("0.05")


def test_a_flip_needs_margin_for_the_opened_part_only():
    venue = make_venue()
    venue.place("m", buy("1.5"))

    assert refusal(venue, "m", sell("3.2")) is Reason.MARGIN
    assert venue.place("m", sell("3.0")).status is OrderStatus.FILLED
    assert held(venue.account("m")) == {0: "-1.5"}


def test_hedged_legs_live_apart():
    venue = make_venue()
    venue.place("h", buy("0.02", position_idx=1))
    venue.place("h", sell("0.03", position_idx=2))

    assert held(venue.account("h")) == {1: "0.02", 2: "-0.03"}
    venue.place("h", sell("0.5", position_idx=1, reduce_only=True))
    venue.place("h", buy("0.5", position_idx=2))  # the closing side only closes, flag or not
    assert held(venue.account("h")) == {}
    assert refusal(venue, "h", buy("0.01")) is Reason.POSITION_IDX
    assert refusal(venue, "h", sell("0.01", position_idx=1)) is Reason.REDUCE_ONLY


def test_the_mode_switches_only_when_nothing_is_held_or_waits():
    venue = make_venue()
    venue.place("m", buy("0.01"))
    reasons = []
    for hedge in (False, True):
        with pytest.raises(Refused) as caught:
            venue.switch_mode("m", BTC, hedge=hedge)
        reasons.append(caught.value.reason)
    venue.close_position("m", BTC)
    resting = venue.place("m", buy("0.01", "50000"))
    with pytest.raises(Refused) as caught:
        venue.switch_mode("m", BTC, hedge=True)
    venue.cancel(resting)

    venue.switch_mode("m", BTC, hedge=True)

    assert [*reasons, caught.value.reason] == [
        Reason.MODE_UNCHANGED,
        Reason.POSITION_EXISTS,
        Reason.ORDERS_EXIST,
    ]
    assert venue.account("m").leg_indices(BTC) == (1, 2)
    assert venue.account("m").leg_indices("ETHUSDT") == (0,)


def test_a_thin_book_fills_a_part_and_cancels_the_rest():
    venue = make_venue()
    venue.set_liquidity(BTC, Liquidity(depth=D("0.004")))

    order = venue.place("m", buy("0.01"))

    assert (order.status, order.filled, order.leaves) == (OrderStatus.CANCELLED, D("0.004"), 0)
    assert order.cancel_cause is CancelCause.NO_LIQUIDITY


def test_an_empty_book_cancels():
    venue = make_venue()
    venue.set_liquidity(BTC, Liquidity(depth=D(0)))

    order = venue.place("m", buy("0.01"))

    assert (order.status, order.filled) == (OrderStatus.CANCELLED, 0)
    assert venue.account("m").open_orders == {}


def test_parts_without_a_gap_share_a_match_and_get_worse():
    venue = make_venue()
    venue.set_liquidity(BTC, Liquidity(fill_parts=3, part_slip_ticks=2))
    events = listen(venue)

    venue.place("m", buy("0.01"))

    executed = [event for event in events if isinstance(event, Executed)]
    rows = [[(fill.price, fill.quantity, fill.leaves) for fill in event.fills] for event in executed]
    assert rows == [
        [
            (60_000, D("0.003"), D("0.007")),
            (D("60000.2"), D("0.003"), D("0.004")),
            (D("60000.4"), D("0.004"), 0),
        ]
    ]
    assert len({fill.seq for event in executed for fill in event.fills}) == 1


def test_a_bounded_order_takes_only_what_is_within_its_limit():
    venue = make_venue()
    venue.set_liquidity(BTC, Liquidity(fill_parts=2, part_slip_ticks=10))

    order = venue.place("m", buy("0.01", "60000.5", time_in_force=TimeInForce.IOC))

    assert (order.status, order.filled) == (OrderStatus.CANCELLED, D("0.005"))


async def test_parts_with_a_gap_come_one_by_one(autojump_clock, nursery):
    venue = make_venue()
    nursery.start_soon(venue.run)
    venue.set_liquidity(BTC, Liquidity(fill_parts=3, part_gap_s=0.5))
    events = listen(venue)
    order = venue.place("m", buy("0.01"))
    seen = []
    for _ in range(3):
        seen.append((order.status, str(order.filled)))
        await trio.sleep(0.6)

    assert seen == [
        (OrderStatus.PARTLY_FILLED, "0.003"),
        (OrderStatus.PARTLY_FILLED, "0.006"),
        (OrderStatus.FILLED, "0.010"),
    ]
    assert len({event.seq for event in events if isinstance(event, Executed)}) == 3


async def test_a_leg_closed_between_parts_ends_a_reduction(autojump_clock, nursery):
    venue = make_venue()
    nursery.start_soon(venue.run)
    venue.place("m", buy("0.01"))
    venue.set_liquidity(BTC, Liquidity(fill_parts=2, part_gap_s=0.5))
    order = venue.place("m", sell("0.01", reduce_only=True))

    venue.trade("m", BTC, D("-0.005"), reduce_only=True)
    await trio.sleep(1)

    assert (order.status, order.filled) == (OrderStatus.CANCELLED, D("0.005"))
    assert held(venue.account("m")) == {}


def test_a_limit_rests_until_the_price_comes():
    venue = make_venue()
    events = listen(venue)
    order = venue.place("m", buy("0.01", "59000"))
    assert (order.status, order.resting) == (OrderStatus.NEW, True)
    assert [type(event) for event in events] == [OrderChanged, PositionChanged]

    venue.set_price(BTC, D("59000.1"))
    assert order.status is OrderStatus.NEW
    venue.set_price(BTC, D("58990"))

    assert order.status is OrderStatus.FILLED
    assert venue.account("m").fills[-1].is_maker
    assert venue.account("m").fills[-1].fee_rate == venue.maker_fee


@pytest.mark.parametrize(
    ("tif", "price", "cause"),
    [
        (TimeInForce.IOC, "59000", CancelCause.NO_LIQUIDITY),
        (TimeInForce.FOK, "60000", CancelCause.NO_LIQUIDITY),
        (TimeInForce.POST_ONLY, "60000", CancelCause.WOULD_TAKE),
    ],
)
def test_orders_that_cannot_have_their_terms_are_cancelled(tif, price, cause):
    venue = make_venue()
    venue.set_liquidity(BTC, Liquidity(depth=D("0.005")))

    order = venue.place("m", buy("0.01", price, time_in_force=tif))

    assert (order.status, order.filled, order.cancel_cause) == (OrderStatus.CANCELLED, 0, cause)


def test_a_resting_order_can_be_amended_and_cancelled():
    venue = make_venue()
    order = venue.place("m", buy("0.01", "50000"))

    venue.amend(order, quantity=D("0.02"), price=D("51000"))
    assert (order.quantity, order.limit, order.leaves) == (D("0.02"), 51_000, D("0.02"))
    with pytest.raises(Refused, match="margin"):
        venue.amend(order, quantity=D("100"))
    venue.amend(order, price=D("60000"))

    assert order.status is OrderStatus.FILLED
    for change in (venue.cancel, venue.amend):
        with pytest.raises(Refused, match="order_not_found"):
            change(order)


def test_a_limit_beyond_the_band_is_moved_to_it():
    venue = make_venue()

    order = venue.place("m", buy("0.01", "99000"))

    assert (order.limit, order.average_price) == (63_000, 60_000)


def test_a_reduction_that_has_become_void_is_cancelled_not_flipped():
    venue = make_venue()
    venue.place("m", buy("0.01"))
    resting = venue.place("m", sell("0.01", "61000", reduce_only=True))
    venue.close_position("m", BTC)

    venue.set_price(BTC, D(61_500))

    assert (resting.status, resting.cancel_cause) == (OrderStatus.CANCELLED, CancelCause.REDUCE_ONLY)
    assert held(venue.account("m")) == {}


def test_a_rejection_can_be_ordered():
    venue = make_venue()
    venue.faults.add(FaultKind.REJECT, account="m", count=1, code=110007, message="ab not enough")

    assert refusal(venue, "m", buy("0.01")) is Reason.INJECTED
    venue.place("m", buy("0.01"))

    assert [row.accepted for row in venue.ledger] == [False, True]


def test_a_read_only_key_sends_no_orders():
    venue = make_venue()
    venue.account("m").read_only = True

    with pytest.raises(Refused, match="read_only_key"):
        venue.place("m", buy("0.01"), via="rest")


def test_the_ledger_only_grows():
    venue = make_venue()
    venue.place("m", buy("0.01", client_order_id="a"), arrived_ns=7)
    mark = len(venue.ledger)
    venue.place("h", buy("0.02", position_idx=1, client_order_id="b"))

    assert [row.client_order_id for row in venue.ledger] == ["a", "b"]
    assert [row.client_order_id for row in venue.ledger.since(mark)] == ["b"]
    assert [row.number for row in venue.ledger.of("h")] == [1]
    row = venue.ledger.by_client_order_id("a")[0]
    assert (row.arrived_ns, row.filled, row.status) == (7, D("0.01"), "filled")
