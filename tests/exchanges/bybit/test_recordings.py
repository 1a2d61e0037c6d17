"""Every recorded frame of Bybit, every file: read to the right value, or refused for a reason told here."""

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio

from exchanges.bybit.catalogue import parse_instrument
from exchanges.bybit.codes import Asked, failure
from exchanges.bybit.key_rights import parse_key
from exchanges.bybit.marks import parse_ticker_frame
from exchanges.bybit.rest import Answer, VenueClock
from exchanges.bybit.session import Session
from exchanges.bybit.signing import Signer
from exchanges.bybit.stream import read_events
from exchanges.bybit.wire import (
    parse_execution,
    parse_order,
    parse_order_ack,
    parse_position,
    parse_wallet,
    whole,
)
from exchanges.clock import SystemClock
from exchanges.errors import MalformedMessage, OutcomeUnknown, Refusal, RequestNotSent, RequestRejected
from exchanges.port import Credentials, Heard, Unreadable
from model.account import WalletReport
from model.leg import Leg, Side
from model.order import OrderReport, OrderRequest, OrderState
from tests.exchanges.recorded import recorded_files

Message = dict[str, Any]
D = Decimal

READ = "read"
NOT_FOLLOWED = "another category or coin than USDT perpetuals"
WITHOUT_KIND = "execution.fast does not tell liquidations from trades, and is never subscribed"
A_REQUEST = "what a client sends"
NOT_ASKED = "an answer to what the engine never asks"


def is_followed(row: Message) -> bool:
    return row.get("category", "linear") == "linear" and str(row["symbol"]).endswith("USDT")


def amount(text: str) -> Decimal:
    return D(text or "0")


def read_execution(row: Message) -> str:
    fill = parse_execution(row)
    if fill is None:
        assert not is_followed(row) or row["execType"] == "Funding"
        return NOT_FOLLOWED
    signed = fill.quantity * fill.side_sign
    assert signed == D(row["execQty"]) * (1 if row["side"] == "Buy" else -1)
    assert (fill.price, fill.execution_id) == (D(row["execPrice"]), row["execId"])
    assert (fill.order_id, fill.client_order_id) == (row["orderId"], row["orderLinkId"])
    assert fill.venue_time_ms == int(row["execTime"])
    return READ


def read_position(row: Message) -> str:
    found = parse_position(row)
    if found is None:
        assert not is_followed(row)
        return NOT_FOLLOWED
    sign = {"Buy": 1, "Sell": -1, "": 0, "None": 0}[row["side"]]
    assert (found.leg, found.size) == (Leg(row["symbol"], row["positionIdx"]), amount(row["size"]) * sign)
    assert found.leverage == D(row["leverage"])
    assert (found.initial_margin or 0) == amount(row["positionIM"])
    assert found.seq == row["seq"]
    return READ


def read_order(row: Message) -> str:
    found = parse_order(row)
    if found is None:
        assert not is_followed(row)
        return NOT_FOLLOWED
    states = {"New": OrderState.ACCEPTED, "Filled": OrderState.FILLED, "Cancelled": OrderState.ENDED}
    assert found.state is states[row["orderStatus"]]
    assert (found.order_id, found.filled) == (row["orderId"], amount(row["cumExecQty"]))
    assert (found.average_price or 0) == amount(row["avgPrice"])
    assert found.side is (Side.BUY if row["side"] == "Buy" else Side.SELL)
    return READ


def read_wallet(row: Message) -> str:
    coins = {coin["coin"]: coin for coin in row["coin"]}
    found = parse_wallet(row, venue_time_ms=7)
    if "USDT" not in coins:
        assert found is None
        return NOT_FOLLOWED
    assert isinstance(found, WalletReport)
    assert found.equity == D(coins["USDT"]["equity"])
    assert found.wallet_balance == D(coins["USDT"]["equity"]) - D(coins["USDT"]["unrealisedPnl"])
    if row["totalAvailableBalance"]:
        assert found.available == D(row["totalAvailableBalance"])
    return READ


