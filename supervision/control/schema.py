"""JSON Schema of the control methods, made from the classes that calls are structured into."""

import enum
import types
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Union, get_args, get_origin

import attrs

from supervision.control.requests import ID_CHARACTERS_MAX

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DECIMAL = r"^[+-]?(\d+(\.\d*)?|\.\d+)$"
REQUEST_ID_MAX = 128

Schema = dict[str, Any]

_PLAIN: Mapping[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": "number"},
    Decimal: {"type": "string", "pattern": DECIMAL},
    types.NoneType: {"type": "null"},
    object: {},
    Any: {},
}


@attrs.frozen(kw_only=True)
class MethodDescription:
    """A control method as it is documented: its name, its class of parameters, what it does."""

    name: str
    params: type[Any]
    summary: str

    @property
    def mutates(self) -> bool:
        """Tell whether calls carry a request_id."""
        return "request_id" in attrs.fields_dict(self.params)


def control_schema(methods: Iterable[MethodDescription], *, protocol: str) -> Schema:
    """Return the schema of one line that a caller sends: a call of any of ``methods``."""
    calls = {method.name: _call(method) for method in methods}
    return {
        "$schema": DIALECT,
        "title": f"copytrader control socket, protocol {protocol}",
        "description": "One JSON-RPC 2.0 call a line, UTF-8, at most 4 MiB. Amounts are text, never numbers.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in calls],
        "$defs": calls,
    }


def params_schema(kind: type[Any]) -> Schema:
    """Return the schema of a class of parameters. Raises: TypeError for a type that no call can carry."""
    fields = attrs.fields(attrs.resolve_types(kind))
    properties = {field.name: _field(field) for field in fields}
    required = [field.name for field in fields if field.default is attrs.NOTHING]
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _call(method: MethodDescription) -> Schema:
    params = params_schema(method.params)
    required = ["jsonrpc", "id", "method", *(["params"] if params.get("required") else [])]
    return {
        "description": method.summary,
        "type": "object",
        "properties": {
            "jsonrpc": {"const": "2.0"},
            "id": {"anyOf": [{"type": "string", "maxLength": ID_CHARACTERS_MAX}, {"type": "integer"}]},
            "method": {"const": method.name},
            "params": params,
        },
        "required": required,
        "additionalProperties": False,
    }


def _field(field: "attrs.Attribute[Any]") -> Schema:
    schema = _of_type(field.type)
    if field.name == "request_id":
        schema = {**schema, "minLength": 1, "maxLength": REQUEST_ID_MAX}
    default = field.default
    if default is attrs.NOTHING or isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return schema
    return {**schema, "default": _plain(default)}


def _of_type(kind: Any) -> Schema:
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of_type(part) for part in inner]}
    if origin in (list, tuple, frozenset):
        return {"type": "array", "items": _of_type(inner[0])}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _of_type(inner[1])}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if isinstance(kind, type) and attrs.has(kind):
        return params_schema(kind)
    raise TypeError(f"no call can carry {kind!r}")


def _plain(value: object) -> object:
    match value:
        case enum.Enum():
            return value.value
        case Decimal():
            return str(value)
        case tuple() | list() | frozenset():
            return [_plain(item) for item in value]
    return value
