"""Sealed secrets: only whoever has the sealing key reads them, and only in their own place.

A token's plaintext names the follower, exchange and field that it belongs to. Fernet has no associated data,
so this is what keeps a row from being swapped for another. Keys come from the caller (section 6).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

import attrs
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from model.ledger.rows import FollowerRow


class SecretUnreadable(Exception):
    """A token was sealed with a key that is not there, was altered, or stands in the wrong place."""


def generate_key() -> str:
    """Return a new sealing key as text."""
    return Fernet.generate_key().decode()


def key_name(key: str) -> str:
    """Return a short name of a sealing key: a hash of its 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


class SealingKeys:
    """The keys, newest first: the first one seals, all of them open. Never shown."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raise ValueError for no key, or for text that is not a key; the text is not repeated."""
        if not keys:
            raise ValueError("no sealing key")
        self._fernets = [_fernet(key, place) for place, key in enumerate(keys, start=1)]
        self._all = MultiFernet(self._fernets)
        self.newest_name = key_name(keys[0])
        """Tells the sealing key apart from others; says nothing of it."""

    def __repr__(self) -> str:
        return f"<SealingKeys: {len(self._fernets)}>"

    def seal(self, value: str, *, account: str, exchange: str, field: str) -> str:
        """Return a token that opens only as this field of this account on this exchange."""
        plain = {"account": account, "exchange": exchange, "field": field, "value": value}
        return self._all.encrypt(json.dumps(plain).encode()).decode()

    def open(self, token: str, *, account: str, exchange: str, field: str) -> str:
        """Return the sealed value. Raises: SecretUnreadable, which never repeats token or value."""
        plain = self._plain(token, f"{field} of {account}")
        place = (plain.get("account"), plain.get("exchange"), plain.get("field"))
        value = plain.get("value")
        if place != (account, exchange, field) or not isinstance(value, str):
            raise SecretUnreadable(f"{field} of {account}: the token was sealed for another place")
        return value

    def is_current(self, token: str) -> bool:
        """Tell whether the newest key sealed the token."""
        try:
            self._fernets[0].decrypt(token.encode())
        except InvalidToken:
            return False
        return True

    def rotate(self, token: str) -> str:
        """Return the token sealed with the newest key; one that is already stays as it is.

        Raises: SecretUnreadable.
        """
        if self.is_current(token):
            return token
        try:
            return self._all.rotate(token.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable("a token that no key opens") from None

    def _plain(self, token: str, what: str) -> Mapping[str, object]:
        try:
            plain = json.loads(self._all.decrypt(token.encode()))
        except (InvalidToken, ValueError):
            raise SecretUnreadable(f"{what}: no sealing key opens it, or it was altered") from None
        return plain if isinstance(plain, dict) else {}


def seal_secrets(
    keys: SealingKeys, secrets: Mapping[str, str], *, name: str, exchange: str
) -> dict[str, str]:
    """Return the tokens of a follower's secrets, by field."""
    return {
        field: keys.seal(value, account=name, exchange=exchange, field=field)
        for field, value in secrets.items()
    }


def open_secrets(keys: SealingKeys, row: FollowerRow) -> dict[str, str]:
    """Return a follower's secrets in plain text, by field. Raises: SecretUnreadable."""
    it = row.settings
    return {
        field: keys.open(token, account=it.name, exchange=it.exchange, field=field)
        for field, token in row.secrets.items()
    }


def rotate_secrets(keys: SealingKeys, rows: Sequence[FollowerRow]) -> list[FollowerRow]:
    """Return those rows that an older key sealed, sealed anew; none are left when it is repeated.

    Raises: SecretUnreadable.
    """
    renewed = [
        attrs.evolve(row, secrets={field: keys.rotate(token) for field, token in row.secrets.items()})
        for row in rows
    ]
    return [new for new, old in zip(renewed, rows, strict=True) if new != old]


def _fernet(key: str, place: int) -> Fernet:
    try:
        return Fernet(key)
    except (ValueError, TypeError):
        raise ValueError(f"sealing key {place} is not a key: 32 bytes in URL-safe base64") from None