def read_instrument(row: Message) -> str:
    if row.get("contractType") != "LinearPerpetual":
        with pytest.raises(
            MalformedMessage
        ):  # options and coins lack what perpetuals have; none is asked for
            parse_instrument(row)
        return NOT_FOLLOWED
    found = parse_instrument(row)
    assert found is not None
    assert (found.symbol, found.lot_size) == (row["symbol"], D(row["lotSizeFilter"]["qtyStep"]))
    assert found.tick_size == D(row["priceFilter"]["tickSize"])
    assert found.max_leverage == D(row["leverageFilter"]["maxLeverage"])
    return READ


def read_ticker(row: Message) -> str:
    found = parse_ticker_frame(json.dumps({"topic": f"tickers.{row['symbol']}", "data": row}))
    if found is None:
        return NOT_FOLLOWED
    assert found == (row["symbol"], D(row["markPrice"]))
    return READ


ROWS: dict[str, Callable[[Message], str]] = {
    "execution": read_execution,
    "position": read_position,
    "order": read_order,
    "wallet": read_wallet,
    "/v5/execution/list": read_execution,
    "/v5/position/list": read_position,
    "/v5/order/realtime": read_order,
    "/v5/order/history": read_order,
    "/v5/account/wallet-balance": read_wallet,
    "/v5/market/instruments-info": read_instrument,
    "/v5/market/tickers": read_ticker,
}


def read_frame(message: Message) -> list[str]:
    """A frame of a private topic: every row, and the same through the stream's own reader."""
    events = read_events(json.dumps(message))
    if message["topic"] == "execution.fast":
        assert isinstance(events[0], Unreadable)
        return [WITHOUT_KIND]
    verdicts = [ROWS[message["topic"]](row) for row in message["data"]]
    assert not [event for event in events if isinstance(event, Unreadable)]
    assert (events != (Heard(),)) is (READ in verdicts)
    return verdicts


def read_list(path: str, message: Message) -> list[str]:
    rows = message["result"]["list"]
    category = message["result"].get("category", "linear")
    return [ROWS[path]({"category": category, **row} if "coin" not in row else row) for row in rows]


def read_key(files: dict[str, Any], message: Message) -> list[str]:
    account = next(it for it in frames_of(files) if it[1] == "rest:/v5/account/info")[2]
    report = parse_key(answer_of(message), answer_of(account))
    assert (report.is_read_only, report.may_trade) == (True, False)
    assert (report.is_unified, report.may_withdraw) == (True, False)
    return [READ]


def answer_of(message: Message) -> Answer:
    return Answer(result=message["result"], venue_time_ms=0)


def read_code(message: Message, asked: Asked) -> list[str]:
    """A refusal by REST or on the trade socket."""
    code, text = message["retCode"], message["retMsg"]
    failed = failure(code, text, asked)
    if code == 10002:
        assert type(failed) is RequestNotSent
    elif code in (110025, 110043):
        assert failed is None or type(failed) is OutcomeUnknown
        assert failure(code, text, Asked.SETTING) is None
    elif code == 110001:
        assert type(failed) is OutcomeUnknown
        refused = failure(code, text, Asked.READ)
        assert isinstance(refused, RequestRejected)
        assert refused.refusal is Refusal.NOT_FOUND
    else:
        assert isinstance(failed, RequestRejected), text
        assert failed.refusal is REFUSALS[text]
    return [READ]


REFUSALS = {
    "params error: position_mode invalid": Refusal.POSITION_MODE,
    "params error: side invalid": Refusal.PARAMETER,
    "params error: OrderId or orderLinkId is required": Refusal.PARAMETER,
    "Illegal category": Refusal.PARAMETER,
    "position idx not match position mode": Refusal.POSITION_MODE,
    "The number of contracts exceeds minimum limit allowed": Refusal.MIN_SIZE,
    "Order price is out of permissible range": Refusal.PRICE,
    "price is invalid": Refusal.PRICE,
    "Reduce-only rule not satisfied": Refusal.REDUCE_ONLY,
    "Unmatched IP, please check your API key's bound IP addresses.": Refusal.AUTH,
    "error sign! origin_string[REDACTED]": Refusal.AUTH,
}


