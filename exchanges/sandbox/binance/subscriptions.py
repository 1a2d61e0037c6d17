"""Requests through a stream's socket: SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS ("Live Subscribing")."""

import json
from collections.abc import Callable
from typing import Any

from exchanges.sandbox.binance.wire import dump
from exchanges.sandbox.websocket import ServerWebSocket


def acknowledge(
    socket: ServerWebSocket,
    text: str,
    *,
    streams: list[str],
    subscribe: Callable[[str], None],
    unsubscribe: Callable[[str], None],
) -> None:
    """Answer one request; what is no JSON ends the connection, as it was seen to."""
    try:
        message: Any = json.loads(text)
    except (ValueError, RecursionError):
        socket.post(dump({"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}}))
        socket.close(1008)
        return
    if not isinstance(message, dict):
        message = {}
    number = message.get("id")
    if isinstance(number, bool) or not isinstance(number, (int, str)):
        _refuse(socket, 2, "Invalid request: request ID must be an unsigned integer", None)
        return
    params = message.get("params")
    match message.get("method"):
        case "SUBSCRIBE" | "UNSUBSCRIBE" as method:
            if not isinstance(params, list) or not all(isinstance(it, str) for it in params):
                _refuse(socket, 2, "Invalid request: params must be an array of strings", number)
                return
            for stream in params:
                subscribe(stream) if method == "SUBSCRIBE" else unsubscribe(stream)
            socket.post(dump({"result": None, "id": number}))
        case "LIST_SUBSCRIPTIONS":
            socket.post(dump({"result": streams, "id": number}))
        case _:
            _refuse(socket, 2, "Invalid request: unknown method", number)


def _refuse(socket: ServerWebSocket, code: int, text: str, number: object) -> None:
    error = {"code": code, "msg": text}
    socket.post(dump({"error": error, "id": number}))
