"""The bound of an opening is on the venue's grid and inside the slippage (R9, R13)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.instrument import Instrument
from model.leg import Side
from model.prices import is_in_band, is_price, limit_price, price_step, within_band
from tests.model.factories import make_instrument

ticks = st.sampled_from([Decimal(text) for text in ("0.01", "0.1", "0.5", "0.00001", "10")])
references = st.decimals("20", "200000", places=6)
slippages = st.decimals("0", "0.2", places=4)
sides = st.sampled_from(Side)


def by_digits(decimals: int) -> Instrument:
    """Return an instrument of a venue that counts digits."""
    return make_instrument(tick_size=None, price_digits=5, price_decimals=decimals)


@given(references, sides, slippages, ticks.map(lambda tick: make_instrument(tick_size=tick)))
def test_by_ticks(reference: Decimal, side: Side, slippage: Decimal, instrument: Instrument) -> None:
    price = limit_price(reference, side, slippage, instrument)

    _is_inside_and_close(price, reference, side, slippage, instrument)


@given(st.decimals("0.01", "200000", places=6), sides, slippages, st.integers(0, 6).map(by_digits))
def test_by_digits(reference: Decimal, side: Side, slippage: Decimal, instrument: Instrument) -> None:
    price = limit_price(reference, side, slippage, instrument)

    if price <= 0:
        assert side is Side.BUY
        assert not is_price(price, instrument)
        return
    _is_inside_and_close(price, reference, side, slippage, instrument)
    if price % 1:
        assert len(price.normalize().as_tuple().digits) <= 5
        exponent = price.normalize().as_tuple().exponent
        assert isinstance(exponent, int)
        assert -exponent <= (instrument.price_decimals or 0)


def _is_inside_and_close(
    price: Decimal, reference: Decimal, side: Side, slippage: Decimal, instrument: Instrument
) -> None:
    bound = reference * (1 + side.sign * slippage)
    assert is_price(price, instrument)
    assert (bound - price) * side.sign >= 0
    assert abs(bound - price) < max(price_step(bound, instrument), price_step(price, instrument))


@pytest.mark.parametrize(
    ("price", "decimals", "taken"),
    [
        # Hyperliquid's own examples: szDecimals 0 and 1, so 6 and 5 decimals
        ("1234.5", 6, True),
        ("1234.56", 6, False),
        ("0.001234", 6, True),
        ("0.0012345", 6, False),
        ("0.01234", 5, True),
        ("0.012345", 5, False),
        ("123456", 1, True),
        ("12345.6", 1, False),
        ("0", 6, False),
        ("-1", 6, False),
    ],
)
def test_the_venues_own_examples(price: str, decimals: int, taken: bool) -> None:
    assert is_price(Decimal(price), by_digits(decimals)) is taken


@pytest.mark.parametrize(
    ("reference", "side", "bound"),
    [
        ("100", Side.BUY, "101"),
        ("100", Side.SELL, "99"),
        ("99.99", Side.BUY, "100.9"),
        ("99.99", Side.SELL, "99"),
    ],
)
def test_a_buy_is_rounded_down_and_a_sell_up(reference: str, side: Side, bound: str) -> None:
    assert limit_price(Decimal(reference), side, Decimal("0.01"), make_instrument()) == Decimal(bound)


def test_a_sell_that_is_rounded_up_into_the_next_decade_is_a_price() -> None:
    price = limit_price(Decimal("99999.7"), Side.SELL, Decimal(0), by_digits(1))

    assert price == 100_000
    assert is_price(price, by_digits(1))


def test_an_instrument_needs_steps_and_a_rule_for_prices() -> None:
    for wrong in ({"lot_size": Decimal(0)}, {"tick_size": Decimal(-1)}, {"leverage_step": Decimal(0)}):
        with pytest.raises(ValueError):
            make_instrument(**wrong)
    with pytest.raises(ValueError, match="no rule for prices"):
        make_instrument(tick_size=None)


@given(references, references, sides, slippages, ticks, st.decimals("0.001", "0.9", places=3))
def test_a_bound_is_cut_to_the_venues_band(
    reference: Decimal, mark: Decimal, side: Side, slippage: Decimal, tick: Decimal, band: Decimal
) -> None:
    instrument = make_instrument(tick_size=tick, price_band=band)
    bound = limit_price(reference, side, slippage, instrument)

    price = within_band(bound, side, mark, instrument)

    assert (price - bound) * side.sign <= 0, "never worse than the bound"
    assert (price - mark * (1 + band * side.sign)) * side.sign <= 0
    if price != bound:
        _is_inside_and_close(price, mark, side, band, instrument)


def test_without_a_band_or_a_mark_a_bound_stays() -> None:
    banded = make_instrument(price_band=Decimal("0.05"))

    assert within_band(Decimal(120), Side.BUY, Decimal(100), make_instrument()) == 120
    assert within_band(Decimal(120), Side.BUY, None, banded) == 120
    assert within_band(Decimal(120), Side.BUY, Decimal(100), banded) == 105
    assert within_band(Decimal(80), Side.SELL, Decimal(100), banded) == 95
    assert is_in_band(Decimal(120), None, banded)
    assert [is_in_band(Decimal(at), Decimal(100), banded) for at in (94, 95, 105, 106)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_band_holds_for_cheap_things_and_for_prices_that_are_counted_in_digits() -> None:
    cheap = make_instrument(tick_size=Decimal("0.001"), price_band=Decimal("0.05"))
    counted = make_instrument(tick_size=None, price_digits=5, price_band=Decimal("0.05"))
    half = Decimal("0.5")

    assert within_band(Decimal("0.53"), Side.BUY, half, cheap) == Decimal("0.525")
    assert within_band(Decimal("0.47"), Side.SELL, half, cheap) == Decimal("0.475")
    assert within_band(Decimal(140), Side.BUY, Decimal("123.457"), counted) == Decimal("129.62")
    assert not is_in_band(Decimal("0.53"), half, cheap)


def test_a_mark_of_nothing_bounds_nothing() -> None:
    banded = make_instrument(price_band=Decimal("0.05"))

    assert within_band(Decimal(120), Side.BUY, Decimal(0), banded) == 120
    assert is_in_band(Decimal(120), Decimal(0), banded)
