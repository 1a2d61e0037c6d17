"""Rule R6 against fractions: exact targets, guarded steps."""

from decimal import Decimal
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.leg import ChangeClass
from model.reasons import Reason
from model.settings import Sizing, SizingMode
from model.sizing import Target, Unsizable, margin_pct_of, proportional_target, step_towards, target_of
from tests.model.factories import make_change

MIRROR = Sizing()
FIXED = Sizing(mode=SizingMode.FIXED_MARGIN, margin_pct=Decimal("0.1"))
RATIO = Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal("0.5"))

amounts = st.decimals("-1e9", "1e9", places=8)
money = st.decimals("1e-6", "1e9", places=6)
lots = st.sampled_from([Decimal(text) for text in ("0.00001", "0.001", "0.1", "1", "10")])


def exact(target: Target) -> Fraction:
    """Return the fraction that a target is."""
    return Fraction(target.numerator) / Fraction(target.denominator)


@given(amounts, money, money, money, money)
def test_each_mode_is_its_row_of_the_table(
    size: Decimal, equity: Decimal, margin: Decimal, master_equity: Decimal, peak: Decimal
) -> None:
    change = make_change("0", size, initial_margin=margin, master_equity=master_equity, peak_margin=peak)
    sizing = attrs.evolve(MIRROR, multiplier=Decimal("1.7"))

    mirror = target_of(change, sizing, equity=equity)
    fixed = target_of(change, FIXED, equity=equity)
    ratio = target_of(change, RATIO, equity=None)

    share = Fraction(sizing.multiplier) * Fraction(margin) / Fraction(master_equity)
    assert exact(mirror) == Fraction(size) * (Fraction(equity) * share / Fraction(margin))
    assert exact(fixed) == Fraction(size) * (Fraction(equity) * Fraction(1, 10) / Fraction(peak))
    assert exact(ratio) == Fraction(size) / 2


def test_fixed_margin_takes_its_share_at_the_fullest_and_shrinks_in_proportion() -> None:
    full = make_change("0", "2", peak_size=Decimal(2), peak_margin=Decimal(50))
    half = attrs.evolve(full, size_before=Decimal(2), size_after=Decimal(1), initial_margin=Decimal(31))

    targets = [target_of(change, FIXED, equity=Decimal(1000)) for change in (full, half)]

    assert [target.value for target in targets] == [4, 2]  # 100 of margin where the master has 50
    assert [margin_pct_of(change, FIXED) for change in (full, half)] == [Decimal("0.1")] * 2


def test_the_share_of_mirror_is_the_masters_times_the_multiplier() -> None:
    change = make_change("0", "5", initial_margin=Decimal(50), master_equity=Decimal(1000))

    assert margin_pct_of(change, Sizing(multiplier=Decimal(2))) == Decimal("0.1")
    assert margin_pct_of(change, RATIO) is None
    assert margin_pct_of(attrs.evolve(change, master_equity=Decimal(0)), MIRROR) is None


@pytest.mark.parametrize(
    ("sizing", "changed", "equity", "reason"),
    [
        (MIRROR, {"initial_margin": None}, 1, Reason.MARGIN_UNCONFIRMED),
        (MIRROR, {"initial_margin": Decimal(0)}, 1, Reason.MARGIN_UNCONFIRMED),
        (MIRROR, {"master_equity": None}, 1, Reason.MASTER_EQUITY_UNKNOWN),
        (MIRROR, {"master_equity": Decimal(-3)}, 1, Reason.MASTER_EQUITY_UNKNOWN),
        (MIRROR, {}, None, Reason.EQUITY_UNKNOWN),
        (MIRROR, {}, 0, Reason.EQUITY_NOT_POSITIVE),
        (MIRROR, {}, -5, Reason.EQUITY_NOT_POSITIVE),
        (FIXED, {"peak_margin": None}, 1, Reason.MARGIN_UNCONFIRMED),
        (FIXED, {}, None, Reason.EQUITY_UNKNOWN),
        (FIXED, {}, -5, Reason.EQUITY_NOT_POSITIVE),
        (attrs.evolve(FIXED, margin_pct=None), {}, 1, Reason.SIZING_INCOMPLETE),
        (attrs.evolve(RATIO, ratio=None), {}, 1, Reason.SIZING_INCOMPLETE),
    ],
)
def test_a_missing_input_has_its_reason(
    sizing: Sizing, changed: dict[str, Decimal | None], equity: int | None, reason: Reason
) -> None:
    change = make_change("0", "1", **changed)

    with pytest.raises(Unsizable) as caught:
        target_of(change, sizing, equity=None if equity is None else Decimal(equity))

    assert caught.value.reason is reason


