"""Messages of a client on any of the WebSockets, read with care."""

import json
from typing import Any


def parse_message(text: str) -> dict[str, Any] | None:
    """Return a JSON object, None for anything else."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def topics_of(message: dict[str, Any]) -> list[str] | None:
    """Return the topics of a (un)subscribe request, None when they are no list of strings."""
    args = message.get("args")
    if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
        return None
    return args


def acknowledgement(
    message: dict[str, Any], conn_id: str, *, success: bool, text: str = ""
) -> dict[str, Any]:
    """Return the answer to ``auth``, ``subscribe`` or ``unsubscribe``; ``req_id`` only if one was sent."""
    answer = {"success": success, "ret_msg": text, "op": message.get("op", ""), "conn_id": conn_id}
    if "req_id" in message:
        answer["req_id"] = message["req_id"]
    return answer
