"""Decimals from text, and exact steps."""

from decimal import Decimal, FloatOperation, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.amounts import (
    ZERO,
    ceil_ratio_to_step,
    ceil_to_step,
    decimal_from_text,
    floor_ratio_to_step,
    floor_to_step,
    format_decimal,
    is_multiple,
    optional_decimal,
    positive_or_none,
)

values = st.decimals("-1e18", "1e18", places=12)
positive = st.decimals("1e-12", "1e12", places=12)
steps = st.sampled_from([Decimal(text) for text in ("0.00001", "0.001", "0.1", "0.25", "1", "3", "1000")])


@pytest.mark.parametrize("text", ["1", "-0.50", "1e3", "0", 7, Decimal("2.5"), "1E-120", "9e60"])
def test_text_of_a_finite_decimal_is_taken(text: object) -> None:
    assert decimal_from_text(text) == Decimal(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1_000", "abc", "NaN", "sNaN", "Infinity", "-inf", "0x1"),
        *("1e61", "1e999999", "1e-121", "0e-999999", "0e999999", "1" * 62),
        *(1.5, True, None, b"1", []),
    ],
)
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        decimal_from_text(text)


@given(st.text() | st.floats() | st.integers() | st.none())
def test_garbage_is_refused_with_a_value_error_or_is_a_finite_decimal(text: object) -> None:
    try:
        value = decimal_from_text(text)
    except ValueError:
        return

    assert value.is_finite()


def test_blank_is_unknown_and_not_zero() -> None:
    assert optional_decimal("") is None
    assert optional_decimal(None) is None
    assert optional_decimal("0") == 0
    assert [positive_or_none(value) for value in (None, ZERO, Decimal(-1), Decimal(2))] == [
        None,
        None,
        None,
        2,
    ]


@given(values)
def test_formatted_text_is_plain_and_spells_the_same(value: Decimal) -> None:
    text = format_decimal(value)

    assert decimal_from_text(text) == value
    assert not set(text) - set("-0123456789.")
    assert "." not in text or not text.endswith(("0", "."))


@given(values, positive, steps)
def test_ratios_go_to_the_step_below_and_above_without_a_rounding_between(
    numerator: Decimal, denominator: Decimal, step: Decimal
) -> None:
    below = floor_ratio_to_step(numerator, denominator, step)
    above = ceil_ratio_to_step(numerator, denominator, step)

    exact = Fraction(numerator) / Fraction(denominator)
    assert Fraction(below) == exact // Fraction(step) * Fraction(step)
    assert Fraction(above) == -(-exact // Fraction(step)) * Fraction(step)


@given(values, steps)
def test_steps_do_not_depend_on_the_threads_context(value: Decimal, step: Decimal) -> None:
    with localcontext() as context:
        context.prec = 3
        below, above = floor_to_step(value, step), ceil_to_step(value, step)

    assert (below, above) == (floor_to_step(value, step), ceil_to_step(value, step))
    assert is_multiple(below, step)
    assert is_multiple(value, step) is (below == above)


@pytest.mark.parametrize("wrong", [ZERO, Decimal(-1)])
def test_a_step_is_positive(wrong: Decimal) -> None:
    with pytest.raises(ValueError):
        floor_to_step(Decimal(1), wrong)
    with pytest.raises(ValueError):
        ceil_ratio_to_step(Decimal(1), wrong, Decimal(1))


def test_a_float_that_meets_money_is_stopped() -> None:
    tenth = 0.1
    with pytest.raises(FloatOperation):
        Decimal(tenth)
    with pytest.raises(FloatOperation):
        _ = Decimal(1) < 0.5
    with pytest.raises((FloatOperation, TypeError)):
        floor_to_step(0.3, Decimal("0.1"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (1.5, r"not the text of a decimal: 1\.5"),
        ("1_000", "not the text of a decimal: '1_000'"),
        ("one", "not the text of a decimal: 'one'"),
        ("NaN", "not a finite decimal: 'NaN'"),
        ("1e99999", "^a decimal beyond any market's range$"),
    ],
)
def test_what_is_no_amount_is_told_as_it_was_written(text: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decimal_from_text(text)


def test_a_step_of_nothing_is_told_with_what_was_given() -> None:
    with pytest.raises(ValueError, match="a step and a denominator are positive: 0, 1"):
        floor_to_step(Decimal(5), ZERO)