@given(amounts, money, amounts, money, lots)
def test_targets_add_up_exactly_and_are_cut_towards_zero(
    a: Decimal, b: Decimal, c: Decimal, d: Decimal, lot: Decimal
) -> None:
    total = Target(a, b) + Target(c, d)

    whole = total.floor_lots(lot)

    assert exact(total) == Fraction(a) / Fraction(b) + Fraction(c) / Fraction(d)
    assert Fraction(whole) == int(exact(total) / Fraction(lot)) * Fraction(lot)


def test_a_third_of_three_lots_is_a_lot() -> None:
    third = Target(Decimal(1), Decimal(3))

    assert (third + third + third).floor_lots(Decimal(1)) == 1
    assert Target(Decimal(-7), Decimal(2)).floor_lots(Decimal(1)) == -3


@given(
    amounts,
    money,
    money,
    lots,
    st.sampled_from((1, -1)),
    st.sampled_from((ChangeClass.OPEN, ChangeClass.INCREASE)),
)
def test_an_increase_never_sells_and_ends_within_a_lot_below(
    goal: Decimal, divisor: Decimal, held: Decimal, lot: Decimal, direction: int, kind: ChangeClass
) -> None:
    target = Target(goal, divisor)

    step = step_towards(target, direction * held, change_class=kind, lot=lot, direction=direction)

    wanted = max(direction * exact(target), Fraction(held))
    assert step.increment * direction >= 0
    assert 0 <= wanted - Fraction(step.desired * direction) < Fraction(lot)
    assert step.increment % lot == 0


@given(amounts, money, st.decimals(0, "1e6", places=8), lots, st.sampled_from((1, -1)))
def test_a_reduction_never_buys_nor_crosses_zero_and_ends_within_a_lot_below(
    goal: Decimal, divisor: Decimal, held: Decimal, lot: Decimal, direction: int
) -> None:
    target = Target(goal, divisor)
    kind = ChangeClass.PARTIAL_CLOSE

    step = step_towards(target, direction * held, change_class=kind, lot=lot, direction=direction)

    left = Fraction(step.desired * direction)
    wanted = min(max(direction * exact(target), Fraction(0)), Fraction(held))
    assert step.increment * direction <= 0
    assert 0 <= left <= held
    assert 0 <= wanted - left < Fraction(lot)
    assert left == 0 or step.increment % lot == 0


@given(amounts, st.decimals(0, "1e6", places=8), lots, st.sampled_from((1, -1)))
def test_a_full_close_leaves_exactly_nothing(
    goal: Decimal, held: Decimal, lot: Decimal, direction: int
) -> None:
    step = step_towards(
        Target(goal), direction * held, change_class=ChangeClass.FULL_CLOSE, lot=lot, direction=direction
    )

    assert step.desired == 0
    assert step.increment == -direction * held


@given(amounts, amounts, amounts)
def test_a_proportion_never_grows_nor_changes_side(size: Decimal, before: Decimal, after: Decimal) -> None:
    shrunk = exact(proportional_target(size, before, after))

    assert 0 <= shrunk * (1 if size >= 0 else -1) <= abs(size)
    if before * after <= 0 and before:
        assert shrunk == 0
    elif before and abs(after) < abs(before):
        assert shrunk == Fraction(size) * Fraction(after) / Fraction(before)


def test_what_cannot_be_sized_says_why_in_words_too() -> None:
    assert str(Unsizable(Reason.EQUITY_UNKNOWN)) == Reason.EQUITY_UNKNOWN.value
