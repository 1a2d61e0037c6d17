"""Changes and settings come back as they went, and nothing else is taken."""

import json
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.change import Change
from model.ledger import LedgerRefused
from model.ledger.codec import (
    decode_change,
    decode_settings,
    dump_json,
    encode_change,
    encode_settings,
    load_json,
)
from model.leg import Leg
from model.settings import FollowerMode, FollowerSettings, Join, Limits, Repair, Sizing, SizingMode
from tests.model.ledger.factories import make_change

amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e18", max_value="1e18", places=12)
words = st.text(st.characters(codec="utf-8"), max_size=12)
times = st.integers(0, 2**53)
changes = st.builds(
    Change,
    change_id=words,
    leg=st.builds(Leg, words, st.sampled_from((0, 1, 2))),
    size_before=amounts,
    size_after=amounts,
    initial_margin=st.none() | amounts,
    leverage=st.none() | amounts,
    fill_price=st.none() | amounts,
    master_equity=st.none() | amounts,
    entry_price=st.none() | amounts,
    venue_time_ms=times,
    received_at_ms=times,
    seq=st.integers(-1, 2**53),
    episode_id=words,
    episode_began_ms=times,
    peak_size=amounts,
    peak_margin=st.none() | amounts,
    from_snapshot=st.booleans(),
    caught_up=st.booleans(),
)
symbols = st.frozensets(words, max_size=4)
settings = st.builds(
    FollowerSettings,
    name=words,
    exchange=words,
    sizing=st.builds(
        Sizing,
        mode=st.sampled_from(SizingMode),
        multiplier=amounts,
        margin_pct=st.none() | amounts,
        ratio=st.none() | amounts,
    ),
    limits=st.builds(
        Limits,
        max_leverage=st.none() | amounts,
        max_slippage=amounts,
        max_positions=st.none() | st.integers(0, 99),
        min_equity=st.none() | amounts,
        allow=st.none() | symbols,
        deny=symbols,
    ),
    join=st.sampled_from(Join),
    repair=st.sampled_from(Repair),
    mode=st.sampled_from(FollowerMode),
    round_up_to_minimum=st.booleans(),
    joined_at_ms=times,
    account=words,
)


@given(changes)
def test_a_change_comes_back_as_it_went(change: Change) -> None:
    assert decode_change(encode_change(change)) == change


@given(settings)
def test_settings_come_back_as_they_went(settings: FollowerSettings) -> None:
    assert decode_settings(encode_settings(settings)) == settings


@given(changes)
def test_no_amount_is_a_json_number(change: Change) -> None:
    numbers = {key for key, value in json.loads(encode_change(change)).items() if type(value) in (int, float)}

    assert numbers <= {"venue_time_ms", "received_at_ms", "seq", "episode_began_ms"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"size_after": 1.5},
        {"size_after": 15},
        {"size_after": "NaN"},
        {"size_after": "Infinity"},
        {"size_after": None},
        {"initial_margin": ""},
        {"seq": "1"},
        {"seq": True},
        {"seq": 1.0},
        {"caught_up": 0},
        {"change_id": 5},
        {"leg": {"symbol": "BTCUSDT", "position_idx": 3}},
        {"leg": "BTCUSDT:0"},
        {"surprise": "x"},
    ],
    ids=str,
)
def test_a_change_with_anything_wrong_is_refused(wrong: dict[str, object]) -> None:
    plain = json.loads(encode_change(make_change()))

    with pytest.raises(LedgerRefused, match="Change"):
        decode_change(json.dumps({**plain, **wrong}))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"size_after": 15}, "an amount is text: 15"), ({"seq": "1"}, "not int: '1'")],
)
def test_what_is_wrong_with_it_is_said(wrong: dict[str, object], words: str) -> None:
    plain = json.loads(encode_change(make_change()))

    with pytest.raises(LedgerRefused, match=words):
        decode_change(json.dumps({**plain, **wrong}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}"])
def test_text_that_is_no_change_is_refused(text: str) -> None:
    with pytest.raises(LedgerRefused):
        decode_change(text)


def test_settings_of_an_earlier_day_get_the_defaults_of_what_they_lack() -> None:
    assert decode_settings('{"name":"a","exchange":"bybit"}') == FollowerSettings(name="a", exchange="bybit")


def test_plain_values_are_dumped_and_others_refused() -> None:
    assert dump_json({"a": Decimal("1.50"), "b": Join.NOW, "c": frozenset({"y", "x"})}) == (
        '{"a":"1.5","b":"now","c":["x","y"]}'
    )
    for odd in (object(), float("nan"), b"x"):
        with pytest.raises(LedgerRefused):
            dump_json({"odd": odd})


def test_whatever_is_shown_is_plain_and_always_spelt_alike() -> None:
    names = [f"S{number}USDT" for number in range(20)]
    limits = FollowerSettings(name="a", exchange="bybit", limits=Limits(allow=frozenset(names)))

    assert load_json(dump_json(MappingProxyType({"a": Decimal("1E+2")}))) == {"a": "100"}
    assert load_json(dump_json(limits))["limits"]["allow"] == sorted(names)
    with pytest.raises(LedgerRefused, match="not to be kept as JSON: PurePosixPath PurePosixPath"):
        dump_json({"file": PurePosixPath("x")})


def test_text_that_is_not_json_is_told_as_that() -> None:
    with pytest.raises(LedgerRefused, match=r"^not JSON: Expecting"):
        load_json("{")
