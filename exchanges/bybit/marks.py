"""Mark prices of USDT perpetuals: the public tickers, and one REST read of all (V5 "Tickers")."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from exchanges.bybit.codes import EXCHANGE
from exchanges.bybit.limits import AddressLimits, Pool
from exchanges.bybit.rest import BybitRest, rows_of
from exchanges.bybit.session import Session
from exchanges.bybit.wire import CATEGORY, Row, is_followed, load_object, positive, reading
from exchanges.errors import MalformedMessage
from exchanges.network import Network
from exchanges.pacing import Urgency
from exchanges.websocket import open_websocket

log = logging.getLogger(__name__)

TOPIC = "tickers."
TOPIC_TEXT_MAX = 20_000
"""Of the 21,000 characters of topics that one connection may have."""


class MarkUpdates:
    """Mark prices as they come: (symbol, price); iteration raises StreamLost."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def __aiter__(self) -> AsyncIterator[tuple[str, Decimal]]:
        return self

    async def __anext__(self) -> tuple[str, Decimal]:
        """Return the next mark price."""
        while True:
            try:
                found = parse_ticker_frame(await self._session.receive())
            except MalformedMessage as error:
                # The price grows old, which every reader of it checks; a poll brings a new one.
                log.warning("a ticker is left out: %s", error)
                continue
            if found is not None:
                return found


@asynccontextmanager
async def open_marks(
    url: str, symbols: frozenset[str], *, network: Network, shared: AddressLimits
) -> AsyncIterator[MarkUpdates]:
    """Subscribe to the tickers of ``symbols``; raises StreamLost.

    Symbols beyond what one connection may have are left out; their marks stay with the REST poll.
    """
    await shared.pass_socket(Urgency.REDUCE)
    async with open_websocket(network, url, exchange=EXCHANGE) as socket:
        session = Session(socket)
        await session.subscribe(topics_of(symbols))
        yield MarkUpdates(session)


def topics_of(symbols: frozenset[str]) -> Sequence[str]:
    """Return as many topics as one connection takes, in the order of the alphabet."""
    topics: list[str] = []
    room = TOPIC_TEXT_MAX
    for symbol in sorted(symbols):
        room -= len(TOPIC) + len(symbol) + 3
        if room < 0:
            log.warning("%d symbols do not fit one stream of marks", len(symbols) - len(topics))
            break
        topics.append(TOPIC + symbol)
    return topics


def parse_ticker_frame(text: str) -> tuple[str, Decimal] | None:
    """Return symbol and mark price of one frame, None when it has none: a delta leaves out what stays.

    Raises: MalformedMessage.
    """
    frame = load_object(text)
    with reading("ticker"):
        if not str(frame.get("topic", "")).startswith(TOPIC):
            return None
        return _mark_of(frame["data"])


async def read_all_marks(rest: BybitRest) -> Mapping[str, Decimal]:
    """Read the mark price of every perpetual once; raises ExchangeError's kinds."""
    answer = await rest.read("/v5/market/tickers", [("category", CATEGORY)], pool=Pool.NONE)
    found: dict[str, Decimal] = {}
    for row in rows_of(answer):
        try:
            with reading("ticker"):
                mark = _mark_of(row)
        except MalformedMessage as error:
            log.warning("a ticker is left out: %s", error)
            continue
        if mark is not None:
            found[mark[0]] = mark[1]
    return found


def _mark_of(row: Row) -> tuple[str, Decimal] | None:
    price = row.get("markPrice")
    if price is None or price == "" or not is_followed(row):
        return None
    return row["symbol"], positive(price)
