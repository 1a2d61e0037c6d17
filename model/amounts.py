"""Finite decimals from text, and rounding them to a lot or a tick.

Money, sizes and prices are Decimal in one fixed context; no float gets in (R6).
"""

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    InvalidOperation,
    Overflow,
    localcontext,
    setcontext,
)

ZERO = Decimal(0)
ONE = Decimal(1)

CONTEXT = Context(
    prec=50,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation, Clamped],
)


def use_money_context() -> None:
    """Make the money context this thread's own; every process calls it once at start."""
    setcontext(CONTEXT.copy())


def decimal_from_text(text: object) -> Decimal:
    """Return the finite decimal that ``text`` spells; raise ValueError for anything else.

    Floats, booleans, NaN, infinities, blanks and digit separators are refused.
    """
    if isinstance(text, bool) or not isinstance(text, (str, int, Decimal)):
        raise ValueError(f"not the text of a decimal: {text!r}")
    if isinstance(text, str) and ("_" in text or text != text.strip()):
        raise ValueError(f"not the text of a decimal: {text!r}")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not the text of a decimal: {text!r}") from None
    if not value.is_finite():
        raise ValueError(f"not a finite decimal: {text!r}")
    return value


def optional_decimal(text: object) -> Decimal | None:
    """Return None for an absent or blank text: the venues' way to say "unknown" (R21)."""
    return None if text is None or text == "" else decimal_from_text(text)


def format_decimal(value: Decimal) -> str:
    """Return plain digits without exponent or trailing zeros, as venues take them."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of ``step`` (> 0) that is <= ``value``."""
    return _to_step(value, step, ROUND_FLOOR)


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of ``step`` (> 0) that is >= ``value``."""
    return _to_step(value, step, ROUND_CEILING)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether ``value`` is a whole number of ``step``s."""
    return value % step == 0


def floor_ratio_to_step(numerator: Decimal, denominator: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of ``step`` <= numerator / denominator, for non-negative inputs.

    The quotient is never rounded first: a target that is a whole number of lots stays one.
    """
    if numerator < 0 or denominator <= 0 or step <= 0:
        raise ValueError("floor_ratio_to_step takes numerator >= 0, denominator > 0 and step > 0")
    return (numerator // (denominator * step)) * step


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        raise ValueError(f"a step is positive: {step}")
    with localcontext() as context:
        context.prec = 100
        whole = value // step
        rest = value % step
        if rest and rounding == ROUND_CEILING and value > 0:
            whole += 1
        elif rest and rounding == ROUND_FLOOR and value < 0:
            whole -= 1
        return whole * step
