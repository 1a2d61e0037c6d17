"""A notifier under a supervisor in virtual time: a bus, a ledger in memory, channels that do as told."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import attrs
import trio

from actors.bus import Bus
from actors.events import AlertTold, CopyFinished, FollowerStateChanged, MasterStreamChanged
from actors.ledger_desk import LedgerDesk, Mode
from actors.messages import AcknowledgeAlerts, Describe, NotifierStatus
from actors.notifier import Notifier
from exchanges.clock import TrioClock
from model.alerts.alert import Alert, Sighting
from model.alerts.message import ChannelKind, Delivery
from model.copy import CopyState
from model.ledger import LedgerUnreachable, Store
from model.reasons import Reason
from supervision.alerting import make_notifier_desk
from supervision.events import AccountQuarantined, AccountRecovered
from supervision.restarts import Intensity
from supervision.settings import NotifySettings
from supervision.supervisor import Strategy, Supervisor, SupervisorSpec
from supervision.tree import onlooker

DONE = Delivery(delivered=True)
BROKEN = Delivery(delivered=False, error="Bad Gateway, error=502.")
REFUSED = Delivery(delivered=False, refused=True, error="Unauthorized, error=401.")
SLACK_S = 0.1
"""Timing is exact to this."""


@attrs.define
class FakeChannel:
    """Takes what it is sent as ``answers`` say, the last of them for ever."""

    name: str = "tgram"
    kind: ChannelKind = ChannelKind.MAIN
    answers: list[Delivery] = attrs.field(factory=lambda: [DONE])
    takes_s: float = 0.0
    tries: list[tuple[float, str, str]] = attrs.field(factory=list)
    got: list[tuple[float, str, str]] = attrs.field(factory=list)

    async def send(self, title: str, body: str) -> Delivery:
        at = trio.current_time()
        self.tries.append((at, title, body))
        await trio.sleep(self.takes_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.delivered:
            self.got.append((at, title, body))
        return answer

    @property
    def titles(self) -> list[str]:
        return [title for _, title, _ in self.got]

    def times(self, part: str = "") -> list[float]:
        return [at for at, title, body in self.got if part in title or part in body]


def sms(**other: Any) -> FakeChannel:
    return FakeChannel(name="twilio", kind=ChannelKind.SMS, **other)


def lost(detail: str = "reset by peer") -> MasterStreamChanged:
    return MasterStreamChanged(live=False, detail=detail)


def live() -> MasterStreamChanged:
    return MasterStreamChanged(live=True)


def follower(name: str, state: str, detail: str = "") -> FollowerStateChanged:
    return FollowerStateChanged(follower=name, state=state, detail=detail)


def quarantined(name: str = "alice") -> AccountQuarantined:
    return AccountQuarantined(name=f"account:{name}", error="KeyError: 'x'", retry_s=60)


def recovered(name: str = "alice") -> AccountRecovered:
    return AccountRecovered(name=f"account:{name}", by_operator=True)


def near(times: list[float], *expected: float) -> bool:
    return len(times) == len(expected) and all(
        0 <= at - wanted <= SLACK_S for at, wanted in zip(times, expected, strict=True)
    )


def failed(name: str) -> CopyFinished:
    return CopyFinished(
        copy_id="c",
        change_id="x",
        follower=name,
        exchange="bybit",
        symbol="BTCUSDT",
        state=CopyState.FAILED,
        reason=Reason.ORDER_LOST,
        orders=1,
        caught_up=False,
        received_to_sent_ms=None,
        received_to_acknowledged_ms=None,
        received_to_filled_ms=None,
    )


class AlertsHouse:
    """One process after another on the same ledger; the channels stay."""

    def __init__(self, store: Store, channels: Iterable[Any], notify: NotifySettings) -> None:
        self.store = store
        self.channels = tuple(channels)
        self.notify = notify
        self.clock = TrioClock()
        self.bus = Bus()
        self.ledger_away = False
        self.summary = "It is ready."
        self.supervisor: Supervisor
        self._real_unit = store.database.unit
        store.database.unit = self._unit  # type: ignore[method-assign]

    def _unit(self, *, write: bool = True) -> Any:
        if self.ledger_away:
            raise LedgerUnreachable("no route to the database")
        return self._real_unit(write=write)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nobody reach the ledger meanwhile."""
        self.ledger_away = True
        try:
            yield
        finally:
            self.ledger_away = False

    @asynccontextmanager
    async def process(self, *, last_end: str = "", kill: bool = False) -> AsyncIterator[None]:
        """Run a notifier from its start to its end; ``kill`` ends it without a word."""
        self.bus = Bus(wall_clock_ms=self.clock.wall_ms)
        desk = make_notifier_desk(
            self.notify,
            bus=self.bus,
            ledger=LedgerDesk(self.store, mode=Mode.INLINE, now_ms=self.clock.wall_ms),
            clock=self.clock,
            channels=self.channels,
            summary=self._summary,
            last_end=last_end,
        )
        self.desk = desk
        self.supervisor = Supervisor(
            SupervisorSpec(
                name="root",
                strategy=Strategy.ONE_FOR_ONE,
                intensity=Intensity(max_failures=3, period_s=60.0),
                children=(onlooker("notifier", partial(Notifier, desk=desk)),),
            ),
            report=self.bus.publish,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(self.supervisor.run)
            await trio.sleep(0.01)
            yield
            if not kill:
                await self.supervisor.stop()
            nursery.cancel_scope.cancel()

    async def _summary(self) -> str:
        await trio.lowlevel.checkpoint()
        return self.summary

    @property
    def notifier(self) -> Any:
        return self.supervisor.address("notifier")

    async def status(self) -> NotifierStatus:
        answer = await self.notifier.ask(Describe())
        assert isinstance(answer, NotifierStatus)
        return answer

    async def firing(self) -> list[str]:
        return [alert.key for alert in (await self.status()).firing]

    async def ack(self, *alert_ids: str) -> tuple[Alert, ...]:
        done: tuple[Alert, ...] = await self.notifier.ask(AcknowledgeAlerts(alert_ids=alert_ids, by="uid 0"))
        return done

    def told(self) -> list[str]:
        """Return the notices that this process published, as `kind title`."""
        with self.bus.subscribe(topics=[AlertTold.topic], capacity=10_000, from_seq=1) as events:
            return [f"{item.event.kind} {item.event.title}" for item in events._queue]


MakeHouse = Callable[..., AlertsHouse]


def sighting_error(event: object) -> Iterable[Sighting]:
    """A table of conditions with a bug in it."""
    raise KeyError(type(event).__name__)
