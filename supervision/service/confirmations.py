"""Tokens by which an operator says yes to what a preview showed (section 5)."""

import secrets

import attrs
import trio

from supervision.control import CALLER, ConfirmationRequired

VALID_S = 60.0
OPEN_MAX = 1_000


@attrs.frozen(kw_only=True)
class _Offer:
    method: str
    name: str
    uid: int | None
    until: float
    """Trio time."""


@attrs.define
class Confirmations:
    """What was previewed and may be done: for one caller's uid, once, within 60 s."""

    _offers: dict[str, _Offer] = attrs.field(factory=dict)

    def offer(self, method: str, name: str) -> str:
        """Return a token for one call of ``method`` about ``name``."""
        now = trio.current_time()
        self._offers = {token: offer for token, offer in self._offers.items() if offer.until > now}
        while len(self._offers) >= OPEN_MAX:
            del self._offers[next(iter(self._offers))]
        token = secrets.token_urlsafe(16)
        self._offers[token] = _Offer(method=method, name=name, uid=_uid(), until=now + VALID_S)
        return token

    def take(self, token: str, method: str, name: str) -> ConfirmationRequired | None:
        """Use a token up; return why it confirms nothing, None when it does."""
        offer = self._offers.get(token)
        wanted = method, name, _uid()
        if offer is None or (offer.method, offer.name, offer.uid) != wanted:
            return ConfirmationRequired("this token confirms nothing", hint="call without a token first")
        del self._offers[token]
        if offer.until <= trio.current_time():
            return ConfirmationRequired(
                f"the preview is older than {VALID_S:g} s", hint="call without a token again"
            )
        return None


def _uid() -> int | None:
    caller = CALLER.get()
    return None if caller is None else caller.uid
