"""Signatures of REST requests and of WebSocket sessions (Bybit V5, "Authentication").

The text that is signed is the text that is sent: callers serialise once and pass that on.
"""

import hmac
from hashlib import sha256

from exchanges.port import Credentials

RECV_WINDOW_MS = 2_500
"""How long after its timestamp the venue may still take a request (R11)."""


class Signer:
    """Signs for one account; never printed."""

    __slots__ = ("_secret", "api_key")

    def __init__(self, credentials: Credentials) -> None:
        self.api_key = credentials.api_key
        self._secret = credentials.api_secret.encode()

    def __repr__(self) -> str:
        return "Signer(...)"

    def headers(self, payload: str, *, timestamp_ms: int, recv_window_ms: int) -> dict[str, str]:
        """Return the headers of one REST request.

        Args:
            payload: the characters after ``?`` of a GET, or the body of a POST, exactly as sent.
            timestamp_ms: Unix time as the venue has it; more than 1 s ahead of it is always refused.
        """
        text = f"{timestamp_ms}{self.api_key}{recv_window_ms}{payload}"
        return {
            "X-BAPI-API-KEY": self.api_key,
            "X-BAPI-TIMESTAMP": str(timestamp_ms),
            "X-BAPI-RECV-WINDOW": str(recv_window_ms),
            "X-BAPI-SIGN": self.sign(text),
            "X-BAPI-SIGN-TYPE": "2",
        }

    def session(self, expires_ms: int) -> list[str | int]:
        """Return the arguments of ``auth`` on a WebSocket; ``expires_ms`` lies in the venue's future."""
        return [self.api_key, expires_ms, self.sign(f"GET/realtime{expires_ms}")]

    def sign(self, text: str) -> str:
        """Return the lower-case hex HMAC-SHA256 of a text."""
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()
