"""Methods of the control socket: a name, a frozen class of parameters, and who does it."""

import difflib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from decimal import Decimal
from typing import Any, TypeVar, get_origin

import attrs
import cattrs
import cattrs.cols
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from model.amounts import decimal_from_text
from supervision.control.errors import InvalidParams, UnknownMethod

T = TypeVar("T")

CALL_S_MAX = 60.0
NUMBER_MAX = 10**12


@attrs.frozen
class NoParams:
    """Of methods that take none."""


@attrs.frozen
class Method:
    """One thing that callers can ask for.

    ``params`` is a frozen attrs class; one with a field `request_id` is a mutating call: a repetition gets
    the first one's answer, and the call is finished even if its caller hangs up.
    """

    name: str
    params: type[Any]
    handler: Callable[[Any], Awaitable[object]]
    timeout_s: float = CALL_S_MAX

    @property
    def mutates(self) -> bool:
        """Tell whether calls carry a request_id."""
        return "request_id" in attrs.fields_dict(self.params)


@attrs.frozen
class Caller:
    """Who called, by the kernel's word."""

    uid: int
    pid: int


CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""Set while a handler runs: whom to name in an audit, and to whom a confirmation is bound."""


class MethodTable:
    """The methods by name."""

    def __init__(self, methods: Iterable[Method]) -> None:
        self._methods: dict[str, Method] = {}
        for method in methods:
            if method.name in self._methods:
                raise ValueError(f"method {method.name} is there twice")
            self._methods[method.name] = method

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._methods)

    def find(self, name: str) -> Method:
        """Return the method. Raises: UnknownMethod with the name that was probably meant."""
        found = self._methods.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self.names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self.names)}"
            raise UnknownMethod("there is no such method", hint=hint)
        return found


def structure_params(kind: type[T], params: Mapping[str, Any]) -> T:
    """Return the parameters as ``kind``, strictly: nothing unknown, nothing converted, amounts as text.

    Raises: InvalidParams, which names every wrong parameter and repeats no value.
    """
    try:
        return _CONVERTER.structure(params, kind)
    except Exception as error:  # noqa: BLE001 - cattrs lets through whatever a hook or a class raises
        wrong = list(_explain(error, ""))
        names = ", ".join(attrs.fields_dict(kind)) or "none"  # type: ignore[arg-type]
        raise InvalidParams("; ".join(wrong), hint=f"parameters: {names}") from None


def _explain(error: BaseException, where: str) -> Iterable[str]:
    match error:
        case ForbiddenExtraKeysError():
            for name in sorted(str(key)[:40] for key in error.extra_fields):
                yield f"{_inside(where, name)}: unknown parameter"
        case ClassValidationError():
            notes, others = error.group_exceptions()
            for inner, note in notes:
                yield from _explain(inner, _inside(where, note.name))
            for inner in others:
                yield from _explain(inner, where)
        case IterableValidationError():
            places, others = error.group_exceptions()
            for inner, place in places:
                yield from _explain(inner, f"{where}[{place.index}]")
            for inner in others:
                yield from _explain(inner, where)
        case KeyError():
            yield f"{where}: missing"
        case _Wrong():
            yield f"{where or 'params'}: expected {error}"
        case _:
            yield f"{where or 'params'}: not taken"


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


class _Wrong(ValueError):
    """Its message says what was expected."""


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind, words in ((str, "a text"), (int, "a whole number"), (bool, "true or false")):
        converter.register_structure_hook(kind, _exactly(kind, words))
    converter.register_structure_hook(float, _seconds)
    converter.register_structure_hook(Decimal, _amount)
    for origin, make in (
        (list, cattrs.cols.list_structure_factory),
        (tuple, cattrs.cols.homogenous_tuple_structure_factory),
    ):
        converter.register_structure_hook_factory(_is_a(origin), _only_lists(make))
    # `object` is for what the method looks into itself
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    return converter


def _exactly(kind: type, words: str) -> Callable[[object, type], object]:
    def check(value: object, _: type) -> object:
        if type(value) is not kind:
            raise _Wrong(words)
        return value

    return check


def _is_a(origin: type) -> Callable[[object], bool]:
    return lambda kind: get_origin(kind) is origin


def _only_lists(
    make: Callable[[type, cattrs.BaseConverter], Callable[[Any, Any], object]],
) -> Callable[[type, cattrs.BaseConverter], Callable[[object, Any], object]]:
    """A text or an object can be iterated too; neither is a list."""

    def factory(kind: type, converter: cattrs.BaseConverter) -> Callable[[object, Any], object]:
        structure = make(kind, converter)

        def check(value: object, kind: Any) -> object:
            if not isinstance(value, list):
                raise _Wrong("a list")
            return structure(value, kind)

        return check

    return factory


def _seconds(value: object, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise _Wrong("a number")
    number = float(value) if abs(Decimal(value)) < NUMBER_MAX else None
    if number is None:
        raise _Wrong("a smaller number")
    return number


def _amount(value: object, _: type) -> Decimal:
    if not isinstance(value, str):
        raise _Wrong("a decimal as text")
    try:
        return decimal_from_text(value)
    except ValueError:
        raise _Wrong("a decimal as text") from None


_CONVERTER = _make_converter()
