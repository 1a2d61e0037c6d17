"""How an alert leaves: a channel's interface, and apprise behind it (R16).

apprise is synchronous and slow to import (0.2 s, 40 MB): it is imported when a channel is made, before
anything trades, and every sending runs in a worker thread with a deadline. A thread cannot be killed, so
each channel has one at most: one that hangs holds up its own channel and nobody else.
"""

import re
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import trio

from model.alerts.message import ChannelKind, Delivery

SEND_S = 15.0
REQUEST_S = 4.0
"""apprise's own, for connecting and for reading."""
ERROR_CHARACTERS_MAX = 300
_STATUS = re.compile(r"error=(\d{3,5})\b")
_RETRY_AFTER = re.compile(r"retry after (\d{1,5})", re.I)
_REFUSALS = frozenset({400, 401, 403, 404, 410, 422, 20003, 20404, 21211, 21606, 21608, 21614})
"""HTTP statuses, and Twilio's codes for wrong credentials and numbers
(https://www.twilio.com/docs/api/errors)."""


class ChannelRefused(ValueError):
    """apprise does not take a channel's url."""


class Channel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """Its own among all channels; no secret."""
        ...

    @property
    def kind(self) -> ChannelKind:
        """What it is for."""
        ...

    async def send(self, title: str, body: str) -> Delivery:
        """Send once; never raises, and returns within `SEND_S`."""
        ...


class AppriseChannel:
    """One apprise url."""

    def __init__(
        self, name: str, kind: ChannelKind, url: str, *, redact: Callable[[str], str] = lambda text: text
    ) -> None:
        """Make the channel; nothing is connected.

        Args:
            redact: takes secrets out of what the service says.
        Raises: ChannelRefused for a url that apprise cannot read; its message does not repeat it.
        """
        self._name = name
        self._kind = kind
        self._redact = redact
        with warnings.catch_warnings():  # its modules use what a later Python lacks; they know
            warnings.simplefilter("ignore", DeprecationWarning)
            import apprise

            asset = apprise.AppriseAsset(app_id="copytrader", app_desc="alerts", storage_mode="memory")
            self._service = apprise.Apprise(asset=asset)
            is_taken = self._service.add(url)
        if not is_taken:
            raise ChannelRefused(f"apprise does not take the url of {name}")
        self._limiter = trio.CapacityLimiter(1)

    @property
    def name(self) -> str:
        """Its scheme, with a number where there are several."""
        return self._name

    @property
    def kind(self) -> ChannelKind:
        """What it is for."""
        return self._kind

    async def send(self, title: str, body: str) -> Delivery:
        """Send in a worker thread; an abandoned one may still deliver (at least once)."""
        with trio.move_on_after(SEND_S):
            try:
                return await trio.to_thread.run_sync(
                    partial(self._send, title, body), limiter=self._limiter, abandon_on_cancel=True
                )
            except Exception as error:  # noqa: BLE001 - a plugin may raise whatever it likes
                return Delivery(delivered=False, error=self._words([f"{type(error).__name__}: {error}"]))
        return Delivery(delivered=False, error=f"no answer within {SEND_S:g} s")

    def _send(self, title: str, body: str) -> Delivery:
        import apprise

        with self._service.notify(
            title=title, body=body, body_format=apprise.NotifyFormat.TEXT, notify_type=apprise.NotifyType.INFO
        ) as result:
            if result:
                return Delivery(delivered=True)
            said = [str(entry.message) for entry in result.logs()]
        return self._judge(said)

    def _judge(self, said: list[str]) -> Delivery:
        text = " ".join(said)
        statuses = {int(code) for code in _STATUS.findall(text)}
        later = _RETRY_AFTER.search(text)
        return Delivery(
            delivered=False,
            refused=bool(statuses) and statuses <= _REFUSALS,
            retry_after_s=float(later[1]) if later else None,
            error=self._words(said) or "not delivered, for a reason that apprise does not tell",
        )

    def _words(self, said: Iterable[str]) -> str:
        return self._redact("; ".join(dict.fromkeys(said)))[:ERROR_CHARACTERS_MAX]
