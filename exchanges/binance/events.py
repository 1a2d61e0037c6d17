"""Frames of the user data stream in our words, without I/O (USD-M "User Data Streams").

ACCOUNT_UPDATE has no sequence number. Its transaction time ``T`` takes its place: the stream sends
one kind of event in order of ``T``, and ``updateTime`` of REST rows is the same clock, so the newer
state wins whichever way it came. Events with an equal ``T`` are common and count as they arrive.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from exchanges.binance.wire import (
    ASSET,
    POOL_ASSETS,
    SIDES,
    Row,
    leg_of,
    number,
    number_or_none,
    order_state,
    positive,
    positive_or_none,
    reading,
    signed_size,
    whole,
    word,
)
from model.account import Execution, PositionReport, WalletReport
from model.order import OrderReport

EXPIRY_REASONS = {
    "1": "self-trade prevention",
    "2": "IOC remainder cancelled",
    "3": "IOC remainder cancelled by self-trade prevention",
    "4": "knocked out by another reduce-only order, or it would have reversed the position",
    "5": "the account was liquidated",
    "6": "GTE condition not met",
    "7": "the symbol was delisted",
    "8": "the order expired after its stop triggered",
    "9": "no more depth within the venue's price bound",
}


@attrs.frozen
class LeverageChanged:
    """The account's leverage of a symbol is another one now."""

    symbol: str
    leverage: Decimal


@attrs.frozen
class MultiAssetsChanged:
    """The account's margin is, or is no more, every asset together."""

    multi_assets: bool


@attrs.frozen
class ListenKeyExpired:
    """Nothing more will come on this stream, though it stays open."""


AccountEvent = (
    Execution
    | OrderReport
    | WalletReport
    | tuple[PositionReport, ...]
    | LeverageChanged
    | MultiAssetsChanged
    | ListenKeyExpired
)


def parse_event(frame: Row) -> tuple[AccountEvent, ...]:
    """Return the news in one frame, in the order in which they count; empty when it has none for us.

    Frames of `/stream` come in an envelope, those of `/ws` bare; both are taken. Raises:
    MalformedMessage. An event of an unknown kind is no news: Binance adds kinds without notice.
    """
    with reading("event"):
        data = frame["data"] if "stream" in frame and isinstance(frame.get("data"), dict) else frame
        kind = data.get("e")
        if kind is None:
            return ()
        if not isinstance(kind, str):
            raise TypeError(f"event {kind!r}")
    reader = _READERS.get(kind)
    if reader is None:
        return ()
    with reading(kind):
        return reader(data)


def is_answer(frame: Row) -> bool:
    """Tell whether a frame answers a request of ours on the stream, and is no event."""
    return "e" not in frame and "stream" not in frame and ("id" in frame or "result" in frame)


def _read_account(data: Row) -> tuple[AccountEvent, ...]:
    time_ms = whole(data["T"])
    rows = tuple(_position(row, time_ms) for row in data["a"].get("P", ()) if _is_followed(row))
    wallets = tuple(_wallet(row, time_ms) for row in data["a"].get("B", ()) if row["a"] == ASSET)
    # Who waits for the position sizes from the wallet next: that has to be there by then.
    return (*wallets, rows) if rows else wallets


def _read_order(data: Row) -> tuple[AccountEvent, ...]:
    row = data["o"]
    filled = number(row["z"])
    if filled < 0:
        raise ValueError(f"filled {filled}")
    report = OrderReport(
        leg=leg_of(row, "s", "ps"),
        client_order_id=word(row["c"]),
        order_id=str(whole(row["i"])),
        state=order_state(row["X"], filled),
        filled=filled,
        average_price=positive_or_none(row.get("ap")),
        venue_time_ms=whole(data["T"]),
        reject_reason=EXPIRY_REASONS.get(str(row.get("er", "")), ""),
        side=SIDES.get(row.get("S", "")),
    )
    if not number(row["l"]) or not whole(row["t"]):
        return (report,)
    return (_execution(row, data, leg_idx=report.leg.position_idx), report)


def _read_trade_lite(data: Row) -> tuple[AccountEvent, ...]:
    return (_execution(data, data, leg_idx=None),)


def _execution(row: Row, data: Row, *, leg_idx: int | None) -> Execution:
    """Return the fill in an order event, or in its shorter forerunner, which does not tell the leg."""
    time_ms = whole(data["T"])
    return Execution(
        execution_id=str(whole(row["t"])),
        symbol=word(row["s"]),
        position_idx=leg_idx,
        side_sign=SIDES[row["S"]].sign,
        quantity=positive(row["l"]),
        price=positive(row["L"]),
        closed_size=None,
        order_id=str(whole(row["i"])),
        client_order_id=word(row["c"]),
        seq=time_ms,
        venue_time_ms=time_ms,
    )


def _read_config(data: Row) -> tuple[AccountEvent, ...]:
    if "ac" in data:
        return (LeverageChanged(word(data["ac"]["s"]), positive(data["ac"]["l"])),)
    multi_assets = data["ai"]["j"]
    if not isinstance(multi_assets, bool):
        raise TypeError(f"multi-assets {multi_assets!r}")
    return (MultiAssetsChanged(multi_assets),)


def _read_margin_call(data: Row) -> tuple[AccountEvent, ...]:
    """Take note of nothing: the marks tell the same, and by now the liquidation may have happened."""
    for row in data["p"]:
        signed_size(leg_of(row, "s", "ps"), row["pa"])
    return ()


def _read_expiry(data: Row) -> tuple[AccountEvent, ...]:
    return (ListenKeyExpired(),)


_READERS: Mapping[str, Callable[[Row], tuple[AccountEvent, ...]]] = {
    "ACCOUNT_UPDATE": _read_account,
    "ORDER_TRADE_UPDATE": _read_order,
    "TRADE_LITE": _read_trade_lite,
    "ACCOUNT_CONFIG_UPDATE": _read_config,
    "MARGIN_CALL": _read_margin_call,
    "listenKeyExpired": _read_expiry,
}


def _position(row: Row, time_ms: int) -> PositionReport:
    leg = leg_of(row, "s", "ps")
    return PositionReport(
        leg=leg,
        size=signed_size(leg, row["pa"]),
        entry_price=positive_or_none(row["ep"]),
        leverage=None,
        initial_margin=None,
        mark_price=None,
        seq=time_ms,
        venue_time_ms=time_ms,
    )


def _wallet(row: Row, time_ms: int) -> WalletReport:
    return WalletReport(
        wallet_balance=number_or_none(row["wb"]), equity=None, available=None, venue_time_ms=time_ms
    )


def _is_followed(row: Any) -> bool:
    """Tell whether a position is of the USDT pool; frames of old name no margin asset."""
    return row.get("ma", ASSET) in POOL_ASSETS
