"""The page that documents the control socket, made from the same classes as its schema."""

from collections.abc import Iterable, Mapping
from typing import Any

from supervision.control.limits import Limits
from supervision.control.requests import DEPTH_MAX, LINE_BYTES_MAX
from supervision.control.schema import MethodDescription, params_schema

_LIMITS = Limits()

_HEAD = f"""\
# The control socket

A Unix stream socket that speaks JSON-RPC 2.0, one object a line, to the engine's own user and root
(`[control] socket`; `run/copytrader.sock` beside the configuration by default). The command line is an
ordinary client of it; so may be yours. This page is printed by `copytrader schema --markdown`, and
`copytrader schema` prints the JSON Schema of every call.

- The engine greets with a notification `hello`: product, version, protocol, instance. Nothing is owed
  in return.
- Parameters go by name. Unknown ones, missing ones and wrong kinds are refused, all named at once.
  Amounts are text.
- A method with a `request_id` changes something: the call is written to the ledger with its `reason` before
  it acts, a repetition with the same id gets the first one's answer, and it is finished even when its caller
  hangs up.
- A line holds {LINE_BYTES_MAX // (1024 * 1024)} MiB and {DEPTH_MAX} levels at most, and must be whole
  {_LIMITS.partial_line_s:g} s after its first byte. {_LIMITS.clients} callers at a time,
  {_LIMITS.calls_per_s:g} calls a second each.
- After `events.subscribe` each event arrives as a notification `event` with `seq`, `ts`, `topic` and its own
  fields. `seq` grows by one with every event of the engine; `events.dropped` with a `count` says how many of
  yours are missing.

Errors carry `data.code` and `data.hint`:

| number | code | means |
|---|---|---|
| -32700 | `parse_error` | not JSON; or NaN, a repeated key, NUL, half a surrogate pair, too many levels |
| -32600 | `invalid_request` | JSON, but no call |
| -32601 | `method_not_found` | no such method; the hint names the nearest |
| -32602 | `invalid_params` | a parameter is missing, unknown or of another kind |
| -32603 | `internal_error` | the engine failed at it; its log says how |
| -32001 | `unauthorised` | not the engine's user, nor root |
| -32002 | `conflict` | does not go together with what is or was asked for |
| -32003 | `not_found` | there is nothing of that name |
| -32004 | `rate_limited` | too many calls or callers; `data.retry_after` in seconds |
| -32006 | `confirmation_required` | a destructive call without the token of its preview |
| -32007 | `not_ready` | the engine cannot do it yet |

## Methods

| method | parameters | does |
|---|---|---|
"""


def control_page(methods: Iterable[MethodDescription]) -> str:
    """Return the page, in Markdown."""
    return _HEAD + "".join(f"{_row(method)}\n" for method in methods)


def _row(method: MethodDescription) -> str:
    schema = params_schema(method.params)
    required = schema.get("required", ())
    words = ", ".join(
        _parameter(name, field, required=name in required) for name, field in schema["properties"].items()
    )
    return f"| `{method.name}` | {words or '-'} | {method.summary.replace('|', chr(92) + '|')} |"


def _parameter(name: str, field: Mapping[str, Any], *, required: bool) -> str:
    words = f"`{name}`: {_kind(field)}"
    if required:
        return words
    default = field.get("default")
    return f"{words} = {_shown(default)}" if default not in (None, "", []) else f"{words}, optional"


def _kind(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(part) for part in field["anyOf"] if part.get("type") != "null")
    if "enum" in field:
        return " / ".join(f'"{value}"' for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    if "pattern" in field:
        return "decimal as text"
    name = str(field.get("type", "anything"))
    return {"string": "text", "integer": "whole number", "boolean": "true or false"}.get(name, name)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return "[" + ", ".join(f'"{item}"' for item in default) + "]"
    return f'"{default}"' if isinstance(default, str) else str(default)
