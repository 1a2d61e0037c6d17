"""Signatures of REST requests and of order entry by WebSocket (USD-M "General Info").

The text that is signed is the text that is sent: a query is encoded once, signed and passed on.
Only HMAC keys: a session cannot be logged on with them, so every request is signed.
"""

import hmac
import json
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import urlencode

from exchanges.port import Credentials

ORDER_WINDOW_MS = 3_000
"""How long after its timestamp the venue may still take an order (R11); its engine checks it again."""
READ_WINDOW_MS = 5_000

Params = Sequence[tuple[str, str]]


class Signer:
    """Signs for one account; never printed."""

    __slots__ = ("_secret", "api_key")

    def __init__(self, credentials: Credentials) -> None:
        self.api_key = credentials.api_key
        self._secret = credentials.api_secret.encode()

    def __repr__(self) -> str:
        return "Signer(...)"

    def query(self, params: Params, *, timestamp_ms: int, window_ms: int) -> str:
        """Return the signed query of a REST request, signature last.

        Args:
            params: in the order in which they are sent; names beyond ASCII are percent-encoded as
                UTF-8 before they are signed.
            timestamp_ms: Unix time as the venue has it; more than 1 s ahead of it is always refused.
        """
        timed = (*params, ("recvWindow", str(window_ms)), ("timestamp", str(timestamp_ms)))
        text = urlencode(timed)
        return f"{text}&signature={self.sign(text)}"

    def request(
        self, request_id: str, method: str, params: Params, *, timestamp_ms: int, window_ms: int
    ) -> str:
        """Return the text of one signed request by WebSocket: its parameters are signed in order of name."""
        timed = (("apiKey", self.api_key), ("recvWindow", window_ms), ("timestamp", timestamp_ms))
        ordered: list[tuple[str, str | int]] = sorted((*params, *timed), key=_name)
        signed = dict(ordered) | {"signature": self.sign(urlencode(ordered))}
        return json.dumps({"id": request_id, "method": method, "params": signed}, separators=(",", ":"))

    def sign(self, text: str) -> str:
        """Return the lower-case hex HMAC-SHA256 of a text."""
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()


def _name(param: tuple[str, str | int]) -> str:
    return param[0]
