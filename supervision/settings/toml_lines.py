"""On which line of a TOML text a key stands: tomllib does not say.

Reads texts that tomllib has accepted; for what it does not follow (keys inside inline tables) the line of
the nearest enclosing key is close enough.
"""

import re
from collections.abc import Sequence

Key = tuple[str | int, ...]

_PART = r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'"""
_DOTTED = rf"(?:{_PART})(?:\s*\.\s*(?:{_PART}))*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=(.*)", re.DOTALL)
_TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*|[\[\]{}]')


class TomlLines:
    """Lines, from 1, by key path; the elements of an array of tables are counted from 0."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Key, int] = {}
        self._table: Key = ()
        self._counts: dict[Key, int] = {}
        self._depth = 0
        self._quote = ""
        for number, line in enumerate(text.split("\n"), start=1):
            self._read(line, number)

    def line_of(self, key: Sequence[str | int]) -> int | None:
        """Return the line of a key, or else of the nearest thing around it that has one."""
        for length in range(len(key), 0, -1):
            found = self._lines.get(tuple(key[:length]))
            if found is not None:
                return found
        return None

    def _read(self, line: str, number: int) -> None:
        if self._depth or self._quote:
            self._skip(line)
        elif header := _HEADER.match(line):
            self._enter(header[1] == "[[", _parts(header[2]), number)
        elif assignment := _ASSIGNMENT.match(line):
            self._assign(_parts(assignment[1]), number)
            self._skip(assignment[2])

    def _enter(self, is_array: bool, parts: Key, number: int) -> None:
        key = self._resolve(parts[:-1] if is_array else parts)
        if is_array:
            key = (*key, parts[-1])
            index = self._counts[key] = self._counts.get(key, -1) + 1
            self._lines.setdefault(key, number)
            key = (*key, index)
        self._lines.setdefault(key, number)
        self._table = key

    def _resolve(self, parts: Key) -> Key:
        """Insert the index of the array element that a header goes on with."""
        key: Key = ()
        for part in parts:
            key = (*key, part)
            if key in self._counts:
                key = (*key, self._counts[key])
        return key

    def _assign(self, parts: Key, number: int) -> None:
        for length in range(1, len(parts) + 1):
            self._lines.setdefault((*self._table, *parts[:length]), number)

    def _skip(self, text: str) -> None:
        """Follow brackets and long strings, so that what they hold is not taken for keys."""
        if self._quote:
            _, found, text = text.partition(self._quote)
            if not found:
                return
            self._quote = ""
        for token in _TOKEN.finditer(text):
            word = token[0]
            if word in ('"""', "'''"):
                self._quote = word
                self._skip(text[token.end() :])
                return
            self._depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(word, 0)


def _parts(dotted: str) -> Key:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))
