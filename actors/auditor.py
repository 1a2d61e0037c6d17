"""Compares every follower with the master, tells what is wrong, and mends what it may (R15)."""

import math
from collections.abc import Callable, Collection, Mapping

import attrs
import trio

from actors.audit_look import Looker, is_heard, is_read_since
from actors.audit_repair import Mender
from actors.bus import Bus
from actors.events import AuditFinished, DriftFound, DriftResolved, TroubleMet
from actors.ledger_desk import LedgerDesk
from actors.messages import (
    AskedToCrash,
    AuditReport,
    CrashNow,
    DescribeAudit,
    FindingSeen,
    FollowerLegs,
    LookAtLegs,
    RunAudit,
)
from actors.runtime import Address, TrioActor
from exchanges.clock import Clock
from model.amounts import format_decimal
from model.audit import findings_of
from model.drift import AuditRules, Told, Verdict
from model.drift_book import DriftBook, Weighed
from model.finding import Aspect, Finding, shown
from model.ledger import LedgerRefused, LedgerUnreachable
from model.leg import Leg
from model.repair import Mending, mending_of
from model.settings import Repair
from model.severity import Severity

LOOK_AGAIN_S = 5.0
"""A follower that was not heard when its grace was over, or whose leg is being mended, is looked at again."""
TRUTH_AGE_S_MIN = 30.0
"""An account that was read within this time is not read again for its turn."""


@attrs.frozen(kw_only=True)
class AuditPorts:
    """Whom the auditor speaks to."""

    followers: Mapping[str, Address]
    """Every follower by name; the engine adds and removes at run time."""
    barred: Mapping[str, str]
    """Followers that are not run, and why."""
    pairing: Callable[[], Address]
    ledger: LedgerDesk
    clock: Clock
    bus: Bus
    rules: AuditRules = attrs.field(factory=AuditRules)


