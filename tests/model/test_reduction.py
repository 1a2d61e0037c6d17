"""What becomes of sizes that are too large, too small or too dear (R10)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.instrument import Instrument
from model.reasons import Reason
from model.reduction import PARTS_MAX, SHRINKS, plan_opening, plan_reduction, shrink_to_margin
from model.validation import maximum_order, minimum_order
from tests.model.factories import make_instrument

MARK = Decimal(100)
lots = st.sampled_from([Decimal(text) for text in ("0.001", "0.01", "0.3", "1")])


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    """Draw an instrument whose largest order is at least its smallest."""
    lot = draw(lots)
    least = lot * draw(st.integers(1, 20))
    return make_instrument(
        lot_size=lot,
        min_quantity=least,
        max_quantity=least + lot * draw(st.integers(0, 500)) + lot / 2,
        max_market_quantity=least + lot * draw(st.integers(0, 500)),
        min_notional=draw(st.sampled_from([Decimal(0), Decimal(5), Decimal(100)])),
        min_notional_exempts_reductions=draw(st.booleans()),
    )


@given(instruments(), st.integers(1, 5_000), st.none() | st.decimals("0.1", "5000", places=2), st.booleans())
def test_parts_of_an_opening_add_up_and_are_within_bounds(
    instrument: Instrument, count: int, mark: Decimal | None, round_up: bool
) -> None:
    quantity = instrument.lot_size * count

    parts, reason = plan_opening(quantity, instrument, mark=mark, round_up=round_up)

    most = maximum_order(instrument, market=False)
    assert most is not None
    assert all(instrument.min_quantity <= part <= most for part in parts)
    assert all(part % instrument.lot_size == 0 for part in parts)
    if reason is None and not round_up:
        assert sum(parts) == quantity
        assert most * (len(parts) - 1) < quantity
    elif reason is None:
        assert sum(parts) >= quantity
    elif reason is Reason.ABOVE_MAX_QUANTITY:
        assert sum(parts) == most * len(parts)
        assert len(parts) == PARTS_MAX or most < 2 * instrument.min_quantity
    else:
        assert not parts
        assert not round_up
        assert quantity < minimum_order(instrument, mark)


@given(instruments(), st.integers(1, 5_000), st.integers(0, 5_000), st.sampled_from((1, -1)))
def test_a_reduction_takes_at_least_what_is_asked_and_never_more_than_is_held(
    instrument: Instrument, held: int, left: int, sign: int
) -> None:
    size, desired = sign * instrument.lot_size * held, sign * instrument.lot_size * min(left, held)

    parts, reason = plan_reduction(size, desired, instrument, mark=MARK)

    most, taken = maximum_order(instrument, market=True), sum(parts, Decimal(0))
    assert most is not None
    assert all(instrument.min_quantity <= part <= most for part in parts)
    assert all(part % instrument.lot_size == 0 for part in parts)
    assert taken <= abs(size)
    remaining = abs(size) - taken
    if reason is None:
        assert remaining in (0, abs(desired))
        assert remaining == 0 or remaining >= minimum_order(instrument, MARK)
    elif reason is Reason.DEFERRED:
        assert not parts
        assert min(abs(size - desired), abs(size)) < minimum_order(instrument, MARK)
    else:
        assert reason is Reason.ABOVE_MAX_QUANTITY


@pytest.mark.parametrize(
    ("quantity", "instrument", "round_up", "parts", "reason"),
    [
        ("0.049", {}, False, (), Reason.BELOW_MIN_NOTIONAL),
        ("0.05", {}, False, ("0.05",), None),
        ("0.049", {}, True, ("0.051",), None),  # 5 of notional and 2 % for the venue's own price
        ("0.05", {"min_quantity": Decimal("0.2")}, False, (), Reason.BELOW_MIN_QUANTITY),
        ("0.05", {"min_quantity": Decimal("0.2")}, True, ("0.2",), None),
        ("7", {"max_quantity": Decimal(3)}, False, ("2.334", "2.333", "2.333"), None),
        ("7", {"max_quantity": Decimal("0.0005")}, False, (), Reason.ABOVE_MAX_QUANTITY),
    ],
)
def test_openings(
    quantity: str,
    instrument: dict[str, Decimal],
    round_up: bool,
    parts: tuple[str, ...],
    reason: Reason | None,
) -> None:
    plan = plan_opening(Decimal(quantity), make_instrument(**instrument), mark=MARK, round_up=round_up)

    assert plan == (tuple(map(Decimal, parts)), reason)


@pytest.mark.parametrize(
    ("size", "desired", "instrument", "parts", "reason"),
    [
        ("1", "0.4", {}, ("0.6",), None),
        ("-1", "-0.4", {}, ("0.6",), None),
        ("1", "0.049", {}, ("1",), None),  # what is left would be less than one minimum order
        ("1", "0.05", {}, ("0.95",), None),
        ("1", "0.999", {}, ("0.001",), None),  # exempt from the minimum notional
        ("1", "0.999", {"min_notional_exempts_reductions": False}, (), Reason.DEFERRED),
        ("0.01", "0", {"min_notional_exempts_reductions": False}, ("0.01",), None),  # closes everything
        ("1", "0.999", {"min_quantity": Decimal("0.002")}, (), Reason.DEFERRED),
        ("0.001", "0", {"min_quantity": Decimal("0.002")}, (), Reason.DEFERRED),
        ("1200", "0", {}, ("400", "400", "400"), None),
        ("1.0005", "0", {}, ("1",), Reason.DEFERRED),  # a part of a lot cannot be traded
        ("0.0005", "0", {}, (), Reason.DEFERRED),
        ("1.0005", "0.5", {}, ("0.501",), None),  # up to the lot
    ],
)
def test_reductions(
    size: str, desired: str, instrument: dict[str, object], parts: tuple[str, ...], reason: Reason | None
) -> None:
    plan = plan_reduction(Decimal(size), Decimal(desired), make_instrument(**instrument), mark=MARK)

    assert plan == (tuple(map(Decimal, parts)), reason)


def test_an_unknown_mark_holds_no_reduction_up() -> None:
    strict = make_instrument(min_notional_exempts_reductions=False)

    assert plan_reduction(Decimal(1), Decimal("0.999"), strict, mark=None) == ((Decimal("0.001"),), None)


@given(
    st.integers(1, 10**6),
    st.none() | st.decimals("-10", "1e6", places=2),
    st.none() | st.decimals("1", "100", places=0),
)
def test_each_refusal_for_margin_shrinks_further_and_three_are_the_end(
    count: int, available: Decimal | None, leverage: Decimal | None
) -> None:
    instrument = make_instrument()
    quantity = instrument.lot_size * count

    tries = [
        shrink_to_margin(quantity, n, instrument, available=available, price=MARK, leverage=leverage)
        for n in (1, 2, 3, 4)
    ]

    assert tries[3] is None
    kept = [smaller for smaller in tries if smaller is not None]
    assert all(0 < smaller < quantity for smaller in kept)
    assert kept == sorted(kept, reverse=True)
    if available is not None and leverage is not None:
        assert all(smaller * MARK <= available * leverage for smaller in kept)


def test_what_is_affordable_is_known_by_margin_and_leverage() -> None:
    instrument, quantity = make_instrument(max_quantity=Decimal(8)), Decimal(10)

    def shrunk(available: str | None, shrinks: int = 1) -> Decimal | None:
        margin = None if available is None else Decimal(available)
        return shrink_to_margin(
            quantity, shrinks, instrument, available=margin, price=MARK, leverage=Decimal(10)
        )

    assert shrunk("50") == 5 * SHRINKS[0]
    assert shrunk(None, 3) == quantity * SHRINKS[2]
    assert shrunk("1000") == 8  # one order's largest quantity
    assert shrunk("0.5") is None  # below the minimum notional
    assert shrunk("0") is None
    assert shrink_to_margin(quantity, 0, instrument, available=None, price=MARK, leverage=None) is None


def test_a_hedged_leg_may_be_no_exemption() -> None:
    """Its reductions carry no flag; one that closes everything is tried all the same."""
    unflagged = make_instrument(min_notional_exempts_hedged=False)

    def plan(desired: str, *, hedged: bool) -> object:
        return plan_reduction(Decimal(1), Decimal(desired), unflagged, mark=MARK, hedged=hedged)

    assert plan("0.999", hedged=True) == ((), Reason.DEFERRED)
    assert plan("0.999", hedged=False) == ((Decimal("0.001"),), None)
    assert plan("0", hedged=True) == ((Decimal(1),), None)
    unsaid = plan_reduction(Decimal(1), Decimal("0.999"), unflagged, mark=MARK)
    assert unsaid == plan("0.999", hedged=False)


@pytest.mark.parametrize(
    ("quantity", "mark", "parts"),
    [
        ("0.001", None, "0.001"),
        ("0.001", "0", "0.001"),
        ("0.001", "0.5", "10.2"),  # 5 of notional and 2 % at half a dollar
        ("0.001", "1000000", "0.001"),
    ],
)
def test_rounding_up_asks_for_the_minimum_at_any_price_and_at_none(
    quantity: str, mark: str | None, parts: str
) -> None:
    price = None if mark is None else Decimal(mark)

    plan = plan_opening(Decimal(quantity), make_instrument(), mark=price, round_up=True)

    assert plan == ((Decimal(parts),), None)


def test_one_minimum_quantity_that_is_worth_too_little_is_told_as_that() -> None:
    plan = plan_opening(Decimal("0.001"), make_instrument(), mark=MARK, round_up=False)

    assert plan == ((), Reason.BELOW_MIN_NOTIONAL)


def test_what_is_affordable_may_be_just_one_minimum_order_of_a_cheap_thing_or_without_a_largest() -> None:
    def shrunk(available: str, price: str, **instrument: Decimal) -> Decimal | None:
        return shrink_to_margin(
            Decimal(10),
            1,
            make_instrument(**instrument),
            available=Decimal(available),
            price=Decimal(price),
            leverage=Decimal(10),
        )

    assert shrunk("0.511", "100") == minimum_order(make_instrument(), MARK) == Decimal("0.05")
    assert shrunk("0.25", "0.5", min_notional=Decimal(1)) == Decimal("4.9")
    assert shrunk("1", "0") == Decimal("9.8"), "a price of nothing says nothing"
    assert shrunk("1000", "100", max_quantity=Decimal(0)) == Decimal("9.8")


@pytest.mark.parametrize(
    ("quantity", "largest", "parts", "reason"),
    [
        ("8", "4", ("4", "4"), None),  # the largest order is the smallest one too
        ("12", "5", ("4", "4", "4"), None),  # equal parts are just large enough
        ("11", "5", ("5", "5"), Reason.ABOVE_MAX_QUANTITY),  # and here they would be too small
        ("5", "5", ("5",), None),
    ],
)
def test_parts_are_never_smaller_than_the_venue_takes(
    quantity: str, largest: str, parts: tuple[str, ...], reason: Reason | None
) -> None:
    coarse = make_instrument(lot_size=Decimal(1), min_quantity=Decimal(4), max_quantity=Decimal(largest))

    plan = plan_opening(Decimal(quantity), coarse, mark=MARK, round_up=False)

    assert plan == (tuple(map(Decimal, parts)), reason)


@pytest.mark.parametrize("mark", [None, Decimal(0)])
def test_rounding_up_to_a_minimum_quantity_needs_no_price(mark: Decimal | None) -> None:
    coarse = make_instrument(min_quantity=Decimal("0.2"))

    assert plan_opening(Decimal("0.05"), coarse, mark=mark, round_up=True) == ((Decimal("0.2"),), None)
