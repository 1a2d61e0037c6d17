"""Spoils texts, by a seed: what a broken or hostile venue, proxy or caller may send instead of JSON."""

import json
import random
import re
from collections.abc import Callable
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**30, 1.5, "", "0", "-1", "1e999", "1e-999", "NaN", "Infinity", "x" * 300),
    *([], {}, [[]], [{}], {"a": {"b": []}}, "9" * 60, "0x10", "１", "\u0000", "1_000", " 1", -(10**18)),
)
JUNK = (
    "\x00",
    "\ufffd",
    '"',
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "NaN",
    "1e400",
    "\ud800",
    "[" * 5_000,
    "null",
)
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null')
EVERYTHING_ELSE_SHARE = 0.05

Spoil = Callable[[random.Random, str], str]


def spoiled(chance: random.Random, text: str) -> str:
    """Return the text with one thing wrong, seldom with several."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        text = chance.choice(WAYS)(chance, text)
    return text


def _cut(chance: random.Random, text: str) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _without_a_span(chance: random.Random, text: str) -> str:
    start = chance.randrange(len(text) + 1)
    return text[:start] + text[start + chance.randrange(1, 40) :]


def _with_junk(chance: random.Random, text: str) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice(JUNK) + text[place:]


def _with_another_token(chance: random.Random, text: str) -> str:
    tokens = list(TOKEN.finditer(text))
    if not tokens:
        return text
    token = chance.choice(tokens)
    return text[: token.start()] + json.dumps(chance.choice(VALUES)) + text[token.end() :]


def _with_another_value(chance: random.Random, text: str) -> str:
    """Change, leave out or repeat one value of the document."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    places = list(_places(document))
    if not places:
        return json.dumps(chance.choice(VALUES))
    holder, key = chance.choice(places)
    way = chance.randrange(4)
    if way == 0 and isinstance(holder, dict):
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        other = chance.choice(sorted(holder))
        holder[key], holder[other] = holder[other], holder[key]
    elif way == 2 and isinstance(holder, list):
        holder.extend([holder[key]] * chance.choice((1, 50)))
    else:
        holder[key] = chance.choice(VALUES)
    return json.dumps(document)


def _places(document: Any) -> Any:
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield document, key
            yield from _places(document[key])


def _something_else(chance: random.Random, text: str) -> str:
    if chance.random() < EVERYTHING_ELSE_SHARE:
        return chance.choice(("", "<html>502 Bad Gateway</html>", "pong", "null", "[]", "{}", "[" * 20_000))
    return _with_another_value(chance, text)


WAYS: tuple[Spoil, ...] = (
    *(_cut, _without_a_span, _with_junk, _with_another_token, _with_another_token),
    *(_with_another_value, _with_another_value, _with_another_value, _something_else),
)
