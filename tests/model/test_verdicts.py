"""Why an order may not leave, in the words that `explain` shows (R9, R17)."""

from decimal import Decimal
from typing import Any

import pytest

from model.leg import Leg, PositionMode, Side
from model.reasons import Reason
from model.validation import OrderDraft, Verdict, check_order, minimum_order, worse_price
from tests.model.factories import BTC, make_instrument

D = Decimal
LONG = Leg("BTCUSDT", 1)


def judge(mark: str = "100", hedge: bool = False, instrument: Any = None, **draft: Any) -> Verdict | None:
    """Return the verdict on an opening of 1 BTC at 100, or on what is said of it."""
    facts: dict[str, Any] = {"leg": BTC, "side": Side.BUY, "quantity": D(1), "price": D(100)}
    facts |= {"reduce_only": False, "opens": True, "closes_all": False}
    mode = PositionMode.HEDGE if hedge else PositionMode.ONE_WAY
    found = make_instrument(**(instrument or {}))
    return check_order(OrderDraft(**facts | draft), found, mark=D(mark), mode=mode)


@pytest.mark.parametrize(
    ("facts", "reason", "words"),
    [
        ({"hedge": True}, Reason.POSITION_MODE_MISMATCH, "BTCUSDT:0 in hedge mode"),
        (
            {"reduce_only": True},
            Reason.POSITION_MODE_MISMATCH,
            "an order either opens or is reduce-only",
        ),
        (
            {"hedge": True, "leg": LONG, "side": Side.SELL},
            Reason.POSITION_MODE_MISMATCH,
            "sell on BTCUSDT:1",
        ),
        ({"quantity": D("0.10050")}, Reason.ROUNDED_TO_ZERO, "0.1005 in lots of 0.001"),
        (
            {"quantity": D("0.01"), "instrument": {"min_quantity": D("0.1")}},
            Reason.BELOW_MIN_QUANTITY,
            "0.01",
        ),
        ({"quantity": D("1000.5")}, Reason.ABOVE_MAX_QUANTITY, "1000.5 > 1000"),
        ({"price": D("100.05")}, Reason.PRICE_UNKNOWN, "no price of the venue: 100.05"),
        (
            {"price": D(106), "instrument": {"price_band": D("0.05")}},
            Reason.PRICE_MOVED,
            "beyond the venue's band: 106",
        ),
        ({"quantity": D("0.049")}, Reason.BELOW_MIN_NOTIONAL, "4.9"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_order(
    facts: dict[str, Any], reason: Reason, words: str
) -> None:
    assert judge(**facts) == Verdict(reason, words)


def test_the_largest_and_the_smallest_order_may_leave() -> None:
    assert judge(quantity=D(1000)) is None
    assert judge(quantity=D("0.05")) is None


@pytest.mark.parametrize(
    ("leg", "exempts_hedged", "is_refused"),
    [(BTC, False, False), (LONG, False, True), (LONG, True, False)],
    ids=["one_way", "hedged", "hedged_exempt"],
)
def test_a_small_reduction_of_a_hedged_leg_leaves_only_where_the_venue_exempts_it(
    leg: Leg, exempts_hedged: bool, is_refused: bool
) -> None:
    verdict = judge(
        leg=leg,
        hedge=leg is LONG,
        side=Side.SELL,
        quantity=D("0.01"),
        price=None,
        reduce_only=True,
        opens=False,
        instrument={"min_notional_exempts_hedged": exempts_hedged},
    )

    assert verdict == (Verdict(Reason.BELOW_MIN_NOTIONAL, "1") if is_refused else None)


def test_the_lower_of_two_known_prices_is_the_worse_one() -> None:
    assert worse_price(D("0.5"), D("0.6")) == D("0.5")
    assert worse_price(D("0.6"), D("0.5")) == D("0.5")
    assert worse_price(D(0), D(100)) == worse_price(None, D(100)) == 100
    assert worse_price(D(0), None) is None


def test_a_minimum_notional_of_one_counts_and_of_nothing_does_not() -> None:
    assert minimum_order(make_instrument(min_notional=D(1)), D(100)) == D("0.01")
    assert minimum_order(make_instrument(min_notional=D(0)), D(100)) == D("0.001")
