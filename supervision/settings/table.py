"""Reads one table of a file, key by key, and remembers all that is wrong instead of stopping."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import TypeVar

from model.amounts import decimal_from_text, format_decimal
from supervision.settings.errors import ConfigError, ConfigErrors
from supervision.settings.toml_lines import Key, TomlLines

E = TypeVar("E", bound=Enum)

MAGNITUDE_MAX = 30
"""Powers of ten; what is larger or finer is a slip, and would be a long line to write out."""

_UNITS = ("_s", "_ms", "_min", "_h", "_pct", "_points")


class Findings:
    """Collects what is wrong in one source."""

    def __init__(self, source: str, lines: TomlLines | None = None) -> None:
        self.source = source
        self._lines = lines
        self.errors: list[ConfigError] = []

    def add(self, key: Key, expected: str, got: str) -> None:
        """Note that ``key`` holds something else than what was expected."""
        line = self._lines.line_of(key) if self._lines else None
        self.errors.append(ConfigError(path_text(key), line, expected, got, self.source))

    def raise_if_any(self) -> None:
        """Raise ConfigErrors with everything noted so far, in the order of the file."""
        if self.errors:
            raise ConfigErrors(sorted(self.errors, key=lambda error: error.line or 0))


class Table:
    """One table. After an error the default comes back; it is never used, for the whole file is refused."""

    def __init__(self, data: object, key: Key, findings: Findings) -> None:
        self.key = key
        self.findings = findings
        self._known: list[str] = []
        self._data: Mapping[str, object] = {}
        if isinstance(data, Mapping):
            self._data = data
        else:
            findings.add(key, "a table", kind_of(data))

    def __contains__(self, name: str) -> bool:
        return name in self._data

    @property
    def names(self) -> tuple[str, ...]:
        """All keys, where the file itself says what they are called."""
        return tuple(map(str, self._data))

    def wrong(self, name: str, expected: str, got: str) -> None:
        """Note that the value of ``name`` is wrong."""
        self.findings.add((*self.key, name), expected, got)

    def raw(self, name: str) -> object:
        """Return a value as it stands, None when absent; the key counts as known from now on."""
        self._known.append(name)
        return self._data.get(name)

    def text(self, name: str, default: str | None = "", *, secret: bool = False) -> str:
        """Return a text; ``default`` None means that the key must be there."""
        value = self.raw(name)
        if value is None:
            if default is None:
                self.wrong(name, "a text", "nothing: the key is missing")
            return default or ""
        if not isinstance(value, str):
            self.wrong(name, "a text in quotes", kind_of(value))
            return default or ""
        if not value.strip() or any(letter < " " or letter == "\x7f" for letter in value):
            self.wrong(name, "a text", "blank or control characters" if secret else repr(value))
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """Return true or false."""
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.wrong(name, "true or false", shown(value))
        return default

    def choice(self, name: str, kind: Iterable[E], default: E) -> E:
        """Return the member of ``kind``, an Enum or some members of one, whose value stands there."""
        value = self.raw(name)
        if value is None:
            return default
        members = {str(member.value): member for member in kind}
        words = list(members)
        if isinstance(value, str) and value in members:
            return members[value]
        self.wrong(name, f"one of {', '.join(words)}", shown(value) + guess(value, words))
        return default

    def seconds(self, name: str, default: float, *, low: float, high: float) -> float:
        """Return seconds as a bare number within [low, high]."""
        return self._number(name, default, f"seconds as a number from {low:g} to {high:g}", low, high)

    def points(self, name: str, default: Decimal, *, high: Decimal) -> Decimal:
        """Return percentage points > 0, as a number or as text."""
        value = self.raw(name)
        if value is None:
            return default
        number = _decimal(value) if isinstance(value, (str, int, Decimal)) else None
        if number is None or not 0 < number <= high:
            self.wrong(name, f"percentage points above 0, at most {high}", shown(value))
            return default
        return number

    def whole(self, name: str, *, low: int, high: int) -> int | None:
        """Return a whole number within [low, high], None when absent."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.wrong(name, f"a whole number from {low} to {high}", shown(value))
        return None

    def amount(
        self,
        name: str,
        *,
        low: Decimal | None,
        high: Decimal | None = None,
        above: bool = False,
        unit: str = "",
    ) -> Decimal | None:
        """Return a decimal written as text, None when absent (money is never a float, R6).

        Args:
            above: ``low`` itself is refused.
            unit: what it is, for the message.
        """
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, str):
            hint = f'; write it in quotes: {name} = "{shown(value)}"' if _is_number(value) else ""
            self.wrong(name, f"a decimal as text{hint}", kind_of(value))
            return None
        number = _decimal(value)
        if number is None or not _within(number, low, high, above):
            self.wrong(name, f"a decimal {_range(low, high, above)}{unit}", shown(value))
            return None
        return number

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts, None when absent."""
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            self.wrong(name, "a list of texts", kind_of(value))
            return None
        return tuple(value)

    def table(self, name: str) -> "Table":
        """Return a table inside this one, an empty one when absent."""
        value = self.raw(name)
        return Table({} if value is None else value, (*self.key, name), self.findings)

    def done(self) -> None:
        """Refuse what was not asked for, with the key that was probably meant."""
        for name in self._data:
            if name not in self._known:
                expected = f"one of {', '.join(sorted(self._known))}"
                self.wrong(str(name), expected, "an unknown key" + guess_key(str(name), self._known))

    def _number(self, name: str, default: float, expected: str, low: float, high: float) -> float:
        value = self.raw(name)
        if value is None:
            return default
        number = _float(value)
        if number is None or not low <= number <= high:
            self.wrong(name, expected, shown(value))
            return default
        return number


def path_text(key: Key) -> str:
    """Return a key path as people write it: `followers[0].limits.max_leverage`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def kind_of(value: object) -> str:
    """Name what a value is without showing it."""
    names = {str: "a text", bool: "true or false", int: "a whole number", Decimal: "a number with a point"}
    names |= {list: "a list", tuple: "a list", dict: "a table", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def shown(value: object) -> str:
    """Return a short form of a value that is no secret."""
    try:
        text = str(value) if _is_number(value) else repr(value)
    except ValueError:  # more digits than Python writes out
        text = "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def guess(value: object, words: Sequence[str]) -> str:
    """Return `, did you mean ...?` when one of ``words`` is close."""
    near = difflib.get_close_matches(str(value), words, n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else ""


def guess_key(name: str, known: Sequence[str]) -> str:
    """Like ``guess``; a key that differs in its unit only is the one meant."""
    same = [key for key in known if _bare(key) == _bare(name)]
    return f", did you mean {same[0]}?" if same else guess(name, known)


def _bare(name: str) -> str:
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return name.replace("-", "_").lower()


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _decimal(value: object) -> Decimal | None:
    try:
        number = decimal_from_text(value)
    except ValueError:
        return None
    return number if abs(number.adjusted()) <= MAGNITUDE_MAX else None


def _within(number: Decimal, low: Decimal | None, high: Decimal | None, above: bool) -> bool:
    if low is not None and (number < low or (above and number == low)):
        return False
    return high is None or number <= high


def _range(low: Decimal | None, high: Decimal | None, above: bool) -> str:
    parts = []
    if low is not None:
        parts.append(f"{'above' if above else 'of at least'} {format_decimal(low)}")
    if high is not None:
        parts.append(f"at most {format_decimal(high)}")
    return ", ".join(parts)
