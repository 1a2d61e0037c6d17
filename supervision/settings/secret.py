"""Secrets of the configuration: references to them, and their values, which are never shown."""

import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import attrs

from supervision.exits import OperatorError
from supervision.private_files import read_private_text
from supervision.redaction import register_secret

REFERENCE = "env:NAME or file:PATH (plain text is refused)"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV_IN_URL = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


class SecretMissing(OperatorError):
    """A secret's variable or file is not there, or is empty."""


class Secret:
    """A secret value. Shows as `***`; every logger removes it from whatever it turns up in."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register_secret(value)

    def reveal(self) -> str:
        """Return the value, to sign with or to seal."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("secret", self._value))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not pickled")


@attrs.frozen
class SecretRef:
    """Where a secret is: `env:NAME` or `file:PATH`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "SecretRef":
        """Return the reference that ``text`` spells. Raises: ValueError, which does not repeat it."""
        kind, _, place = text.partition(":")
        if kind == "env" and _ENV_NAME.fullmatch(place):
            return cls(text)
        if kind == "file" and place.strip() and "\0" not in place:
            return cls(text)
        raise ValueError(REFERENCE)

    @property
    def kind(self) -> str:
        """`env` or `file`."""
        return self.text.partition(":")[0]

    @property
    def place(self) -> str:
        """The variable's name or the file's path."""
        return self.text.partition(":")[2]


def resolve_secret(ref: SecretRef, base_dir: Path, env: Mapping[str, str]) -> Secret:
    """Return the secret that ``ref`` names; a file's path is relative to ``base_dir``.

    Raises: SecretMissing, FileUnreadable, UnsafePermissions; none of them shows a value.
    """
    if ref.kind == "env":
        value = _variable(ref.place, env)
    else:
        value = read_private_text(base_dir / Path(ref.place).expanduser())
    if not value:
        raise SecretMissing(f"{ref.text}: empty")
    if any(not " " < letter <= "~" for letter in value):
        raise SecretMissing(f"{ref.text}: holds blanks or characters that no key has")
    return Secret(value)


def resolve_url(url: str, env: Mapping[str, str]) -> str:
    """Return ``url`` with each `env:NAME` in it replaced, letters that urls have a use for quoted.

    Raises: SecretMissing.
    """
    return _ENV_IN_URL.sub(lambda found: _quoted(Secret(_variable(found[1], env))).reveal(), url)


def _quoted(secret: Secret) -> Secret:
    """Keep `:`, which stands in tokens of Telegram and is harmless in a password."""
    return Secret(quote(secret.reveal(), safe=":"))


def _variable(name: str, env: Mapping[str, str]) -> str:
    if name not in env:
        raise SecretMissing(f"env:{name}: the variable is not set", hint=f"export {name}=...")
    value = env[name].strip()
    if not value:
        raise SecretMissing(f"env:{name}: the variable is empty")
    return value
