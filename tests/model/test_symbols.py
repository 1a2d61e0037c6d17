"""One perpetual under the names of several venues."""

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.instrument import Instrument, InstrumentStatus
from model.symbols import SymbolIndex, SymbolMatch, Unit, is_same_price, unit_of

D = Decimal


def make_instrument(symbol: str, base: str, quote: str = "USDT") -> Instrument:
    return Instrument(
        exchange="test",
        symbol=symbol,
        base=base,
        quote=quote,
        lot_size=D(1),
        min_quantity=D(1),
        max_quantity=D(1000),
        max_market_quantity=D(1000),
        min_notional=D(5),
        min_notional_exempts_reductions=True,
        tick_size=D("0.1"),
        max_leverage=D(10),
        leverage_step=D(1),
    )


@pytest.mark.parametrize(
    ("base", "asset", "multiple"),
    [
        ("BTC", "BTC", 1),
        ("1000PEPE", "PEPE", 1000),
        ("SHIB1000", "SHIB", 1000),
        ("kSHIB", "SHIB", 1000),
        ("10000LADYS", "LADYS", 10_000),
        ("1000000MOG", "MOG", 1_000_000),
        ("1MBABYDOGE", "BABYDOGE", 1_000_000),
        ("1INCH", "1INCH", 1),
        ("KAITO", "KAITO", 1),
        ("SPX6900", "SPX6900", 1),
        ("100X", "100X", 1),
        ("X1000Y", "X1000Y", 1),
    ],
)
def test_a_base_tells_its_asset_and_how_many_of_it(base: str, asset: str, multiple: int) -> None:
    assert unit_of(base) == Unit(asset, D(multiple))


@pytest.mark.parametrize(
    ("master", "base", "theirs", "expected"),
    [
        ("BTCUSDT", "BTC", ("BTC", "BTC"), SymbolMatch("BTC", D(1))),
        ("1000PEPEUSDT", "1000PEPE", ("kPEPE", "kPEPE"), SymbolMatch("kPEPE", D(1))),
        ("SHIB1000USDT", "SHIB1000", ("kSHIB", "kSHIB"), SymbolMatch("kSHIB", D(1))),
        ("1000TURBOUSDT", "1000TURBO", ("TURBO", "TURBO"), SymbolMatch("TURBO", D(1000))),
        ("DOGSUSDT", "DOGS", ("kDOGS", "kDOGS"), SymbolMatch("kDOGS", D("0.001"))),
        ("ETHUSDT", "ETH", ("BTC", "BTC"), None),
    ],
)
def test_symbols_meet_by_asset_and_multiple(
    master: str, base: str, theirs: tuple[str, str], expected: SymbolMatch | None
) -> None:
    index = SymbolIndex({theirs[0]: make_instrument(*theirs, quote="USDC")})

    assert index.match(make_instrument(master, base), {}) == expected


def test_the_same_quote_and_multiple_win() -> None:
    catalogue = [
        make_instrument("PEPEUSDT", "PEPE"),
        make_instrument("1000PEPEUSDC", "1000PEPE", "USDC"),
        make_instrument("1000PEPEUSDT", "1000PEPE"),
        make_instrument("PEPEBTC", "PEPE", "BTC"),
    ]
    index = SymbolIndex({it.symbol: it for it in catalogue})

    assert index.match(make_instrument("1000PEPEUSDT", "1000PEPE"), {}) == SymbolMatch("1000PEPEUSDT", D(1))


def test_what_is_traded_wins_over_what_is_closed_and_the_quote_over_both() -> None:
    """A venue that changes a contract's multiple lists the old one on for a while."""
    closed = attrs.evolve(make_instrument("1000PEPEUSDT", "1000PEPE"), status=InstrumentStatus.CLOSED)
    traded = make_instrument("PEPEUSDT", "PEPE")
    elsewhere = make_instrument("1000PEPEUSDC", "1000PEPE", "USDC")
    master = make_instrument("1000PEPEUSDT", "1000PEPE")

    def match(*listed: Instrument) -> str:
        found = SymbolIndex({it.symbol: it for it in listed}).match(master, {})
        assert found is not None
        return found.symbol

    assert match(closed, traded) == "PEPEUSDT"
    assert match(closed, elsewhere) == "1000PEPEUSDT"


def test_another_quote_currency_is_another_contract() -> None:
    index = SymbolIndex({"BTCEUR": make_instrument("BTCEUR", "BTC", "EUR")})

    assert index.match(make_instrument("BTCUSDT", "BTC"), {}) is None


def test_the_operators_word_wins_over_names_and_may_be_that_there_is_none() -> None:
    index = SymbolIndex({it: make_instrument(it, it, "USDC") for it in ("NEIRO", "kNEIRO", "BTC")})
    master = make_instrument("1000NEIROCTOUSDT", "1000NEIROCTO")

    assert index.match(master, {}) is None
    assert index.match(master, {master.symbol: "kNEIRO"}) == SymbolMatch("kNEIRO", D(1))
    assert index.match(make_instrument("BTCUSDT", "BTC"), {"BTCUSDT": ""}) is None


@given(
    price=st.decimals("0.0001", "100000", places=4),
    factor=st.sampled_from([D(1), D(1000), D("0.001")]),
    off=st.decimals("-0.0499", "0.0499", places=4),
)
def test_prices_of_the_same_thing_are_near_whatever_the_multiple(
    price: Decimal, factor: Decimal, off: Decimal
) -> None:
    mark = price * (1 + off) / factor

    assert is_same_price(price, mark, factor)
    assert not is_same_price(price, mark * 1000, factor)
    assert not is_same_price(price, mark / 1000, factor)


def test_an_unknown_price_confirms_nothing() -> None:
    assert not is_same_price(None, D(1), D(1))
    assert not is_same_price(D(1), None, D(1))
    assert not is_same_price(D(0), D(0), D(1))


@given(st.sampled_from(["1000", "10000", "1M", "k", ""]), st.text("ABCXYZ", min_size=2, max_size=6))
def test_matching_is_mutual(prefix: str, asset: str) -> None:
    one = make_instrument("ONE", prefix + asset)
    other = attrs.evolve(make_instrument("OTHER", asset), quote="USDC")

    there = SymbolIndex({"OTHER": other}).match(one, {})
    back = SymbolIndex({"ONE": one}).match(other, {})

    assert there is not None
    assert back is not None
    assert there.factor * back.factor == 1


def test_prices_apart_by_a_twentieth_are_still_of_one_thing() -> None:
    assert is_same_price(D(100), D(105), D(1))
    assert is_same_price(D(100), D(95), D(1))
    assert not is_same_price(D(100), D("105.01"), D(1))
