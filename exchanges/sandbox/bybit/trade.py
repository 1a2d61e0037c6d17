"""The trade WebSocket: order entry, one JSON object a request, matched to its answer by reqId."""

from typing import Any

from exchanges.sandbox.account import Account
from exchanges.sandbox.bybit.budgets import Allowance, Budgets
from exchanges.sandbox.bybit.codes import VenueError
from exchanges.sandbox.bybit.messages import parse_message
from exchanges.sandbox.bybit.orders import OrderDesk
from exchanges.sandbox.bybit.signing import authenticate_socket, check_window
from exchanges.sandbox.bybit.wire import dump
from exchanges.sandbox.conduct import Conduct, Fate, fate_of, spoilt
from exchanges.sandbox.faults import Fault, FaultKind
from exchanges.sandbox.venue import SandboxVenue
from exchanges.sandbox.websocket import ServerWebSocket

OPERATIONS = frozenset(
    f"order.{name}" for name in ("create", "amend", "cancel", "create-batch", "amend-batch", "cancel-batch")
)
REQ_ID_CHARS_MAX = 36
RESTARTING = 10016
Message = dict[str, Any]


class TradeEntry:
    """Takes orders on all trade sockets."""

    def __init__(self, venue: SandboxVenue, desk: OrderDesk, budgets: Budgets) -> None:
        self._venue = venue
        self._desk = desk
        self._budgets = budgets

    async def converse(self, socket: ServerWebSocket) -> None:
        """Serve one socket until it ends."""
        session = TradeSession(socket, self._venue, self._desk, self._budgets)
        while (received := await socket.receive()) is not None:
            session.take(*received)


