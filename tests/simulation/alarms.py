"""What people are told in a run: each episode once when it begins, once when it is over, and nothing stays.

A notifier in the engine changes the order of its tasks, and with it every run: it has runs of its own.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import trio

from actors.events import AlertTold
from actors.notifier import Notifier
from model.alerts.alert import Alert, AlertState
from model.alerts.book import REPEAT_MS, NoticeKind
from model.alerts.conditions import KEY_WARNING
from model.drift import AuditRules
from supervision.alerting import make_notifier_desk
from supervision.engine import EngineParts
from supervision.settings import NotifySettings
from tests.simulation.answers import answers_of
from tests.simulation.run import Outcome, Run, run_through
from tests.simulation.schedule import Schedule

ENDS_WITHIN_S = 240.0
"""A look of the auditor, a reading of every account, and the calm that an end is believed after."""
ALERTS_MAX = 10_000
AGAIN_MS = round(AuditRules().period_s * 1000)
"""Where whoever sees it says when it is told again, that is seen no oftener."""
SKEW_MS = 10_000
"""So far the engine's clock may have gone between two times that it wrote."""
STANDING = frozenset({KEY_WARNING})
"""What the stage itself is: the master's key may trade."""


def simulate_alarmed(schedule: Schedule, *, tell: bool = False) -> Outcome:
    """Run a schedule with an engine that tells people, and judge what it told too."""
    return run_through(lambda directory: AlarmedRun(schedule, directory, tell=tell), seed=schedule.seed)


def parts_with_alarms(**given: Any) -> EngineParts:
    """Return an engine's parts with a notifier that writes to the ledger and has no channel."""
    desk = make_notifier_desk(
        NotifySettings(),
        bus=given["bus"],
        ledger=given["ledger"],
        clock=given["clock"],
        channels=(),
        summary=_nothing,
    )
    return EngineParts(**given, make_notifier=partial(Notifier, desk=desk))


async def _nothing() -> str:
    await trio.lowlevel.checkpoint()
    return ""


class AlarmedRun(Run):
    """The run of one schedule in which people are told."""

    make_parts = staticmethod(parts_with_alarms)

    def __init__(self, schedule: Schedule, directory: Path, *, tell: bool = False) -> None:
        super().__init__(schedule, directory, tell=tell)
        self._kills = sum(step.what.get("times", 1) for step in schedule.steps if step.act in _KILLS)

    async def _look_on(self) -> None:
        await trio.sleep(ENDS_WITHIN_S)
        world = self.world
        alerts = world.store.alerts(limit=ALERTS_MAX)
        now_ms = world.host_clock.wall_ms()
        self.secrecy.answers = await answers_of(world)
        self.violations += [
            *told_too_often(alerts, world.seen(AlertTold), now_ms=now_ms, kills=self._kills),
            *told_anew(alerts),
            *still_open(alerts, self._of_owners()),
        ]

    def _of_owners(self) -> set[str]:
        """Return what owners have opened by themselves, as it is told: it stays until they leave it."""
        names = {(name, symbol): self.books.own(name, symbol) for name, symbol in self.books.foreign}
        return {f"{name} {called}" for (name, symbol), own in names.items() for called in (symbol, own)}


_KILLS = frozenset({"kill", "ambush", "crash", "mine", "outage", "commits"})
"""What may keep from the ledger that something has been told: the next life says it again."""


def told_too_often(
    alerts: Iterable[Alert], told: Sequence[AlertTold], *, now_ms: int, kills: int = 0
) -> list[str]:
    """Tell of which episode people heard too often, or that it is over and they never heard so.

    Each of ``kills`` may have forgotten that something was told.
    """
    counts = Counter((it.alert_id, it.kind) for it in told)
    by_id = {alert.alert_id: alert for alert in alerts}
    wrong = [
        f"{kind} {count} times: {by_id.get(alert_id, alert_id)}"
        for (alert_id, kind), count in counts.items()
        if count > _most(kind, by_id.get(alert_id), now_ms) + kills
    ]
    if kills:
        return wrong
    wrong += [f"not in the ledger: {it}" for it in told if it.alert_id not in by_id]
    return wrong + [
        f"not {kind.value}: {alert}"
        for alert in by_id.values()
        for kind in _owed(alert)
        if not counts[alert.alert_id, kind.value]
    ]


def _most(kind: str, alert: Alert | None, now_ms: int) -> int:
    """Return how often one episode may be told so."""
    if kind != NoticeKind.REPEATED.value or alert is None or alert.fired_at_ms is None:
        return 1
    every_ms = REPEAT_MS[alert.condition.severity] if alert.condition.repeats else AGAIN_MS
    lasted_ms = (alert.ended_at_ms or now_ms) - alert.fired_at_ms
    return 0 if every_ms is None else (lasted_ms + SKEW_MS) // every_ms


def _owed(alert: Alert) -> list[NoticeKind]:
    over = alert.state is AlertState.ENDED and alert.condition.tells_its_end
    return [NoticeKind.FIRED, NoticeKind.RESOLVED] if over else [NoticeKind.FIRED]


def told_anew(alerts: Iterable[Alert]) -> list[str]:
    """Tell which episode began before the one before it was over."""
    ordered = sorted(alerts, key=lambda it: (it.key, it.fired_at_ms or 0))
    return [
        f"told again before it was over: {later}"
        for before, later in pairwise(ordered)
        if before.key == later.key
        and (before.ended_at_ms is None or before.ended_at_ms > (later.fired_at_ms or 0) + SKEW_MS)
    ]


def still_open(alerts: Iterable[Alert], of_owners: Collection[str] = ()) -> list[str]:
    """Tell which alert that has an end is not over.

    Args:
        of_owners: followers with symbols that their owners hold, which no fault caused.
    """
    return [
        f"still told after the healing: {alert}"
        for alert in alerts
        if alert.state is AlertState.FIRING
        and alert.condition.tells_its_end
        and alert.condition not in STANDING
        and alert.subject.partition(":")[0] not in of_owners
    ]
