"""Every recorded message of Hyperliquid: read to the right value, or left for a reason told here."""

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from exchanges.errors import MalformedMessage, Refusal, RequestRejected
from exchanges.hyperliquid import wire
from exchanges.hyperliquid.catalogue import parse_catalogue
from exchanges.hyperliquid.codes import failure
from model.instrument import InstrumentStatus
from model.leg import Leg, Side
from model.order import OrderReport, OrderRequest, OrderState
from tests.exchanges.recorded import recorded_files

D = Decimal
READ = "read"
NOT_ASKED = "an answer to what the engine never asks"
A_REQUEST = "what a client sends"
BUILDERS = "of a builder's dex: left out"
WITHOUT_TIME = "refused: a state of 2023 says no time, and could not be told from an older one"


def read_state(data: Any) -> str:
    found = wire.parse_state(data)
    rows = {row["position"]["coin"]: row["position"] for row in data["assetPositions"]}
    assert {coin: row.size for coin, row in found.positions.items()} == {
        coin: D(row["szi"]) for coin, row in rows.items()
    }
    for coin, row in found.positions.items():
        assert row.leverage == rows[coin]["leverage"]["value"]
        assert row.initial_margin == D(rows[coin]["marginUsed"])
        assert found.cross[coin] is (rows[coin]["leverage"]["type"] == "cross")
    assert found.account_value == D(data["marginSummary"]["accountValue"])
    return READ


def read_subaccounts(data: Any) -> str:
    for sub in data:
        read_state(sub["clearinghouseState"])
        coins = {row["coin"]: row for row in sub["spotState"]["balances"]}
        assert wire.parse_spot(sub["spotState"]).total == D(coins["USDC"]["total"])
    return READ


def read_universe(data: Any) -> str:
    meta, contexts = data
    found = parse_catalogue(data)
    listed = [row for row in meta["universe"] if ":" not in row["name"]]
    assert set(found.assets) == {row["name"] for row in listed}
    for row, context in zip(meta["universe"], contexts, strict=False):
        if row in listed:
            asset = found.assets[row["name"]]
            assert asset.instrument.lot_size == D(1).scaleb(-row["szDecimals"])
            assert asset.instrument.max_leverage == row["maxLeverage"]
            delisted = asset.instrument.status is InstrumentStatus.CLOSED
            assert delisted is row.get("isDelisted", False)
            assert found.marks.get(row["name"]) == (context["markPx"] and D(context["markPx"]))
    return READ if listed else BUILDERS


def read_meta(data: Any) -> str:
    return read_universe([data, [{"markPx": "100"} for _ in data["universe"]]])


def read_fills(rows: Any) -> str:
    found = wire.parse_fills(rows)
    followed = [row for row in rows if wire.is_followed(row["coin"])]
    sides = {"B": 1, "A": -1}
    assert [(it.symbol, it.quantity * it.side_sign, it.price, it.order_id) for it in found] == [
        (row["coin"], D(row["sz"]) * sides[row["side"]], D(row["px"]), str(row["oid"])) for row in followed
    ]
    return READ


def read_order_update(data: Any) -> str:
    for row in data["data"]:
        found, order = wire.parse_order(row), row["order"]
        assert (found.quantity, found.rest) == (D(order["origSz"]), D(order["sz"]))
        assert found.report.client_order_id == order["cloid"].removeprefix("0x")
        assert found.report.state is STATES[row["status"]]
    return READ


STATES = {
    "open": OrderState.ACCEPTED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.ENDED,
    "minTradeNtlRejected": OrderState.REJECTED,
    "perpMarginRejected": OrderState.REJECTED,
}


def read_answer(answer: Any) -> str:
    status = answer["response"]["data"]["statuses"][0] if answer["status"] == "ok" else {}
    details: Any = next(iter(status.values()), "")
    cloid = details.get("cloid", "0x" + "0" * 32) if isinstance(details, dict) else ""
    order = OrderRequest(
        client_order_id=cloid.removeprefix("0x"),
        leg=Leg("ETH"),
        side=Side.BUY,
        quantity=D("0.02"),
        price=D(2000),
        reduce_only=False,
    )
    found = wire.parse_order_answer(answer, order, venue_time_ms=1)
    if isinstance(found, OrderReport):
        filled = D(details.get("totalSz", 0))
        assert (found.order_id, found.filled) == (str(details["oid"]), filled)
        assert found.average_price == (D(details["avgPx"]) if filled else None)
        return READ
    failed = failure(found, agent="0x4b6c5b1287e38b78e61d5dbca726d5e267eda747")
    assert isinstance(failed, RequestRejected)
    assert failed.refusal is next(refusal for part, refusal in REFUSALS.items() if part in found)
    return READ


