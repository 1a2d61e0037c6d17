"""Recorded and documented Bybit frames, read by the codec and paired."""

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from exchanges.bybit.wire import parse_frame
from model.account import Execution, PositionReport
from model.leg import HEDGE_LONG, Leg, PositionMode
from model.pairing import Pairing
from tests.model.master_session import feed

FOLDER = os.environ.get("COPYTRADER_RECORDINGS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="COPYTRADER_RECORDINGS does not name the recordings")


def frames_of(file: str, topic: str) -> Iterator[Any]:
    recorded = json.loads((Path(FOLDER) / "bybit" / file).read_text())
    for entry in recorded["frames"]:
        if entry["msg"].get("topic") == topic:
            yield from parse_frame(entry["msg"], json.dumps(entry["msg"]))


def answer(fill: Execution, leg: Leg, before: str) -> PositionReport:
    """Return the position row that the venue sends after a fill."""
    return PositionReport(
        leg=leg,
        size=Decimal(before) + fill.quantity * fill.side_sign,
        entry_price=fill.price,
        leverage=Decimal(10),
        initial_margin=Decimal(5),
        mark_price=fill.price,
        seq=fill.seq,
        venue_time_ms=fill.venue_time_ms + 2,
    )


def test_a_recorded_market_buy_pairs_with_its_row() -> None:
    ((fill,),) = frames_of("oneway_testnet_uta_202401.json", "execution")
    pairing = Pairing({}, wait_s=1.0)

    (change,) = feed(pairing, [(fill,), (answer(fill, Leg("BTCUSDT"), "0"),)])

    assert change.size_after == Decimal("0.001")
    assert change.fill_price == fill.price
    assert not change.from_snapshot


def test_a_recorded_close_in_hedge_mode_is_of_the_long_leg() -> None:
    """The documented flat row of leg 2 tells the mode; the documented fill sells 0.5 and closes 0.5."""
    ((flat,),) = frames_of("official_doc_examples_private_ws.json", "position")
    ((fill,),) = frames_of("official_doc_examples_private_ws.json", "execution")
    long = Leg("BTCUSDT", HEDGE_LONG)
    pairing = Pairing({}, wait_s=1.0)
    held = attrs.evolve(answer(fill, long, "1"), size=Decimal("0.5"), seq=fill.seq - 9)
    feed(pairing, [(flat,), (held,)])
    pairing.expire(now=1.0)

    (change,) = feed(pairing, [(fill,), (answer(fill, long, "0.5"),)], now=2.0)

    assert pairing.mode("BTCUSDT") is PositionMode.HEDGE
    assert (change.leg, change.size_before, change.size_after) == (long, Decimal("0.5"), Decimal(0))
    assert change.fill_price == fill.price
    assert not change.from_snapshot
