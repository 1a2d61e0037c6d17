"""Signatures and the receive window, as the venue checks them."""

import hashlib
import hmac
from collections.abc import Mapping

from exchanges.sandbox.account import Account
from exchanges.sandbox.bybit.codes import VenueError
from exchanges.sandbox.venue import SandboxVenue

AHEAD_MS_MAX = 1000
RECV_WINDOW_MS = 5000


def signature(secret: str, text: str) -> str:
    """Return the HMAC-SHA256 of ``text`` in lower-case hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def authenticate(venue: SandboxVenue, headers: Mapping[str, str], payload: str) -> Account:
    """Return whose request this is; ``payload`` is the query string or the body, as sent.

    Raises: VenueError 10002 (clock), 10003 (key), 10004 (signature).
    """
    key = headers.get("x-bapi-api-key", "")
    account = venue.account_by_key(key)
    if account is None:
        raise VenueError(10003, "API key is invalid.")
    stamp, window = check_window(venue, headers)
    text = f"{stamp}{key}{window}{payload}"
    if not _same(signature(account.api_secret, text), headers.get("x-bapi-sign", "")):
        raise VenueError(10004, f"error sign! origin_string[{text}]")
    return account


def check_window(venue: SandboxVenue, headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the timestamp and window as sent, if server - window <= timestamp < server + 1 s."""
    stamp = headers.get("x-bapi-timestamp", "")
    window = headers.get("x-bapi-recv-window", "")
    try:
        sent_ms, window_ms = int(stamp), int(window or RECV_WINDOW_MS)
    except ValueError:
        raise VenueError(10001, "params error: timestamp or recv_window invalid") from None
    server_ms = venue.now_ms()
    if not server_ms - window_ms <= sent_ms < server_ms + AHEAD_MS_MAX:
        raise VenueError(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{sent_ms}],server_timestamp[{server_ms}],recv_window[{window_ms}]",
        )
    return stamp, window


def authenticate_socket(venue: SandboxVenue, args: object) -> Account:
    """Return who sends ``[key, expires, signature]``; raise VenueError 10001, 10003, 10004."""
    if not isinstance(args, list) or len(args) != 3:
        raise VenueError(10001, "Params Error")
    key, expires, sign = args
    account = venue.account_by_key(key) if isinstance(key, str) else None
    if account is None:
        raise VenueError(10003, "API key is invalid.")
    try:
        expires_ms = int(expires)
    except (TypeError, ValueError):
        raise VenueError(10001, "Params Error") from None
    if expires_ms <= venue.now_ms():
        raise VenueError(10004, "Params Error: expires is in the past")
    if not _same(signature(account.api_secret, f"GET/realtime{expires}"), str(sign)):
        raise VenueError(10004, "error sign!")
    return account


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())