def read_ack(data: Message) -> list[str]:
    order = OrderRequest(
        client_order_id=data["orderLinkId"],
        leg=Leg("BTCUSDT"),
        side=Side.BUY,
        quantity=D(1),
        price=None,
        reduce_only=False,
    )
    report = parse_order_ack(data, order, venue_time_ms=7)
    assert isinstance(report, OrderReport)
    assert (report.order_id, report.state) == (data["orderId"], OrderState.ACCEPTED)
    return [READ]


class OneFrame:
    """A socket that hears one frame, and then nothing."""

    is_open = True

    def __init__(self, message: Message) -> None:
        self._texts = [json.dumps(message)]

    async def send(self, text: str) -> None:
        return

    async def receive(self) -> str:
        if not self._texts:
            await trio.sleep_forever()
        return self._texts.pop()


async def clocks_agree() -> int:
    return 0


async def read_session(message: Message) -> list[str]:
    """An answer to auth or subscribe ends the wait for it; a pong is only heard."""
    session = Session(OneFrame(message))  # type: ignore[arg-type]
    op = message.get("op", message.get("type"))
    if op == "auth":
        signer = Signer(Credentials(api_key="k", api_secret="s"))
        await session.log_in(signer, VenueClock(SystemClock()), clocks_agree)
    elif op in ("subscribe", "COMMAND_RESP"):
        await session.subscribe(["order"])
    else:
        assert read_events(json.dumps(message)) == (Heard(),)
    return [READ]


def frames_of(files: dict[str, Any]) -> list[tuple[str, str, Message]]:
    return [(name, frame["conn"], frame["msg"]) for name, held in files.items() for frame in held["frames"]]


async def read_one(files: dict[str, Any], conn: str, message: Message) -> list[str]:
    """Return what became of a frame, row by row. Raises KeyError for a kind that nothing here knows."""
    if "topic" in message:
        return read_frame(message)
    path = conn.removeprefix("rest:")
    if path in ROWS:
        return read_list(path, message)
    if path == "/v5/user/query-api":
        return read_key(files, message)
    if path == "/v5/market/time":
        assert whole(message["result"]["timeNano"]) // 1_000_000 == 1688639403423
        return [READ]
    if path == "/v5/order/create":
        return read_ack(message["result"])
    if path == "rest":
        return read_code(message, Asked.ORDER)
    if conn.startswith("rest:"):
        return [REST_ONLY[path]]
    if ("args" in message and message["op"] != "pong") or message == {"op": "ping"}:
        return [A_REQUEST]
    if message.get("retCode"):
        return read_code(message, Asked.ORDER)
    op = message.get("op")
    if op == "order.create":
        return read_ack(message["data"])
    if op in ("order.amend", "order.cancel", "order.create-batch"):
        return [NOT_ASKED]
    return await read_session(message)


REST_ONLY = {
    "/v5/account/info": "read with the key, above",
    "/v5/position/set-leverage": "an empty result: success is all it tells",
    "/v5/position/switch-mode": NOT_ASKED,
    "/v5/position/symbol-info": NOT_ASKED,
}


async def test_every_recorded_frame_is_read_or_refused_for_a_reason(autojump_clock: Any) -> None:
    files = recorded_files("bybit")
    frames = frames_of(files)
    verdicts: Counter[str] = Counter()
    files_read = set()

    for name, conn, message in frames:
        try:
            found = await read_one(files, conn, message)
        except Exception as error:
            error.add_note(f"{name}: {conn} {json.dumps(message, default=str)[:300]}")
            raise
        assert found, (name, conn)
        verdicts.update(found)
        files_read.add(name)

    assert files_read == files.keys()
    assert verdicts[READ] >= 50
    assert verdicts[WITHOUT_KIND] == 1
