"""Our values as JSON and back: decimals as text, unknown keys refused, nothing guessed."""

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

import attrs
import cattrs

from model.amounts import decimal_from_text, format_decimal
from model.change import Change
from model.copy import Claim, CopyOutcome, OrderRecord
from model.ledger.errors import LedgerRefused
from model.settings import FollowerSettings

T = TypeVar("T")


def encode_change(change: Change) -> str:
    """Return a change as one line of JSON."""
    return dump_json(_CONVERTER.unstructure(change))


def decode_change(text: str) -> Change:
    """Return the change that ``text`` spells. Raises: LedgerRefused."""
    return _structure(text, Change)


def encode_settings(settings: FollowerSettings) -> str:
    """Return a follower's settings as one line of JSON."""
    return dump_json(_CONVERTER.unstructure(settings))


def decode_settings(text: str) -> FollowerSettings:
    """Return the settings that ``text`` spells. Raises: LedgerRefused."""
    return _structure(text, FollowerSettings)


def encode_claim(claim: Claim) -> str:
    """Return a claim as one line of JSON."""
    return dump_json(_CONVERTER.unstructure(claim))


def decode_claim(text: str) -> Claim:
    """Return the claim that ``text`` spells. Raises: LedgerRefused."""
    return _structure(text, Claim)


def encode_order(order: OrderRecord) -> str:
    """Return an order as one line of JSON."""
    return dump_json(_CONVERTER.unstructure(order))


def decode_order(text: str) -> OrderRecord:
    """Return the order that ``text`` spells. Raises: LedgerRefused."""
    return _structure(text, OrderRecord)


def encode_outcome(outcome: CopyOutcome) -> str:
    """Return an outcome as one line of JSON."""
    return dump_json(_CONVERTER.unstructure(outcome))


def decode_outcome(text: str) -> CopyOutcome:
    """Return the outcome that ``text`` spells. Raises: LedgerRefused."""
    return _structure(text, CopyOutcome)


def dump_json(value: object) -> str:
    """Return compact JSON; decimals as plain digits, enums by value, attrs classes by field."""
    try:
        return json.dumps(value, default=_plain, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LedgerRefused(f"not to be kept as JSON: {error}") from error


def load_json(text: str) -> Any:
    """Return what ``text`` spells. Raises: LedgerRefused."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise LedgerRefused(f"not JSON: {error}") from error


def decimal_text(value: Decimal | None) -> str | None:
    """Return an amount as the tables keep it."""
    return None if value is None else format_decimal(value)


def text_decimal(text: str | None) -> Decimal | None:
    """Return the amount that a table keeps."""
    return None if text is None else decimal_from_text(text)


def _structure(text: str, kind: type[T]) -> T:
    try:
        return _CONVERTER.structure(load_json(text), kind)
    except (cattrs.BaseValidationError, ValueError, TypeError, AttributeError) as error:
        raise LedgerRefused(f"{kind.__name__} in the ledger is unreadable: {error!r}") from error


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if attrs.has(type(value)):
        return attrs.asdict(value, recurse=False)  # type: ignore[arg-type]
    raise TypeError(f"{type(value).__name__} {value!r}")


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(Decimal, format_decimal)
    converter.register_structure_hook(Decimal, _decimal)
    for kind in (int, bool, str):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, object], _mapping)
    return converter


def _decimal(value: object, _: type) -> Decimal:
    if not isinstance(value, str):
        raise ValueError(f"an amount is text: {value!r}")
    return decimal_from_text(value)


def _mapping(value: object, _: type) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"not an object: {value!r}")
    return value


def _exactly(value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise ValueError(f"not {kind.__name__}: {value!r}")
    return value


_CONVERTER = _make_converter()