REFUSALS = {
    "95% away": Refusal.PRICE,
    "minimum value of $10": Refusal.MIN_SIZE,
    "could not immediately match": Refusal.LIQUIDITY,
    "Insufficient margin": Refusal.MARGIN,
    "does not exist": Refusal.AUTH,
}


def read_rate_limit(data: Any) -> str:
    assert wire.parse_rate_limit(data) == (data["nRequestsCap"], data["nRequestsUsed"])
    return READ


def read_role(data: Any) -> str:
    role = wire.parse_role(data)
    assert role.name == data["role"]
    assert bool(role.master) is (role.name in ("agent", "subAccount"))
    return READ


def read_unknown_oid(data: Any) -> str:
    assert wire.parse_found_order(data, "0" * 32) is None
    return READ


def read_setting(data: Any) -> str:
    found = wire.parse_setting(data)
    assert found.leverage == data["leverage"]["value"]
    assert found.is_cross is (data["leverage"]["type"] == "cross")
    return READ


def read_post(data: Any) -> str:
    return read_answer(data["data"]["response"]["payload"])


def read_state_of_2023(data: Any) -> str:
    with pytest.raises(MalformedMessage, match="time"):
        wire.parse_state(data)
    assert read_state({**data, "time": 1}) == READ
    return WITHOUT_TIME


def left(reason: str) -> Callable[[Any], str]:
    return lambda data: reason


Reader = Callable[[Any], str]
UNASKED, REQUEST = left(NOT_ASKED), left(A_REQUEST)
READERS: dict[str, list[Reader]] = {
    "epigone_clearinghouse_state_whale.json": [read_state],
    "gitbook_exchange_examples.json": [*[read_answer] * 3, *[UNASKED] * 6],
    "gitbook_info_examples.json": [
        *[UNASKED] * 3,  # mids and open orders
        *[read_fills] * 2,
        read_rate_limit,
        read_unknown_oid,
        *[UNASKED] * 4,  # book, candles, builder fee, TWAP fills
        read_subaccounts,
        UNASKED,  # vaults
        *[read_role] * 4,
        *[UNASKED] * 7,  # referral, staking, borrowing
    ],
    "gitbook_perpetuals_examples.json": [
        UNASKED,
        read_meta,
        *[read_universe] * 2,
        read_state,
        *[UNASKED] * 3,
        *[read_setting] * 2,
        *[UNASKED] * 6,
    ],
    "gitbook_post_examples.json": [REQUEST, REQUEST, read_post],
    "pysdk_test_get_all_mids.json": [UNASKED],
    "pysdk_test_get_user_fills.json": [read_fills],
    "pysdk_test_get_user_state.json": [read_state_of_2023],
    "pysdk_test_user_rate_limit.json": [read_rate_limit],
    "pysdk_test_user_role.json": [read_role],
    "roq_json_create_order_ack.json": [read_answer] * 7,
    "roq_json_order_updates.json": [read_order_update] * 5,
    "roq_json_user_fills.json": [lambda data: read_fills(data["data"]["fills"])],
    "roq_testnet_meta_full.json": [read_meta],
}
"""What reads each message, in the file's order."""


def messages_of(held: Any) -> Iterable[Any]:
    """Return the messages of a file, without what its recorder put around them."""
    if not isinstance(held, list):
        return [held]
    return [row.get("response", row.get("message", row.get("json"))) for row in held]


def test_every_recorded_message_is_read_or_left_for_a_reason() -> None:
    files = recorded_files("hyperliquid")
    verdicts: Counter[str] = Counter()

    assert files.keys() == READERS.keys()
    for name, held in files.items():
        for read, message in zip(READERS[name], messages_of(held), strict=True):
            try:
                verdicts[read(message)] += 1
            except Exception as error:
                error.add_note(f"{name}: {str(message)[:300]}")
                raise

    assert verdicts[READ] >= 30
    assert verdicts[WITHOUT_TIME] == 1
