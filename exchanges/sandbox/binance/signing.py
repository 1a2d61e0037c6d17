"""Keys, signatures and the receive window, as the venue checks them (USD-M "General Info")."""

import hashlib
import hmac
import re
from urllib.parse import urlencode

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance import params as read
from exchanges.sandbox.binance.codes import VenueError
from exchanges.sandbox.binance.params import Params
from exchanges.sandbox.venue import SandboxVenue

KEY = re.compile(r"[A-Za-z0-9]{1,64}")
AHEAD_MS_MAX = 1000
RECV_WINDOW_MS = 5000
RECV_WINDOW_MS_MAX = 60_000
"""Its upper bound is not published; old clients name this one."""


def signature(secret: str, text: str) -> str:
    """Return the HMAC-SHA256 of ``text`` in lower-case hex."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def check_key(venue: SandboxVenue, key: str) -> Account:
    """Return whose key this is; raise -2014 for what is no key, -2015 for one that nobody has."""
    if not KEY.fullmatch(key):
        raise VenueError(-2014, "API-key format invalid.", status=401)
    account = venue.account_by_key(key)
    if account is None:
        raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    return account


def check_window(venue: SandboxVenue, params: Params) -> int:
    """Return until when the request may be carried out, venue time; raise -1021.

    A timestamp may be up to a second ahead of the venue and ``recvWindow`` behind it.
    """
    stamp = read.integer(params, "timestamp")
    window_ms = read.integer(params, "recvWindow", RECV_WINDOW_MS)
    if not 0 < window_ms <= RECV_WINDOW_MS_MAX:
        raise VenueError(-1131, "recvWindow must be less than 60000")
    now_ms = venue.now_ms()
    if stamp >= now_ms + AHEAD_MS_MAX:
        raise VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - stamp > window_ms:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")
    return stamp + window_ms


def check_query(account: Account, query: str, body: str, signed: str) -> None:
    """Check a request by HTTP: the query, followed by the body, both without their signature; raise -1022."""
    payload = _unsigned(query) + _unsigned(body)
    _check(account, signed, payload)


def check_sorted(account: Account, params: Params, signed: str) -> None:
    """Check a request by WebSocket: all parameters in order of name; raise -1022.

    The venue's page joins them as they are, its own client encodes them; both are taken.
    """
    ordered = sorted((name, value) for name, value in params.items() if name != "signature")
    plain = "&".join(f"{name}={value}" for name, value in ordered)
    _check(account, signed, plain, urlencode(ordered))


def _check(account: Account, signed: str, *payloads: str) -> None:
    if not signed:
        raise read.missing("signature")
    right = [signature(account.api_secret, payload) for payload in payloads]
    if not any(hmac.compare_digest(it.encode(), signed.lower().encode()) for it in right):
        raise VenueError(-1022, "Signature for this request is not valid.")


def _unsigned(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
