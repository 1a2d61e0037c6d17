"""How everybody is right now: asked all at once, within one short time, and judged (R17, section 6)."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs
import trio

from actors.ledger import LedgerStatus
from actors.messages import Describe, FollowerStatus, MasterStatus, NotifierStatus
from actors.runtime import Address
from supervision.service.desk import ServiceDesk
from supervision.service.tree import quarantined_names

ASK_S = 1.0
ASKED_AT_ONCE = 20
START_GRACE_S = 30.0
LAG_S_MAX = 5.0


class Health(Enum):
    """The answer in one word: `health` exits 0, 1, 1 and 2."""

    READY = "ready"
    STARTING = "starting"
    DEGRADED = "degraded"
    DOWN = "down"
    """No engine answers; only a client says so."""


@attrs.frozen(kw_only=True)
class FollowerSeen:
    """A follower as it is now, whether it answered or not."""

    name: str
    exchange: str
    state: str
    """`starting`, `ready`, `paused`, `close_only`, `refused` (its key) or `quarantined`."""
    detail: str = ""
    """What it last said of its troubles."""
    status: FollowerStatus | None = None
    """None: it did not answer in time."""


@attrs.frozen(kw_only=True)
class Observation:
    """The engine at one moment."""

    ledger: LedgerStatus | None
    master: MasterStatus | None
    followers: tuple[FollowerSeen, ...]
    alerts: NotifierStatus | None
    """None: there is nobody who tells people, or he did not answer."""
    health: Health
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What has to be seen to, but keeps nobody from copying: nothing is restarted for it."""

    @property
    def ready(self) -> bool:
        """Tell whether everything is there that copying needs."""
        return self.health is Health.READY


async def observe(desk: ServiceDesk) -> Observation:
    """Ask ledger, master and every follower at once; who does not answer is shown as the tree knows it."""
    engine = desk.engine
    asked = {"ledger": engine.address("ledger"), "pairing": engine.address("pairing")}
    asked |= {f"follower:{name}": address for name, address in engine.followers.items()}
    if desk.alerts is not None:
        asked["notifier"] = engine.address("notifier")
    answers = await ask_all(asked)
    quarantined = quarantined_names(engine)
    followers = [
        _seen(desk, name, answers.get(f"follower:{name}"), quarantined=name in quarantined)
        for name in engine.followers
    ]
    followers += [_barred(name, why) for name, why in {**desk.barred, **engine.barred}.items()]
    ledger, master = answers.get("ledger"), answers.get("pairing")
    alerts = answers.get("notifier")
    problems, starting = _judge(desk, ledger, master, followers)
    health = Health.DEGRADED if problems else Health.STARTING if starting else Health.READY
    return Observation(
        ledger=ledger,
        master=master,
        followers=tuple(sorted(followers, key=lambda seen: seen.name)),
        alerts=alerts,
        health=health,
        problems=tuple(problems or starting),
        warnings=tuple(_judge_alerts(desk, alerts)),
    )


async def ask_all(addresses: Mapping[str, Address], timeout_s: float = ASK_S) -> dict[str, Any]:
    """Ask each for its part of `status`, all at once; return the answers that came in time."""
    answers: dict[str, Any] = {}

    async def ask(name: str, address: Address) -> None:
        try:
            answers[name] = await address.ask(Describe(), timeout_s=timeout_s)
        except Exception:  # noqa: BLE001 - between two lives, busy, or dying of the question
            return  # its supervision state is shown instead

    async with trio.open_nursery() as nursery:
        for number, (name, address) in enumerate(addresses.items(), start=1):
            nursery.start_soon(ask, name, address)
            if number % ASKED_AT_ONCE == 0:  # or a thousand answers would hold up whoever copies
                await trio.lowlevel.checkpoint()
    return answers


def _seen(desk: ServiceDesk, name: str, status: FollowerStatus | None, *, quarantined: bool) -> FollowerSeen:
    answered = "starting" if status is None else status.state
    return FollowerSeen(
        name=name,
        exchange=desk.engine.settings_of(name).exchange,
        state="quarantined" if quarantined else answered,
        detail=_detail(desk.words.followers.get(name, ""), status),
        status=status,
    )


def _detail(words: str, status: FollowerStatus | None) -> str:
    """Return what matters most of a follower's troubles: that its key is refused, or not checked yet."""
    if status is None:
        return words
    key = status.key
    if key.state.is_refused:
        sends = "reductions go on" if key.state.may_reduce else "nothing is sent"
        return f"{'; '.join(key.refusals)} ({sends})"
    if not key.state.is_judged:
        return "; ".join(part for part in ("key not checked yet", key.trouble, words) if part)
    return words


def _barred(name: str, why: str) -> FollowerSeen:
    return FollowerSeen(name=name, exchange="", state="quarantined", detail=why)


def _judge(
    desk: ServiceDesk,
    ledger: LedgerStatus | None,
    master: MasterStatus | None,
    followers: list[FollowerSeen],
) -> tuple[list[str], list[str]]:
    """Return what is wrong, and what is only not there yet."""
    now = trio.current_time()
    problems: list[str] = []
    starting: list[str] = []
    young = now - desk.started_at < START_GRACE_S
    early = starting if young else problems
    if ledger is None:
        early.append("ledger: does not answer")
    elif not ledger.lease_held:
        problems.append(f"ledger: lease not held: {ledger.trouble or 'unknown why'}")
    if master is None or not master.reconciled:
        early.append(_with("master: not reconciled", desk.words.master))
    for seen in followers:
        if seen.state == "starting":
            fresh = young or now - desk.engine.added_at(seen.name) < START_GRACE_S
            (starting if fresh else problems).append(_with(f"{seen.name}: starting", seen.detail))
    if desk.lag_s() > LAG_S_MAX:
        problems.append(f"event loop: {desk.lag_s():.1f} s late")
    return problems, starting


def _judge_alerts(desk: ServiceDesk, alerts: NotifierStatus | None) -> list[str]:
    """Say that people are not told: here, where nothing has to be delivered (R16)."""
    if desk.alerts is None:
        return []
    if alerts is None:
        is_young = trio.current_time() - desk.started_at < START_GRACE_S
        return [] if is_young else ["alerts: the notifier does not answer"]
    return [
        _with(f"alerts: {channel.name} does not deliver", channel.error)
        for channel in alerts.channels
        if channel.failures
    ]


def _with(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what
