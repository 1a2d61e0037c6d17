"""Signed requests from the wire, as the venue reads them: typed, in its own field order.

The venue rebuilds an action from JSON and hashes what it rebuilt. So a number with trailing zeros or an
address in upper case is not refused here: it makes another hash, and the signature another signer.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from model.amounts import decimal_from_text, format_decimal

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
TIFS = ("Gtc", "Ioc", "Alo", "FrontendMarket")
INT_MAX = 2**63 - 1

Row = dict[str, Any]


class Undeserializable(Exception):
    """Not a request of this venue: HTTP 422, and nothing was looked at."""


@attrs.frozen(kw_only=True)
class SignedRequest:
    """One body of ``/exchange``. ``action`` is rebuilt: known fields only, in the order of the hash."""

    action: Row
    nonce: int
    r: int
    s: int
    v: int
    vault: str | None
    expires_after_ms: int | None

    @property
    def kind(self) -> str:
        """The action's type."""
        kind: str = self.action["type"]
        return kind


def parse_request(body: object) -> SignedRequest:
    """Return a request as the venue reads it. Raises: Undeserializable."""
    found = _object(body)
    action, signature = _object(found.get("action")), _object(found.get("signature"))
    kind = action.get("type")
    rebuild = _REBUILD.get(kind) if isinstance(kind, str) else None
    if rebuild is None:
        raise Undeserializable(f"action {kind!r}")
    vault, expiry = found.get("vaultAddress"), found.get("expiresAfter")
    return SignedRequest(
        action={"type": kind, **rebuild(action)},
        nonce=_integer(found.get("nonce")),
        r=_scalar(signature.get("r")),
        s=_scalar(signature.get("s")),
        v=_integer(signature.get("v")),
        vault=None if vault is None else address(vault),
        expires_after_ms=None if expiry is None else _integer(expiry),
    )


def address(value: object) -> str:
    """Return an address in lower case. Raises: Undeserializable."""
    if not isinstance(value, str) or not ADDRESS.fullmatch(value):
        raise Undeserializable(f"address {value!r}")
    return value.lower()


def cloid(value: object) -> str:
    """Return a cloid in lower case. Raises: Undeserializable."""
    if not isinstance(value, str) or not CLOID.fullmatch(value):
        raise Undeserializable(f"cloid {value!r}")
    return value.lower()


def _order_action(action: Mapping[str, Any]) -> Row:
    row: Row = {"orders": [_order(order) for order in _list(action.get("orders"))]}
    row["grouping"] = _grouping(action.get("grouping"))
    if action.get("builder") is not None:
        builder = _object(action["builder"])
        row["builder"] = {"b": address(builder.get("b")), "f": _integer(builder.get("f"))}
    return row


def _order(value: object) -> Row:
    order = _object(value)
    row: Row = {
        "a": _integer(order.get("a")),
        "b": _boolean(order.get("b")),
        "p": format_decimal(_number(order.get("p"))),
        "s": format_decimal(_number(order.get("s"))),
        "r": _boolean(order.get("r")),
        "t": _order_type(order.get("t")),
    }
    if order.get("c") is not None:
        row["c"] = cloid(order["c"])
    return row


def _order_type(value: object) -> Row:
    kind = _object(value)
    if "limit" in kind:
        tif = _object(kind["limit"]).get("tif")
        if tif not in TIFS:
            raise Undeserializable(f"tif {tif!r}")
        return {"limit": {"tif": tif}}
    trigger = _object(kind.get("trigger"))
    row: Row = {
        "isMarket": _boolean(trigger.get("isMarket")),
        "triggerPx": format_decimal(_number(trigger.get("triggerPx"))),
        "tpsl": trigger.get("tpsl"),
    }
    if row["tpsl"] not in ("tp", "sl"):
        raise Undeserializable(f"tpsl {row['tpsl']!r}")
    return {"trigger": row}


def _grouping(value: object) -> object:
    if value in ("na", "normalTpsl", "positionTpsl"):
        return value
    return {"p": _integer(_object(value).get("p"))}


def _cancel_action(action: Mapping[str, Any]) -> Row:
    rows = [_object(row) for row in _list(action.get("cancels"))]
    return _fast(action, [{"a": _integer(row.get("a")), "o": _integer(row.get("o"))} for row in rows])


def _cancel_by_cloid(action: Mapping[str, Any]) -> Row:
    rows = [_object(row) for row in _list(action.get("cancels"))]
    return _fast(
        action, [{"asset": _integer(row.get("asset")), "cloid": cloid(row.get("cloid"))} for row in rows]
    )


def _fast(action: Mapping[str, Any], cancels: list[Row]) -> Row:
    return {"cancels": cancels, **({"f": True} if action.get("f") is True else {})}


def _leverage(action: Mapping[str, Any]) -> Row:
    return {
        "asset": _integer(action.get("asset")),
        "isCross": _boolean(action.get("isCross")),
        "leverage": _integer(action.get("leverage")),
    }


def _isolated_margin(action: Mapping[str, Any]) -> Row:
    return {
        "asset": _integer(action.get("asset")),
        "isBuy": _boolean(action.get("isBuy")),
        "ntli": _integer(action.get("ntli"), least=-INT_MAX),
    }


def _schedule(action: Mapping[str, Any]) -> Row:
    return {} if action.get("time") is None else {"time": _integer(action["time"])}


_REBUILD: Mapping[str, Callable[[Mapping[str, Any]], Row]] = {
    "order": _order_action,
    "cancel": _cancel_action,
    "cancelByCloid": _cancel_by_cloid,
    "updateLeverage": _leverage,
    "updateIsolatedMargin": _isolated_margin,
    "scheduleCancel": _schedule,
    "noop": lambda action: {},
}


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Undeserializable(f"no object: {str(value)[:60]}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Undeserializable(f"no list: {str(value)[:60]}")
    return value


def _integer(value: object, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= INT_MAX:
        raise Undeserializable(f"no integer: {str(value)[:60]}")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Undeserializable(f"no boolean: {str(value)[:60]}")
    return value


def _number(value: object) -> Decimal:
    """Numbers are sent as text."""
    try:
        return decimal_from_text(value if isinstance(value, str) else None)
    except ValueError:
        raise Undeserializable(f"no number: {str(value)[:60]}") from None


def _scalar(value: object) -> int:
    """Half of a signature: hex, with or without its leading zeros."""
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
        raise Undeserializable("signature")
    return int(value, 16)
