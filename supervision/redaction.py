"""One redactor for everything that leaves the process as text: logs, tracebacks, replies, alerts.

Three nets: values that were registered, keys that name a secret, and the shapes secrets have.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

MASK = "***"
VALUE_LENGTH_MIN = 6
"""Shorter values are not looked for: they would mask half of every line."""
DEPTH_MAX = 12

_DENIED = frozenset(
    {"authorization", "sign", "signature", "cookie", "sealingkeys", "xbapisign", "xmbxapikey"}
)
_DENIED_ENDS = (
    *("secret", "password", "passwd", "passphrase", "token", "apikey", "privatekey", "agentkey"),
    *("listenkey", "sealingkey", "secrets", "tokens", "credentials", "apisecret", "signature"),
)
_NAMED = (
    r"(?:x-bapi-sign|x-bapi-api-key|x-mbx-apikey|signature|listen_?key|api_?key|api_?secret|agent_?key"
    r"|private_?key|secret|token|passw(?:or)?d|passphrase)"
)
_IS = r"""(?:\\?['"]?\s*[=:]|['"]\s*,)\s*(?:b?\\?['"])?"""
_WORD = r"""(?!(?:None|null|expected|missing|unknown|not)\b)[^\s'"&,;)}\]\\]+"""
_SHAPES = (
    re.compile(rf"(\b(?:proxy-)?authorization\b{_IS})(?:(?:basic|bearer|token)\s+)?{_WORD}", re.I),
    re.compile(rf"(\b{_NAMED}{_IS}){_WORD}", re.I),
    re.compile(r"(/bot)\d+:[A-Za-z0-9_-]+"),
    re.compile(r"()\b\d{6,12}:[A-Za-z0-9_-]{30,}"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"()(?<![A-Za-z0-9])(?:0x)?[A-Za-z0-9]{64}(?![A-Za-z0-9])"),
    re.compile(r"()gAAAAA[A-Za-z0-9_-]{20,}={0,2}"),
    re.compile(r"(/ws/)[A-Za-z0-9]{40,}"),
)
_HINT = re.compile(
    r"auth|sign|key|secret|token|passw|passphrase|bot|://|gAAAAA|/ws/|[A-Za-z0-9]{64}|\d{6}:", re.I
)


class Redactor:
    """Knows the secret values of this process and removes them, and what looks like one."""

    def __init__(self) -> None:
        self._by_start: dict[tuple[str, ...], set[str]] = {}

    def register(self, value: str) -> None:
        """Remove this value from now on, also as it looks inside a URL, JSON or a repr."""
        for form in {value, quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]}:
            if len(form) >= VALUE_LENGTH_MIN:
                self._by_start.setdefault(tuple(form[:VALUE_LENGTH_MIN]), set()).add(form)

    def text(self, text: str) -> str:
        """Return ``text`` without secrets. Linear in its length, however many values are registered."""
        text = self._without_values(text)
        if _HINT.search(text):
            for shape in _SHAPES:
                text = shape.sub(rf"\g<1>{MASK}", text)
        return text

    def value(self, value: object, *, depth: int = DEPTH_MAX) -> object:
        """Return ``value`` without secrets, also under keys that name one; plain JSON values only."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth <= 0:
            return "..."
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._field(str(key), item, depth) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(item, depth=depth - 1) for item in value]
        return self.text(str(value))

    def _field(self, key: str, item: object, depth: int) -> object:
        if item is not None and is_secret_key(key):
            return MASK
        return self.value(item, depth=depth - 1)

    def _without_values(self, text: str) -> str:
        starts = self._by_start
        windows = zip(*(text[skip:] for skip in range(VALUE_LENGTH_MIN)), strict=False)
        if starts.keys().isdisjoint(windows):  # nearly always, and decided without a loop of ours
            return text
        pieces: list[str] = []
        place = kept = 0
        while place <= len(text) - VALUE_LENGTH_MIN:
            forms = starts.get(tuple(text[place : place + VALUE_LENGTH_MIN]))
            if forms is None or not (found := _longest(forms, text, place)):
                place += 1
                continue
            pieces += (text[kept:place], MASK)
            kept = place = place + found
        return "".join((*pieces, text[kept:]))


def _longest(forms: set[str], text: str, place: int) -> int:
    """Return the length of the longest of ``forms`` that stands at ``place``, 0 for none."""
    return max((len(form) for form in forms if text.startswith(form, place)), default=0)


def is_secret_key(key: str) -> bool:
    """Tell whether a field of this name is never shown."""
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    return plain in _DENIED or plain.endswith(_DENIED_ENDS)


REDACTOR = Redactor()
"""The process's own: what is secret stays so everywhere."""


def register_secret(value: str) -> None:
    """Make the process's redactor remove ``value`` from now on."""
    REDACTOR.register(value)
