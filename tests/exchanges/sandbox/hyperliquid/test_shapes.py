"""What the sandbox says has the keys of what the venue was recorded to say."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from tests.exchanges.sandbox.hyperliquid.client import World, cloid, order

FOLDER = os.environ.get("COPYTRADER_RECORDINGS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="COPYTRADER_RECORDINGS names no folder of recordings")


def recorded(name: str) -> Any:
    return json.loads((Path(FOLDER) / "hyperliquid" / name).read_text())


def keys(row: object) -> set[str]:
    assert isinstance(row, dict)
    return set(row)


async def test_a_state(world: World, autojump_clock: MockClock) -> None:
    theirs = recorded("epigone_clearinghouse_state_whale.json")
    await world.order()
    ours = await world.info("clearinghouseState")
    position, their_position = (it["assetPositions"][0]["position"] for it in (ours, theirs))

    assert keys(ours) == keys(theirs)
    assert keys(ours["marginSummary"]) == keys(theirs["marginSummary"])
    assert keys(position) == keys(their_position)
    assert keys(position["cumFunding"]) == keys(their_position["cumFunding"])


async def test_updates_and_fills_and_answers(world: World, autojump_clock: MockClock) -> None:
    updates = {it["case"]: it["message"]["data"] for it in recorded("roq_json_order_updates.json")}
    fill = recorded("roq_json_user_fills.json")[0]["message"]["data"]["fills"][2]
    acks = {it["case"]: it["message"] for it in recorded("roq_json_create_order_ack.json")}
    async with world.socket(world.of("orderUpdates"), world.of("userFills")) as socket:
        filled = await world.act({"type": "order", "orders": [order(c=cloid(1))], "grouping": "na"})
        frames = {frame["channel"]: frame["data"] for frame in await socket.frames()}

    ours, theirs = frames["orderUpdates"], updates["create_filled"]
    assert [(keys(row), keys(row["order"]), row["status"]) for row in ours] == [
        (keys(row), keys(row["order"]), row["status"]) for row in theirs
    ]
    assert keys(frames["userFills"]["fills"][0]) == keys(fill)
    status, their_status = (
        it["response"]["data"]["statuses"][0]["filled"] for it in (filled, acks["success_filled"])
    )
    assert keys(status) == keys(their_status)


async def test_the_texts_of_refusals(world: World, autojump_clock: MockClock) -> None:
    theirs = {
        it["case"]: it["message"]["response"]["data"]["statuses"][0]
        for it in recorded("roq_json_create_order_ack.json")
        if it["message"]["status"] == "ok"
    }
    rows = {
        "failure_price": order(p="200000"),
        "failure_quantity": order(s="0.001", p="3000", a=1),
        "ioc_failed": order(s="1", p="100", a=2),
        "insufficient_margin": order(s="100", p="60000"),
    }
    ours = dict(zip(rows, await world.order(*rows.values()), strict=True))

    def words(status: dict[str, str]) -> str:
        return status["error"].partition(" asset=")[0]

    assert {case: words(status) for case, status in ours.items()} == {
        case: words(theirs[case]) for case in rows
    }


async def test_the_universe(world: World, autojump_clock: MockClock) -> None:
    theirs, (ours, contexts) = recorded("roq_testnet_meta_full.json"), await world.info("metaAndAssetCtxs")

    assert keys(ours) == keys(theirs)
    assert keys(ours["universe"][0]) == keys(theirs["universe"][0])
    assert keys(ours["marginTables"][0][1]) == keys(theirs["marginTables"][0][1])
    assert keys(contexts[0]) >= {"markPx", "midPx", "oraclePx", "funding", "openInterest", "impactPxs"}
