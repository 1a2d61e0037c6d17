"""What a venue's messages say of our orders, read apart from the engine, by the venue's published words.

Only what settles something is read: that an order ended, was refused, was taken, or is not found.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from typing import Any
from urllib.parse import parse_qs

import attrs

from tests.unknown_outcomes.wire import Said


class Meaning(Enum):
    """What is said of an order."""

    LEFT = auto()
    """The engine sent it; ``value`` is how many ms the venue may take it."""
    TAKEN = auto()
    ENDED = auto()
    REFUSED = auto()
    MISSING = auto()
    """A query was answered with "there is none"."""


@attrs.frozen
class Word:
    """One word about one order."""

    order: str
    meaning: Meaning
    value: int = 0


Row = Mapping[str, Any]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _object(text: str) -> Row:
    found = _json(text)
    return found if isinstance(found, dict) else {}


class Reader:
    """Reads one venue's messages. ``requests`` are orders under way on sockets, by their request's id."""

    def __init__(self) -> None:
        self.requests: dict[str, str] = {}

    def read(self, said: Said) -> Iterator[Word]:
        """Return what a message says."""
        if said.asked:
            return self.answered(said)
        return self.heard(_object(said.text)) if said.by_venue else self.sent(said)

    def sent(self, said: Said) -> Iterator[Word]:
        """Return what leaves."""
        raise NotImplementedError

    def heard(self, frame: Row) -> Iterator[Word]:
        """Return what a frame of a socket says."""
        raise NotImplementedError

    def answered(self, said: Said) -> Iterator[Word]:
        """Return what an HTTP answer says."""
        raise NotImplementedError


# Bybit

_BYBIT_ENDED = {"Filled", "Cancelled", "PartiallyFilledCanceled", "Deactivated"}
_BYBIT_DOUBTFUL = {429, 10000, 10016, 10019, 10429, 500000, 170001, 170007, 170032, 110079}
_BYBIT_LISTS = {"/v5/order/realtime", "/v5/order/history", "/v5/execution/list"}


class BybitWords(Reader):
    """An order is missing when orders, history and fills, asked one after the other, all have none."""

    def __init__(self) -> None:
        super().__init__()
        self._empty: dict[str, set[str]] = {}

    def sent(self, said: Said) -> Iterator[Word]:
        """Orders by the trade socket and by POST."""
        if said.path == "/v5/order/create":
            order = _object(said.text.partition("\n")[2]).get("orderLinkId", "")
            yield Word(order, Meaning.LEFT, 3_000)
        elif said.path == "/v5/trade":
            frame = _object(said.text)
            if frame.get("op") == "order.create":
                order = self.requests[frame["reqId"]] = frame["args"][0]["orderLinkId"]
                yield Word(order, Meaning.LEFT, int(frame["header"]["X-BAPI-RECV-WINDOW"]))

    def heard(self, frame: Row) -> Iterator[Word]:
        """Answers of the trade socket, and the topic of orders."""
        order = self.requests.get(str(frame.get("reqId", "")))
        if order is not None:
            yield from self._judged(frame, order, "data")
        if str(frame.get("topic", "")).startswith("order"):
            for row in frame.get("data") or ():
                yield from self._status(row)

    def answered(self, said: Said) -> Iterator[Word]:
        """Answers to POST, and to the three lists."""
        answer = _object(said.text)
        if said.path == "/v5/order/create" and said.status == 200:
            order = _object(said.asked.partition("\n")[2]).get("orderLinkId", "")
            yield from self._judged(answer, order, "result")
        if said.path in _BYBIT_LISTS and said.status == 200 and answer.get("retCode") == 0:
            order = _query(said.asked).get("orderLinkId", "")
            rows = (answer.get("result") or {}).get("list")
            if order and isinstance(rows, list):
                yield from self._listed(said.path, order, rows)

    def _judged(self, answer: Row, order: str, field: str) -> Iterator[Word]:
        code = answer.get("retCode")
        if code == 0:
            if (answer.get(field) or {}).get("orderLinkId") == order:
                yield Word(order, Meaning.TAKEN)
        elif isinstance(code, int) and code not in _BYBIT_DOUBTFUL:
            yield Word(order, Meaning.REFUSED)

    def _listed(self, path: str, order: str, rows: list[Row]) -> Iterator[Word]:
        if path == "/v5/order/realtime":
            self._empty[order] = set()
        if any(row.get("orderLinkId") == order for row in rows):
            self._empty[order] = set()
            if path != "/v5/execution/list":
                for row in rows:
                    yield from self._status(row)
            return
        if rows:
            return
        self._empty.setdefault(order, set()).add(path)
        if self._empty[order] == _BYBIT_LISTS:
            yield Word(order, Meaning.MISSING)

    def _status(self, row: Row) -> Iterator[Word]:
        order, status = row.get("orderLinkId", ""), row.get("orderStatus")
        if status == "Rejected":
            yield Word(order, Meaning.REFUSED)
        elif status in _BYBIT_ENDED:
            yield Word(order, Meaning.ENDED)
        elif status:
            yield Word(order, Meaning.TAKEN)


# Binance

_BINANCE_ENDED = {"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"}
_BINANCE_DOUBTFUL = {-1000, -1001, -1006, -1007}


class BinanceWords(Reader):
    """A code decides; of the doubtful ones "-1001" at 503 with two known texts says "not executed"."""

    def sent(self, said: Said) -> Iterator[Word]:
        """Orders by the order socket and by POST."""
        if said.path == "/fapi/v1/order" and said.text.startswith("POST"):
            query = _query(said.text)
            yield Word(query["newClientOrderId"], Meaning.LEFT, int(query["recvWindow"]))
        elif said.path == "/ws-fapi/v1":
            frame = _object(said.text)
            if frame.get("method") == "order.place":
                params = frame["params"]
                order = self.requests[frame["id"]] = params["newClientOrderId"]
                yield Word(order, Meaning.LEFT, int(params["recvWindow"]))

    def heard(self, frame: Row) -> Iterator[Word]:
        """Answers of the order socket, and the event of orders."""
        order = self.requests.get(str(frame.get("id", "")))
        if order is not None:
            yield from self._judged(order, frame.get("status"), frame.get("result"), frame.get("error"))
        event = frame.get("data") if "stream" in frame else frame
        if isinstance(event, dict) and event.get("e") == "ORDER_TRADE_UPDATE":
            row = event["o"]
            yield from self._status(row["c"], row["X"])

    def answered(self, said: Said) -> Iterator[Word]:
        """Answers to POST and GET of an order."""
        if said.path != "/fapi/v1/order":
            return
        query, answer = _query(said.asked), _object(said.text)
        if said.asked.startswith("POST"):
            yield from self._judged(query["newClientOrderId"], said.status, answer, answer)
            return
        order = query.get("origClientOrderId", "")
        if answer.get("code") == -2013:
            yield Word(order, Meaning.MISSING)
        elif said.status == 200 and answer.get("clientOrderId") == order:
            yield from self._status(order, answer.get("status"))

    def _judged(self, order: str, status: object, result: Any, error: Any) -> Iterator[Word]:
        if status == 200:
            if isinstance(result, dict) and result.get("clientOrderId") == order:
                yield from self._status(order, result.get("status"))
            return
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, int) and code not in _BINANCE_DOUBTFUL:
            yield Word(order, Meaning.REFUSED)

    def _status(self, order: str, status: object) -> Iterator[Word]:
        if status == "REJECTED":
            yield Word(order, Meaning.REFUSED)
        elif status in _BINANCE_ENDED:
            yield Word(order, Meaning.ENDED)
        elif status:
            yield Word(order, Meaning.TAKEN)


# Hyperliquid


class HyperliquidWords(Reader):
    """An answer to an action tells at once how its order ended; there are no codes, only texts."""

    def sent(self, said: Said) -> Iterator[Word]:
        """Orders that are posted through the socket, and by POST."""
        if said.path == "/exchange":
            yield from self._left(_object(said.text.partition("\n")[2]))
        elif said.path == "/ws":
            frame = _object(said.text)
            if frame.get("method") == "post":
                for word in self._left(frame["request"].get("payload") or {}):
                    self.requests[str(frame["id"])] = word.order
                    yield word

    def _left(self, body: Row) -> Iterator[Word]:
        for row in (body.get("action") or {}).get("orders") or ():
            yield Word(_plain(row["c"]), Meaning.LEFT, int(body["expiresAfter"]) - int(body["nonce"]))

    def heard(self, frame: Row) -> Iterator[Word]:
        """Answers to posts, and the channel of orders."""
        data = frame.get("data")
        if frame.get("channel") == "post" and isinstance(data, dict):
            order = self.requests.get(str(data.get("id", "")))
            response = data.get("response") or {}
            if order is not None and response.get("type") == "action":
                yield from self._judged(order, response.get("payload"))
        if frame.get("channel") == "orderUpdates" and isinstance(data, list):
            for row in data:
                yield from self._status(_plain(row["order"].get("cloid") or ""), row["status"])

    def answered(self, said: Said) -> Iterator[Word]:
        """Answers to actions and to ``orderStatus``."""
        asked = _object(said.asked.partition("\n")[2])
        if said.status != 200:
            return
        if said.path == "/exchange":
            for word in self._left(asked):
                yield from self._judged(word.order, _json(said.text))
        elif asked.get("type") == "orderStatus":
            order, answer = _plain(asked["oid"]), _object(said.text)
            if answer.get("status") == "unknownOid":
                yield Word(order, Meaning.MISSING)
            elif answer.get("status") == "order":
                found = answer["order"]
                yield from self._status(_plain(found["order"].get("cloid") or ""), found["status"])

    def _judged(self, order: str, answer: Any) -> Iterator[Word]:
        if not isinstance(answer, dict):
            return
        if answer.get("status") == "err":
            yield Word(order, Meaning.REFUSED)
        elif answer.get("status") == "ok":
            (status,) = answer["response"]["data"]["statuses"]
            if "error" in status:
                unmatched = "could not immediately match" in status["error"]
                yield Word(order, Meaning.ENDED if unmatched else Meaning.REFUSED)
            elif _plain((status.get("filled") or {}).get("cloid") or "") == order:
                yield Word(order, Meaning.ENDED)
            elif "resting" in status:
                yield Word(order, Meaning.TAKEN)

    def _status(self, order: str, status: str) -> Iterator[Word]:
        if status == "iocCancelRejected" or status == "filled" or status.lower().endswith("canceled"):
            yield Word(order, Meaning.ENDED)
        elif status.lower().endswith("rejected"):
            yield Word(order, Meaning.REFUSED)
        else:
            yield Word(order, Meaning.TAKEN)


def _plain(cloid: str) -> str:
    return cloid.removeprefix("0x")


def _query(request: str) -> dict[str, str]:
    """Return the parameters of a request's target and form."""
    target, _, body = request.partition("\n")
    text = target.partition("?")[2] + "&" + body
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


READERS: Mapping[str, Callable[[], Reader]] = {
    "bybit": BybitWords,
    "binance": BinanceWords,
    "hyperliquid": HyperliquidWords,
}
