"""What the notifier works with, and what of it outlives a crash of the actor (R2, R16)."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import attrs
import trio

from actors.alert_channels import Channel
from actors.bus import Bus
from actors.ledger_desk import LedgerDesk
from exchanges.clock import Clock
from model.alerts.alert import Alert, Sighting
from model.alerts.book import ESCALATE_AFTER_MS, AlertBook
from model.alerts.message import ChannelKind, Delivery, Message
from model.alerts.outbox import Outbox


async def _nothing_to_say() -> str:
    await trio.lowlevel.checkpoint()
    return ""


@attrs.define(kw_only=True)
class NotifierDesk:
    """Everything that is given to a notifier, and the little that its next life needs.

    The alerts and the queue themselves are rebuilt from the ledger.
    """

    bus: Bus
    ledger: LedgerDesk
    clock: Clock
    channels: Sequence[Channel]
    sightings_of: Callable[[object], Iterable[Sighting]]
    """What an event shows; the closed table of alert conditions."""
    topics: frozenset[str]
    heartbeat_minute: int | None = None
    """Of the day, UTC; None for no daily sign of life."""
    summary: Callable[[], Awaitable[str]] = _nothing_to_say
    """How the engine is, in words, for the heartbeat."""
    escalate_after_ms: int = ESCALATE_AFTER_MS
    first_sightings: Sequence[Sighting] = ()
    """What was found at the start of the process."""
    heard_seq: int = 0
    """The last event of the bus that was looked at."""
    _unsaved: tuple[Sequence[Alert], Sequence[Message]] = attrs.field(default=((), ()), init=False)
    _began_wall_ms: int = attrs.field(init=False)
    _began_at: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Anchor the clock of all alerts: it starts at the wall's time and runs by trio's (R20)."""
        self._began_wall_ms = self.clock.wall_ms()
        self._began_at = trio.current_time()

    def now_ms(self) -> int:
        """Return the time by which alerts are timed."""
        return self._began_wall_ms + round((trio.current_time() - self._began_at) * 1000)

    def trio_time(self, at_ms: int) -> float:
        """Return when ``at_ms`` is by trio's clock."""
        return self._began_at + (at_ms - self._began_wall_ms) / 1000

    def take_first_sightings(self) -> Sequence[Sighting]:
        """Return what was found at the start of the process, once."""
        found, self.first_sightings = self.first_sightings, ()
        return found

    def leave_unsaved(self, alerts: Sequence[Alert], messages: Sequence[Message]) -> None:
        """Keep what a life that ends could not write."""
        self._unsaved = (alerts, messages)

    def take_unsaved(self) -> tuple[Sequence[Alert], Sequence[Message]]:
        """Return what the life before could not write, once."""
        unsaved, self._unsaved = self._unsaved, ((), ())
        return unsaved

    def make_book(self) -> AlertBook:
        """Return an empty book; without a channel for SMS nothing is ever escalated."""
        has_sms = any(channel.kind is ChannelKind.SMS for channel in self.channels)
        return AlertBook(escalate_after_ms=self.escalate_after_ms if has_sms else None)

    def make_outbox(self) -> Outbox:
        """Return empty queues for the channels."""
        return Outbox((channel.name, channel.kind) for channel in self.channels)

    async def tell_at_once(self, title: str, body: str) -> bool:
        """Send past the queue, by SMS only when nothing else delivers: for what nobody is left to retry."""
        for kind in (ChannelKind.MAIN, ChannelKind.SMS):
            wanted = [channel for channel in self.channels if channel.kind is kind]
            text = body if kind is ChannelKind.MAIN else title
            taken = await _send_by(wanted, title if kind is ChannelKind.MAIN else "", text)
            if any(delivery.delivered for delivery in taken.values()):
                return True
        return False

    async def test(self, names: Iterable[str] = ()) -> dict[str, Delivery]:
        """Send a test by these channels, or by all, at once and past the queue; return how each took it."""
        wanted = set(names)
        channels = [channel for channel in self.channels if not wanted or channel.name in wanted]
        return await _send_by(channels, "Test of the alerts", "This is a test: nothing has happened.")


async def _send_by(channels: Iterable[Channel], title: str, body: str) -> dict[str, Delivery]:
    """Send by all of them at the same time; return how each took it, by its name."""
    results: dict[str, Delivery] = {}

    async def send(channel: Channel) -> None:
        results[channel.name] = await channel.send(title, body)

    async with trio.open_nursery() as nursery:
        for channel in channels:
            nursery.start_soon(send, channel)
    return results
