"""Finite decimals from text, and rounding them to a lot or a tick.

Money, sizes and prices are Decimal in one fixed context; no float gets in (R6).
"""

from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    setcontext,
)

INT64 = range(-(2**63), 2**63)
"""What databases, and every honest venue, keep an integer within."""
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

EXACT = Context(
    prec=5_000,
    Emin=MIN_EMIN,
    Emax=MAX_EMAX,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation, Inexact],
)
"""For products and whole quotients that must not be rounded, whatever the thread's own context is."""

EXPONENT_MAX = 60
EXPONENT_MIN = -120
"""No amount of any market is beyond these powers of ten; a text that is would only cost memory."""


def use_money_context() -> None:
    """Make the money context this thread's own; every process calls it once at start."""
    setcontext(CONTEXT.copy())


def decimal_from_text(text: object) -> Decimal:
    """Return the finite decimal that ``text`` spells; raise ValueError for anything else.

    Floats, booleans, NaN, infinities, blanks, digit separators and absurd exponents are refused.
    """
    if isinstance(text, bool) or not isinstance(text, (str, int, Decimal)):
        raise ValueError(f"not the text of a decimal: {text!r}")
    if isinstance(text, str) and ("_" in text or text != text.strip()):
        raise ValueError(f"not the text of a decimal: {text!r}")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not the text of a decimal: {text!r}") from None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"not a finite decimal: {text!r}")
    if exponent < EXPONENT_MIN or max(exponent, value.adjusted()) > EXPONENT_MAX:
        raise ValueError("a decimal beyond any market's range")
    return value


def optional_decimal(text: object) -> Decimal | None:
    """Return None for an absent or blank text: the venues' way to say "unknown" (R21)."""
    return None if text is None or text == "" else decimal_from_text(text)


def positive_or_none(value: Decimal | None) -> Decimal | None:
    """Return ``value`` when it is known and > 0: what no price and no margin can be is unknown."""
    return value if value is not None and value > 0 else None


def format_decimal(value: Decimal) -> str:
    """Return plain digits without exponent or trailing zeros, as venues take them."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of ``step`` (> 0) that is <= ``value``."""
    return floor_ratio_to_step(value, ONE, step)


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of ``step`` (> 0) that is >= ``value``."""
    return ceil_ratio_to_step(value, ONE, step)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether ``value`` is a whole number of ``step``s."""
    return EXACT.remainder(value, step) == 0


def floor_ratio_to_step(numerator: Decimal, denominator: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of ``step`` (> 0) that is <= numerator / denominator (> 0).

    The quotient is never rounded first: a target that is a whole number of lots stays one.
    """
    whole, rest = _steps(numerator, denominator, step)
    return EXACT.multiply(EXACT.subtract(whole, ONE) if rest and numerator < 0 else whole, step)


def ceil_ratio_to_step(numerator: Decimal, denominator: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of ``step`` (> 0) that is >= numerator / denominator (> 0); exact."""
    whole, rest = _steps(numerator, denominator, step)
    return EXACT.multiply(EXACT.add(whole, ONE) if rest and numerator > 0 else whole, step)


def _steps(numerator: Decimal, denominator: Decimal, step: Decimal) -> tuple[Decimal, Decimal]:
    """Return the quotient in steps, cut towards zero, and what was cut off."""
    if step <= 0 or denominator <= 0:
        raise ValueError(f"a step and a denominator are positive: {step}, {denominator}")
    return EXACT.divmod(numerator, EXACT.multiply(denominator, step))
