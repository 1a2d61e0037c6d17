"""Each target takes any bytes; an exception that leaves it is a finding."""

import json
from collections.abc import Callable, Mapping

from supervision.control import ControlError
from supervision.control.answers import encode_small
from supervision.control.methods import MethodTable, structure_params
from supervision.control.requests import DEPTH_MAX, BadRequest, parse_request
from supervision.redaction import MASK, Redactor
from supervision.service.methods import describe_methods

METHODS = {method.name: method.params for method in describe_methods()}
CANARY = "canary0Secret1Value2Of3Someone4"
TABLE = MethodTable([])


def control_line(data: bytes) -> None:
    """Read a line as the control socket does, into the class of its method."""
    try:
        request = parse_request(data)
        params = METHODS.get(request.method)
        if params is None:
            TABLE.find(request.method)
        else:
            structure_params(params, request.params)
    except BadRequest as bad:
        _check_answer(bad.error, data)
    except ControlError as error:
        _check_answer(error, data)
    else:
        assert _depth(request.params) <= DEPTH_MAX


def control_params(data: bytes) -> None:
    """Give every method whatever JSON the bytes are, as its parameters and as each of them."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    for name, params in METHODS.items():
        tried = [value] if isinstance(value, dict) else []
        tried += [{field: value} for field in ("request_id", "name", "followers", "topics", "limit", "level")]
        for some in tried:
            line = {"jsonrpc": "2.0", "id": 1, "method": name, "params": some}
            try:
                structure_params(params, parse_request(json.dumps(line).encode()).params)
            except (BadRequest, ControlError):
                continue


def redaction(data: bytes) -> None:
    """Mask a registered secret wherever it stands in a text."""
    redactor = Redactor()
    redactor.register(CANARY)
    around = data.decode("utf-8", "replace")
    half = len(around) // 2
    masked = redactor.text(around[:half] + CANARY + around[half:])
    assert CANARY not in masked
    assert MASK in masked


def _check_answer(error: ControlError, data: bytes) -> None:
    line = encode_small({"jsonrpc": "2.0", "id": None, "error": error.to_json()})
    json.loads(line)
    assert line.count(b"\n") == 1
    assert CANARY.encode() not in line or CANARY.encode() not in data


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(item) for item in value), default=0)
    return 0


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "control_line": control_line,
    "control_params": control_params,
    "redaction": redaction,
}

SEEDS: tuple[bytes, ...] = (
    b'{"jsonrpc":"2.0","id":1,"method":"status"}',
    b'{"jsonrpc":"2.0","id":"a","method":"copies","params":{"limit":5,"follower":null}}',
    b'{"jsonrpc":"2.0","id":1,"method":"followers.apply","params":{"request_id":"r","followers":[{"name":"a"}]}}',
    b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe","params":{"topics":["*"],"from_seq":1}}',
    b'{"jsonrpc":"2.0","id":1,"method":"shutdown","params":{"request_id":"r","mode":"drain"}}',
    b'{"x":NaN}',
    b'{"a":"\\ud800"}',
    b"[" * 64,
    b'{"jsonrpc":"2.0","id":1e999,"method":"log.level","params":{"level":"debug"}}',
)