class TradeSession:
    """One client, with its account once it has authenticated."""

    def __init__(
        self, socket: ServerWebSocket, venue: SandboxVenue, desk: OrderDesk, budgets: Budgets
    ) -> None:
        self._socket = socket
        self._venue = venue
        self._desk = desk
        self._budgets = budgets
        self._conn_id = venue.unique_id()
        self._request_ids: set[str] = set()
        self._account: Account | None = None

    def take(self, text: str, arrived_ns: int) -> None:
        """Answer one message, now or when its delay is over."""
        message = parse_message(text)
        if message is None:
            self._post({"retCode": 10001, "retMsg": "params error: not a JSON object", "op": ""})
            return
        match message.get("op"):
            case "auth":
                self._authenticate(message)
            case "ping":
                self._post({"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(self._venue.now_ms())]})
            case str() as operation if operation in OPERATIONS:
                self._order(message, operation, arrived_ns)
            case operation:
                self._post({"retCode": 10404, "retMsg": "op or category is wrong", "op": str(operation)})

    def _authenticate(self, message: Message) -> None:
        answer: Message = {"retCode": 0, "retMsg": "OK", "op": "auth"}
        if "reqId" in message:
            answer = {"reqId": message["reqId"], **answer}
        if self._account is not None:
            self._post({**answer, "retCode": 20001, "retMsg": "Repeat auth"})
            return
        try:
            self._account = authenticate_socket(self._venue, message.get("args"))
        except VenueError as error:
            self._post({**answer, "retCode": error.code, "retMsg": error.text})
            self._socket.close()
            return
        self._socket.peer.account = self._account.name
        self._post(answer)

    def _order(self, message: Message, operation: str, arrived_ns: int) -> None:
        problem = self._request_problem(message)
        if self._account is None:
            problem = 10003, "Request not authorized"
        if problem is not None or self._account is None:
            self._answer(message, *(problem or (10003, "")))
            return
        account = self._account
        conduct = Conduct(faults=self._venue.faults, account=account.name, endpoint=operation)
        self._venue.later(
            conduct.request_delay_s(),
            lambda: self._perform(message, operation, account, conduct, arrived_ns),
        )

    def _request_problem(self, message: Message) -> tuple[int, str] | None:
        req_id = message.get("reqId", "")
        if not isinstance(req_id, str) or len(req_id) > REQ_ID_CHARS_MAX:
            return 10001, "params error: reqId invalid"
        if req_id and req_id in self._request_ids:
            return 20006, "reqId is duplicated"
        if req_id:
            self._request_ids.add(req_id)
        return None

    def _perform(
        self, message: Message, operation: str, account: Account, conduct: Conduct, arrived_ns: int
    ) -> None:
        fault = conduct.refusal()
        if fault is not None:
            self._refuse(message, fault)
            return
        allowance = self._spend(account, operation)
        try:
            if allowance.exceeded:
                raise VenueError(10006, "Too many visits. Exceeded the API Rate Limit.")
            data, extra = self._act(message, operation, account, arrived_ns)
        except VenueError as error:
            answer = self._reply(message, error.code, error.text, allowance=allowance)
            self._later(conduct, answer)
            return
        answer = self._reply(message, 0, "OK", data, extra, allowance)
        match conduct.fate():
            case (Fate.ANSWERED, _):
                self._later(conduct, spoilt(answer, conduct.spoiler()))
            case (Fate.ERROR, _):
                error_answer = self._reply(message, RESTARTING, "Request timeout, please try again later")
                self._later(conduct, error_answer)
            case (Fate.RESET, _):
                self._socket.peer.reset()

    def _refuse(self, message: Message, fault: Fault) -> None:
        """End a request that is not looked at."""
        fate = fate_of(fault)
        if fate is Fate.RESET:
            self._socket.peer.reset()
        elif fate is Fate.ANSWERED:
            self._answer(message, *_struck(fault))

    def _act(
        self, message: Message, operation: str, account: Account, arrived_ns: int
    ) -> tuple[Message, Message]:
        header, args = message.get("header"), message.get("args")
        if not isinstance(header, dict) or not isinstance(args, list) or len(args) != 1:
            raise VenueError(10001, "params error: header or args invalid")
        check_window(self._venue, {str(name).lower(): str(value) for name, value in header.items()})
        if not isinstance(args[0], dict):
            raise VenueError(10001, "params error: args invalid")
        name = operation.removeprefix("order.")
        return self._desk.perform(name, account, args[0], via=operation, arrived_ns=arrived_ns)

    def _spend(self, account: Account, operation: str) -> Allowance:
        pool = "/v5/" + operation.replace(".", "/")
        return self._budgets.spend(account.uid, pool, self._venue.now_ms())

    def _later(self, conduct: Conduct, answer: str) -> None:
        self._venue.later(conduct.answer_delay_s(), lambda: self._socket.post(answer))

    def _answer(self, message: Message, code: int, text: str) -> None:
        self._socket.post(self._reply(message, code, text))

    def _reply(
        self,
        message: Message,
        code: int,
        text: str,
        data: Message | None = None,
        extra: Message | None = None,
        allowance: Allowance | None = None,
    ) -> str:
        now = str(self._venue.now_ms())
        limits = allowance.headers() if allowance else {}
        answer = {
            "reqId": message.get("reqId", ""),
            "retCode": code,
            "retMsg": text,
            "op": message.get("op", ""),
            "data": data or {},
            "retExtInfo": extra or {},
            "header": {**limits, "Traceid": self._venue.unique_id().replace("-", ""), "Timenow": now},
            "connId": self._conn_id,
        }
        return dump(answer)

    def _post(self, answer: Message) -> None:
        self._socket.post(dump({**answer, "connId": self._conn_id}))


def _struck(fault: Fault) -> tuple[int, str]:
    """The answer to a request that was not looked at."""
    if fault.kind is not FaultKind.RATE_LIMIT:
        return RESTARTING, "Request timeout, please try again later"
    if fault.status == 429:
        return 10429, "System level frequency protection"
    return 10006, "Too many visits. Exceeded the API Rate Limit."