class Auditor(TrioActor):
    """Owns what operators were told of drifts. It sends no order: repairs are the followers' own copies."""

    def __init__(self, *, ports: AuditPorts) -> None:
        super().__init__()
        self._ports = ports
        self._looker = Looker(pairing=ports.pairing, followers=ports.followers)
        self._mender = Mender(followers=ports.followers, clock=ports.clock)
        self._book = DriftBook((), rules=ports.rules)
        self._number = 0
        self._is_full = False
        self._asked = trio.Event()
        self._looked_at: dict[str, float] = {}
        self._again: dict[str, float] = {}
        self._exchanges: dict[str, str] = {}
        self._policies: dict[str, Repair] = {}
        self._unheard: dict[str, str] = {}
        self._unwritten: dict[tuple[str, Leg, Aspect], tuple[Told, bool]] = {}
        """What the ledger has still to take: told, or resolved."""
        self._ended_at_ms: int | None = None
        self._audited = self._truths = 0

    async def on_start(self) -> None:
        """Go on from what was told before: a restart tells nothing twice. Raises: LedgerUnreachable."""
        self._book = DriftBook(await self._read_told(), rules=self._ports.rules)
        self.nursery.start_soon(self._audit_for_ever)

    async def _read_told(self) -> list[Told]:
        try:
            return await self._ports.ledger.read(lambda store: store.drifts())
        except LedgerRefused as error:  # told twice is better than not audited
            self._ports.bus.publish(TroubleMet(where="auditor", what=f"what was told is forgotten: {error}"))
            return []

    async def on_receive(self, message: object) -> object:
        """Begin a pass, or say what is wrong; passes run beside the mailbox."""
        match message:
            case RunAudit():
                self._asked.set()
                return self._number + (2 if self._is_full else 1)
            case DescribeAudit(preview=preview):
                return await self._report(preview=preview)
            case CrashNow(why=why):
                raise AskedToCrash(why)
            case _:
                raise TypeError(f"Auditor does not know {message!r}")

    # When to look

    async def _audit_for_ever(self) -> None:
        next_at = trio.current_time() + self._ports.rules.period_s
        while True:
            with trio.move_on_at(min(next_at, self._next_due())):
                await self._asked.wait()
            now = trio.current_time()
            if self._asked.is_set() or now >= next_at:
                self._asked = trio.Event()
                next_at = now + self._ports.rules.period_s
                await self._audit_everybody()
            else:
                await self._audit(self._due_names(now), now)

    def _due_at(self) -> dict[str, float]:
        """Return when each follower is to be looked at between two passes."""
        due = dict(self._again)
        for name, at in self._book.due_at().items():
            looked_at = self._looked_at.get(name, -math.inf)
            due[name] = min(due.get(name, math.inf), at if at > looked_at else looked_at + LOOK_AGAIN_S)
        return due

    def _next_due(self) -> float:
        return min(self._due_at().values(), default=math.inf)

    def _due_names(self, now: float) -> tuple[str, ...]:
        return tuple(name for name, at in self._due_at().items() if at <= now)

    # One pass

    async def _audit_everybody(self) -> None:
        began = trio.current_time()
        self._is_full = True
        self._truths = 0
        names = tuple(self._ports.followers)
        self._unheard = dict(self._ports.barred)
        self._audited = await self._audit(names, began, in_turn=True)
        await self._let_go_of_the_gone({*names, *self._ports.barred})
        self._number += 1
        self._is_full = False
        self._ended_at_ms = self._ports.clock.wall_ms()
        self._ports.bus.publish(
            AuditFinished(
                number=self._number,
                audited=self._audited,
                unheard=tuple(sorted(self._unheard)),
                findings=sum(drift.finding is not None for _, drift, _ in self._book.standing_now()),
                truths=self._truths,
                took_s=round(trio.current_time() - began, 3),
            )
        )

    async def _audit(self, names: Collection[str], began: float, *, in_turn: bool = False) -> int:
        """Look at some followers and say what is to be said; return how many could be judged."""
        for name in names:
            self._looked_at[name] = began
            self._again.pop(name, None)
        look = await self._looker.master()
        if look is None:
            self._unheard |= dict.fromkeys(names, "the master is not known for certain now")
            if in_turn:
                what = "nothing was compared: the master is not reconciled"
                self._ports.bus.publish(TroubleMet(where="auditor", what=what))
            return 0
        looked = await self._looker.followers(names, look)
        self._unheard |= looked.unheard
        truth = await self._truth(looked.legs, look, began, in_turn=in_turn)
        legs = looked.legs | truth
        audited = 0
        for name, seen in legs.items():
            await trio.lowlevel.checkpoint()  # there may be a thousand: an order in between goes first
            if is_heard(seen, trio.current_time()) or is_read_since(seen, began):
                self._unheard.pop(name, None)
                await self._judge(name, seen, look, is_truth=name in truth)
                audited += 1
            else:
                self._unheard[name] = "its stream is silent and the account could not be read"
        await self._write()
        return audited

    async def _truth(
        self, seen: Mapping[str, FollowerLegs], look: LookAtLegs, began: float, *, in_turn: bool
    ) -> dict[str, FollowerLegs]:
        """Let those be read by REST of whom something is to be said, then others in turn."""
        urgent = []
        for name, legs in seen.items():
            await trio.lowlevel.checkpoint()
            if self._needs_truth(name, legs):
                urgent.append(name)
        told = frozenset(urgent)
        others = [
            name
            for name, legs in sorted(seen.items(), key=lambda item: item[1].read_at or 0.0)
            if in_turn and name not in told and not is_read_since(legs, began - TRUTH_AGE_S_MIN)
        ]
        names = self._looker.afford((name, seen[name].exchange) for name in (*urgent, *others))
        self._truths += len(names)
        return await self._looker.truth(names, look, since=trio.current_time())

    def _needs_truth(self, name: str, legs: FollowerLegs) -> bool:
        now = trio.current_time()
        if not is_heard(legs, now):
            return True
        weighed = self._book.weigh(name, _findings(legs), now=now)
        return any(it.speaks or self._mending(it, legs) is not Mending.NOTHING for it in weighed)

    def _mending(self, weighed: Weighed, legs: FollowerLegs) -> Mending:
        if weighed.finding is None or not weighed.is_over_its_grace:
            return Mending.NOTHING
        return mending_of(weighed.finding, legs.repair)

    async def _judge(self, name: str, legs: FollowerLegs, look: LookAtLegs, *, is_truth: bool) -> None:
        """Tell, mend and resolve; what was told is noted at once, so that nothing is told twice."""
        self._exchanges[name], self._policies[name] = legs.exchange, legs.repair
        findings = _findings(legs)
        wrong = {finding.leg for finding in findings}
        self._mender.keep(name, (leg for leg in legs.legs if leg.leg in wrong), look)
        for weighed in self._book.take(name, findings, now=trio.current_time()):
            if weighed.verdict is Verdict.RESOLVE and weighed.told is not None:
                self._resolve(weighed.told)
            if weighed.finding is None:
                continue
            mending = self._mending(weighed, legs)
            mended = False
            if is_truth and mending is not Mending.NOTHING:
                answer = await self._mender.mend(name, weighed.finding, mending)
                mended = answer.started
            if mended:
                self._again[name] = trio.current_time() + LOOK_AGAIN_S
            if weighed.speaks:
                self._tell(name, weighed.finding, again=weighed.told is not None, repaired=mended)

    def _tell(self, name: str, finding: Finding, *, again: bool, repaired: bool) -> None:
        told = self._book.note(name, finding, now_ms=self._ports.clock.wall_ms())
        self._unwritten[name, told.leg, told.aspect] = told, False
        self._ports.bus.publish(
            DriftFound(
                follower=name,
                exchange=self._exchanges[name],
                symbol=finding.leg.symbol,
                position_idx=finding.leg.position_idx,
                kind=finding.kind,
                cause=finding.cause,
                severity=finding.severity,
                expected=None if told.expected is None else format_decimal(told.expected),
                actual=format_decimal(finding.actual),
                deviation_pct=format_decimal(shown(finding.deviation * 100)),
                reason=finding.reason,
                again=again,
                repaired=repaired,
            )
        )

    def _resolve(self, told: Told, *, gone: bool = False) -> None:
        self._unwritten[told.follower, told.leg, told.aspect] = told, True
        self._ports.bus.publish(
            DriftResolved(
                follower=told.follower,
                exchange=self._exchanges.get(told.follower, ""),
                symbol=told.leg.symbol,
                position_idx=told.leg.position_idx,
                kind=told.kind,
                severity=Severity.INFO,
                gone=gone,
            )
        )

    async def _let_go_of_the_gone(self, present: Collection[str]) -> None:
        """End what was told of followers that the ledger no longer has."""
        absent = self._book.followers - set(present)
        for name in self._looked_at.keys() - set(present):
            del self._looked_at[name]
            self._again.pop(name, None)
            self._mender.forget(name)
        if not absent:
            return
        try:
            rows = await self._ports.ledger.read(lambda store: store.followers())
        except LedgerUnreachable:
            return  # the next pass asks again
        for name in absent - {row.settings.name for row in rows}:
            for told in self._book.forget(name):
                self._resolve(told, gone=True)
        await self._write()

    async def _write(self) -> None:
        """Keep what was told; an unreachable ledger gets it with the next pass."""
        if not self._unwritten:
            return
        told = [it for it, resolved in self._unwritten.values() if not resolved]
        resolved = [it for it, resolved in self._unwritten.values() if resolved]
        try:
            await self._ports.ledger.read(lambda store: store.put_drifts(told, resolved))
        except LedgerUnreachable as error:
            self._ports.bus.publish(TroubleMet(where="auditor", what=f"what was told is not kept: {error}"))
            return
        self._unwritten.clear()

    # What is wrong

    async def _report(self, *, preview: bool) -> AuditReport:
        now = trio.current_time()
        findings = [
            FindingSeen(
                follower=name,
                exchange=self._exchanges.get(name, ""),
                finding=drift.finding,
                repair=self._policies.get(name, Repair.ALERT),
                told_at_ms=None if drift.told is None else drift.told.told_at_ms,
                due_in_s=None if due_at is None else max(0.0, due_at - now),
            )
            for name, drift, due_at in self._book.standing_now()
            if drift.finding is not None
        ]
        return AuditReport(
            number=self._number,
            ended_at_ms=self._ended_at_ms,
            audited=self._audited,
            truths=self._truths,
            unheard=dict(self._unheard),
            findings=tuple(await self._mender.previews(findings) if preview else findings),
        )


def _findings(legs: FollowerLegs) -> list[Finding]:
    return [finding for leg in legs.legs for finding in findings_of(leg)]
