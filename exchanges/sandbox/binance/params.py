"""Parameters of a request as text, read with the venue's own complaints."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from exchanges.sandbox.binance.codes import VenueError
from model.amounts import decimal_from_text

T = TypeVar("T")
Params = Mapping[str, str]

NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?")


def missing(name: str) -> VenueError:
    """Return the complaint about a parameter that is absent, blank or cannot be read."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unwanted(name: str) -> VenueError:
    """Return the complaint about a parameter that does not belong there."""
    return VenueError(-1106, f"Parameter '{name.lower()}' sent when not required.")


def required(params: Params, name: str) -> str:
    """Return a parameter; raise -1102."""
    value = params.get(name, "")
    if not value:
        raise missing(name)
    return value


def decimal(params: Params, name: str) -> Decimal:
    """Return a plain decimal; raise -1102 for anything else, exponents and a sign among it."""
    text = required(params, name)
    if not NUMBER.fullmatch(text) or text.startswith("-"):
        raise missing(name)
    return decimal_from_text(text)


def integer(params: Params, name: str, default: int | None = None) -> int:
    """Return a whole number; raise -1102, or -1100 for what is none."""
    if default is not None and not params.get(name):
        return default
    text = required(params, name)
    if not re.fullmatch(r"\d{1,19}", text):
        raise VenueError(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.",
        )
    return int(text)


def boolean(params: Params, name: str, default: bool | None = None) -> bool:
    """Return a flag: ``true`` or ``false``, in small letters; raise -1102 or -1130."""
    if default is not None and not params.get(name):
        return default
    match required(params, name):
        case "true":
            return True
        case "false":
            return False
        case _:
            raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")


def word(params: Params, name: str, words: Mapping[str, T], *, code: int, text: str) -> T:
    """Return what a word of a closed list stands for; raise -1102, or ``code`` for another."""
    value = required(params, name)
    try:
        return words[value]
    except KeyError:
        raise VenueError(code, text) from None
