"""The public stream of mark prices: one subscription a symbol (docs: "activeAssetCtx").

`allMids` would be one for all, but a mid is not a mark: an empty book moves it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import trio

from exchanges.errors import MalformedMessage, StreamLost
from exchanges.hyperliquid.catalogue import parse_mark
from exchanges.hyperliquid.limits import EXCHANGE, AddressLimits
from exchanges.hyperliquid.market import Market
from exchanges.hyperliquid.session import Session
from exchanges.hyperliquid.wire import load_object, reading, text_of
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.websocket import open_websocket

MARKS_SILENCE_S_MAX = 30.0
"""Oracles move every few seconds: a socket on which no mark moves so long has stalled."""


@asynccontextmanager
async def open_marks(
    url: str, symbols: frozenset[str], *, network: Network, limits: AddressLimits, market: Market
) -> AsyncIterator[AsyncIterator[tuple[str, Decimal]]]:
    """Stream marks of symbols; raises StreamLost, also from the iterator."""
    await limits.wait_for_socket(Urgency.REDUCE)
    async with open_websocket(network, url, exchange=EXCHANGE) as socket:
        session = Session(socket)
        for symbol in sorted(symbols):
            await session.ask_for({"type": "activeAssetCtx", "coin": symbol})
        yield _Marks(session, market)


class _Marks:
    def __init__(self, session: Session, market: Market) -> None:
        self._session = session
        self._market = market
        self._moved_at = trio.current_time()

    def __aiter__(self) -> AsyncIterator[tuple[str, Decimal]]:
        return self

    async def __anext__(self) -> tuple[str, Decimal]:
        while True:
            stalled_at = self._moved_at + MARKS_SILENCE_S_MAX
            text = await self._session.receive(stalled_at)
            found = None if text is None else parse_mark_frame(text)
            if found is not None:
                self._moved_at = trio.current_time()
                self._market.put_marks(dict([found]))
                return found
            if trio.current_time() >= stalled_at:
                raise StreamLost(f"no mark for {MARKS_SILENCE_S_MAX:g} s", exchange=EXCHANGE)


def parse_mark_frame(text: str) -> tuple[str, Decimal] | None:
    """Return the mark in a frame, None for a frame without one: its symbol's mark ages visibly then."""
    try:
        frame = load_object(text)
        if frame.get("channel") != "activeAssetCtx":
            return None
        with reading("activeAssetCtx"):
            price = parse_mark(frame["data"]["ctx"])
            return None if price is None else (text_of(frame["data"]["coin"]), price)
    except MalformedMessage:
        return None
