"""Reads one line of a caller into one call; whatever is odd about it is refused by name."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

import attrs

from supervision.control.errors import ControlError, InvalidParams, InvalidRequest, Unparsable

LINE_BYTES_MAX = 4 * 1024 * 1024
DEPTH_MAX = 32
ID_CHARACTERS_MAX = 128
METHOD_CHARACTERS_MAX = 64

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_MEMBERS = frozenset({"jsonrpc", "id", "method", "params"})

RequestId = str | int | None


@attrs.frozen
class Request:
    """One call."""

    id: RequestId
    method: str
    params: Mapping[str, Any] = attrs.field(repr=False)


class BadRequest(Exception):
    """A line that is no call: the answer to it, and the id to answer under where there was one."""

    def __init__(self, error: ControlError, request_id: RequestId = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.request_id = request_id


def parse_request(line: bytes) -> Request:
    """Return the call on a line. Numbers with a point become Decimal. Raises: BadRequest."""
    data = parse_json(line)
    if isinstance(data, list):
        raise BadRequest(InvalidRequest("batches are not taken", hint="one object a line"))
    if not isinstance(data, dict):
        raise BadRequest(InvalidRequest("a call is an object", hint="one object a line"))
    request_id = _request_id(data)
    try:
        return Request(request_id, _method(data), _params(data))
    except ControlError as error:
        raise BadRequest(error, request_id) from None


def parse_json(line: bytes) -> object:
    """Return the JSON on a line. Raises: BadRequest.

    Refused: NaN and infinities, repeated keys, more than 32 levels, NUL and lone surrogates.
    """
    try:
        data = json.loads(
            line.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_no_repeats,
        )
        _check_content(data)
    except ControlError as error:
        raise BadRequest(error) from None
    except UnicodeDecodeError:
        raise BadRequest(Unparsable("not UTF-8")) from None
    except RecursionError:
        raise BadRequest(_too_deep()) from None
    except (ValueError, ArithmeticError):
        raise BadRequest(Unparsable("not JSON", hint="one JSON object a line, ended by a newline")) from None
    return data


def _no_constant(name: str) -> NoReturn:
    raise Unparsable(f"{name} is no JSON number")


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise Unparsable("a key is repeated in an object")
    return data


def _too_deep() -> Unparsable:
    return Unparsable(f"nested deeper than {DEPTH_MAX} levels")


def _check_content(data: object) -> None:
    """Walk level by level: no depth of the caller's choosing may become depth of our stack."""
    level: list[object] = [data]
    for _ in range(DEPTH_MAX + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return
        level = below
    raise _too_deep()


def _check_text(text: str) -> None:
    if _UNSTORABLE.search(text):
        raise Unparsable("a text holds NUL or half a surrogate pair")


def _request_id(data: Mapping[str, object]) -> RequestId:
    value = data.get("id")
    hint = f"an id is a text of up to {ID_CHARACTERS_MAX} characters or a whole number"
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadRequest(InvalidRequest("a call without an id has no answer", hint=hint))
    if isinstance(value, str) and len(value) > ID_CHARACTERS_MAX:
        raise BadRequest(InvalidRequest("the id is too long", hint=hint))
    if isinstance(value, int) and abs(value) > 2**63:
        raise BadRequest(InvalidRequest("the id is too large", hint=hint))
    return value


def _method(data: Mapping[str, object]) -> str:
    unknown = sorted(set(data) - _MEMBERS)
    if unknown:
        raise InvalidRequest("unknown members in the call", hint=f"known are {', '.join(sorted(_MEMBERS))}")
    if data.get("jsonrpc") != "2.0":
        raise InvalidRequest("not JSON-RPC 2.0", hint='"jsonrpc": "2.0"')
    method = data.get("method")
    if not isinstance(method, str) or not 0 < len(method) <= METHOD_CHARACTERS_MAX:
        raise InvalidRequest("method is a short text")
    return method


def _params(data: Mapping[str, Any]) -> Mapping[str, Any]:
    params = data.get("params", {})
    if not isinstance(params, dict):
        raise InvalidParams("params is an object", hint="parameters go by name")
    return params
