"""Our frames have every key of the recorded ones, with values of the same JSON type."""

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

FOLDER = os.environ.get("COPYTRADER_RECORDINGS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="COPYTRADER_RECORDINGS does not name the recordings")


def recorded(name: str) -> Iterator[dict[str, Any]]:
    yield from json.loads((Path(FOLDER) / "bybit" / name).read_text())["frames"]


def row_of(frames: list[dict[str, Any]], topic: str) -> dict[str, Any]:
    return next(frame for frame in frames if frame.get("topic") == topic)["data"][0]


def assert_like(ours: Any, theirs: Any, where: str) -> None:
    """Every key of theirs is in ours, of the same type; a list or null may stand for a blank text."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if where.endswith("cumFeeDetail"):
            return
        missing = theirs.keys() - ours.keys()
        assert not missing, f"{where}: {sorted(missing)}"
        for key in theirs:
            assert_like(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list):
        if theirs and ours:
            assert_like(ours[0], theirs[0], f"{where}[0]")
    elif not (where.endswith("extraFees") and ours == ""):
        assert type(ours) is type(theirs), f"{where}: {ours!r} is not like {theirs!r}"


PRIVATE_FILES = ["official_doc_examples_private_ws.json", "oneway_testnet_uta_202401.json"]


@pytest.mark.parametrize("name", PRIVATE_FILES)
async def test_private_frames(autojump_clock, world, name):
    async with world.private("order", "execution", "position", "wallet", "execution.fast") as socket:
        await world.order()
        ours = await socket.frames()
    checked = []
    for frame in recorded(name):
        message = frame["msg"]
        if frame["conn"] != "private" or "topic" not in message:
            continue
        mine = next(mine for mine in ours if mine["topic"] == message["topic"])
        assert_like(mine, message, message["topic"])
        checked.append(message["topic"])

    assert {"execution", "order", "wallet"} <= set(checked)


QUERIES = {
    "/v5/market/instruments-info": "category=linear&symbol=BTCUSDT",
    "/v5/position/list": "category=linear&symbol=BTCUSDT",
    "/v5/account/wallet-balance": "accountType=UNIFIED",
    "/v5/account/info": "",
    "/v5/order/realtime": "category=linear&symbol=BTCUSDT",
    "/v5/order/history": "category=linear",
    "/v5/execution/list": "category=linear",
    "/v5/user/query-api": "",
    "/v5/market/time": "",
    "/v5/position/symbol-info": "category=linear&symbol=BTCUSDT",
    "/v5/market/tickers": "category=linear&symbol=BTCUSDT",
}
OTHER_CATEGORIES = {"option", "spot"}
KEYS_WE_LEAVE_OUT = {"permissions", "userIDInt64", "inviterIDInt64", "affiliateIDInt64", "preListingInfo"}


def without(value: Any) -> Any:
    """Drop what this venue has no use for: option and spot permissions, pre-listing phases."""
    if isinstance(value, dict):
        return {key: without(inner) for key, inner in value.items() if key not in KEYS_WE_LEAVE_OUT}
    return [without(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", QUERIES)
async def test_rest_answers(autojump_clock, world, path):
    await world.order()
    await world.order(orderType="Limit", price="50000", timeInForce="GTC")
    ours = (await world.get(path, QUERIES[path])).body
    files = ["official_doc_examples_rest.json", "oneway_testnet_uta_202401.json"]
    frames = [frame["msg"] for name in files for frame in recorded(name) if frame["conn"] == f"rest:{path}"]
    theirs = [
        frame
        for frame in frames
        if frame["result"].get("category") not in OTHER_CATEGORIES
        and not any("symbolId" not in row for row in frame["result"].get("list", []) if "priceScale" in row)
    ]

    assert theirs
    for frame in theirs:
        assert_like(without(ours), without(frame), path)
        if path == "/v5/account/info":
            assert ours.keys() == frame.keys()


async def test_trade_answers(autojump_clock, world):
    async with world.socket("/v5/trade") as socket:
        auth = await socket.ask({"op": "auth", "args": world.auth_args("m")})
    async with world.trade() as socket:
        good = await socket.create()
        bad = await socket.create(qty="5")
    checked = 0
    for frame in recorded("trade_ws_acks_and_errors_202511.json"):
        message = frame["msg"]
        if message["op"] == "auth":
            assert auth.keys() == message.keys()
        else:
            mine = good if message["retCode"] == 0 else bad
            assert mine.keys() == message.keys()
            assert mine["header"].keys() == message["header"].keys()
            assert_like(mine, message, message["op"])
        checked += 1

    assert checked > 5


async def test_codes_and_texts(autojump_clock, world):
    """Recorded error bodies that our tests can provoke carry the same words."""
    texts = {
        (frame["msg"]["retCode"], frame["msg"]["retMsg"]) for frame in recorded("rest_error_bodies.json")
    }
    await world.order()
    leverage = {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "10", "sellLeverage": "10"}
    mode = {"category": "linear", "symbol": "BTCUSDT"}
    answers = [
        await world.post("/v5/position/set-leverage", leverage),
        await world.post("/v5/position/switch-mode", {**mode, "mode": 0}),
        await world.post("/v5/position/switch-mode", {**mode, "mode": 7}),
        await world.post("/v5/order/cancel", mode),
        await world.order(side="x"),
        await world.order(positionIdx=2),
        await world.order(qty="0"),
        await world.order(category="x"),
        await world.order(orderType="Limit", price="-1"),
        await world.order(reduceOnly=True),
    ]

    for answer in answers:
        assert (answer.code, answer.body["retMsg"]) in texts
    assert answers[0].body.keys() == {"retCode", "retMsg", "result", "retExtInfo", "time"}
    assert world.venue.account("m").size("BTCUSDT") == Decimal("0.01")
