"""The notifier put together: channels from the settings, the closed table, the words of the heartbeat."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs

from actors.alert_channels import AppriseChannel, Channel, ChannelRefused
from actors.bus import Bus
from actors.ledger_desk import LedgerDesk
from actors.notifier_desk import NotifierDesk
from exchanges.clock import Clock
from model.alerts.alert import Sighting
from model.alerts.conditions import ENGINE_RESTARTED
from model.alerts.message import ChannelKind
from supervision.alert_rules import TOPICS, sightings_of
from supervision.exits import OperatorError
from supervision.redaction import REDACTOR
from supervision.service.observation import Observation
from supervision.settings import EngineSettings, NotifySettings, resolve_notify_url
from supervision.settings.notify import scheme_of


class ChannelUnusable(OperatorError):
    """A url of `[notify]` cannot be used."""


def build_channels(settings: EngineSettings, env: Mapping[str, str]) -> tuple[Channel, ...]:
    """Return the channels of `[notify]`; apprise is loaded only where there are any.

    Raises: ChannelUnusable, SecretMissing and the like, which name the url by its place and show nothing.
    """
    notify, counts = settings.notify, Counter[str]()
    channels: list[Channel] = []
    for key, kind, urls in (("urls", ChannelKind.MAIN, notify.urls), ("sms", ChannelKind.SMS, notify.sms)):
        for place, url in enumerate(urls):
            scheme = scheme_of(url)
            counts[scheme] += 1
            name = scheme if counts[scheme] == 1 else f"{scheme}-{counts[scheme]}"
            where = f"notify.{key}[{place}]"
            channels.append(_channel(where, name, kind, url, settings=settings, env=env))
    return tuple(channels)


def _channel(
    where: str, name: str, kind: ChannelKind, url: str, *, settings: EngineSettings, env: Mapping[str, str]
) -> Channel:
    try:
        secret = resolve_notify_url(url, settings.base_dir, env)
        return AppriseChannel(name, kind, secret.reveal(), redact=REDACTOR.text)
    except OperatorError as error:
        raise type(error)(f"{where}: {error.message}", hint=error.hint) from None
    except ChannelRefused as error:
        raise ChannelUnusable(
            f"{where}: {error}", hint="https://appriseit.com/services has the form"
        ) from None


@attrs.define
class HeartbeatWords:
    """What the heartbeat says of the engine; who can observe it comes later than the notifier."""

    observe: Callable[[], Awaitable[Observation]] | None = None

    async def __call__(self) -> str:
        """Return how the engine is."""
        if self.observe is None:
            return ""
        seen = await self.observe()
        states = Counter(follower.state for follower in seen.followers)
        words = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
        lines = [f"It is {seen.health.value}. Followers: {words}."]
        lines += [REDACTOR.text(problem) for problem in (*seen.problems, *seen.warnings)[:5]]
        return "\n".join(lines)


def make_notifier_desk(
    notify: NotifySettings,
    *,
    bus: Bus,
    ledger: LedgerDesk,
    clock: Clock,
    channels: Sequence[Channel],
    summary: Callable[[], Awaitable[str]],
    last_end: str = "",
) -> NotifierDesk:
    """Return what a notifier works with.

    Args:
        last_end: how the process before this one ended, when it did not end well.
    """
    found = [Sighting(condition=ENGINE_RESTARTED, detail=REDACTOR.text(last_end))] if last_end else []
    return NotifierDesk(
        bus=bus,
        ledger=ledger,
        clock=clock,
        channels=channels,
        sightings_of=sightings_of,
        topics=TOPICS,
        heartbeat_minute=notify.heartbeat_minute,
        summary=summary,
        escalate_after_ms=round(notify.escalate_after_s * 1000),
        first_sightings=found,
    )
