"""Every recorded message of Binance: read to the right value, or left for a reason told here."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from exchanges.binance.events import LeverageChanged, MultiAssetsChanged, parse_event
from exchanges.binance.wire import parse_position
from model.account import Execution, WalletReport
from model.leg import Leg, Side
from model.order import OrderReport, OrderState
from tests.exchanges.recorded import recorded_files

D = Decimal
READ = "read"
NOT_ASKED = "an answer to what the engine never asks: fills come with the order's own answer"
CREDITS = "the account is in credits mode: what it holds in USDT stays unknown, and nothing is opened"
IDXS = {"BOTH": 0, "LONG": 1, "SHORT": 2}


def read_positions(rows: Any) -> str:
    found = [parse_position(row, read_at_ms=7) for row in rows]
    assert [(it.leg, it.size, it.mark_price) for it in found if it is not None] == [
        (Leg(row["symbol"], IDXS[row["positionSide"]]), D(row["positionAmt"]), D(row["markPrice"]))
        for row in rows
    ]
    assert [it.entry_price for it in found if it] == [D(row["entryPrice"]) or None for row in rows]
    return READ


def read_trade_lite(frame: Any) -> str:
    (fill,) = parse_event(frame)
    assert isinstance(fill, Execution)
    assert (fill.quantity * fill.side_sign, fill.price) == (D(frame["l"]), D(frame["L"]))
    assert (fill.order_id, fill.execution_id) == (str(frame["i"]), str(frame["t"]))
    assert (fill.client_order_id, fill.position_idx) == (frame["c"], None)
    return READ


def read_account(frame: Any) -> str:
    wallet, rows = parse_event(frame)
    assert isinstance(rows, tuple)
    assert isinstance(wallet, WalletReport)
    assert [(row.leg, row.size) for row in rows] == [
        (Leg(row["s"], IDXS[row["ps"]]), D(row["pa"])) for row in frame["a"]["P"]
    ]
    assert wallet.wallet_balance == D(frame["a"]["B"][0]["wb"])
    return READ


def read_credits(frame: Any) -> str:
    assert frame["a"]["B"][0]["a"] == "BNFCR"
    assert parse_event(frame) == ()
    return CREDITS


def read_order(frame: Any) -> str:
    (report,) = parse_event(frame)
    order = frame["o"]
    assert isinstance(report, OrderReport)
    assert (report.leg, report.state) == (Leg(order["s"], IDXS[order["ps"]]), OrderState.ACCEPTED)
    assert (report.client_order_id, report.order_id) == (order["c"], str(order["i"]))
    assert (report.filled, report.average_price, report.side) == (0, None, Side[order["S"]])
    return READ


def read_leverage(frame: Any) -> str:
    assert parse_event(frame) == (LeverageChanged(frame["ac"]["s"], D(frame["ac"]["l"])),)
    return READ


def read_margin_mode(frame: Any) -> str:
    assert parse_event(frame) == (MultiAssetsChanged(frame["ai"]["j"]),)
    return READ


READERS: dict[str, list[Callable[[Any], str]]] = {
    "nautilus_docderived_http_positions_v2_hedge.json": [read_positions],
    "nautilus_docderived_http_positions_v2_one_way.json": [read_positions],
    "nautilus_http_user_trades_2022-02.json": [lambda rows: NOT_ASKED],
    "nautilus_ws_account_update_bnfcr_2026-06.json": [read_credits],
    "nautilus_ws_trade_lite_2024-09.json": [read_trade_lite],
    "unicornfy_ws_user_2021-04.json": [read_account, read_order, read_leverage, read_margin_mode],
}
"""What reads each message, in the file's order."""


def test_every_recorded_message_is_read_or_left_for_a_reason() -> None:
    files = recorded_files("binance")
    verdicts: Counter[str] = Counter()

    assert files.keys() == READERS.keys()
    for name, held in files.items():
        messages = held if "_ws_user_" in name else [held]
        for read, message in zip(READERS[name], messages, strict=True):
            try:
                verdicts[read(message)] += 1
            except Exception as error:
                error.add_note(f"{name}: {str(message)[:300]}")
                raise

    assert verdicts == {READ: 7, NOT_ASKED: 1, CREDITS: 1}
