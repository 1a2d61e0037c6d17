"""How the auditor has a leg mended, or asks what that would send: always by the follower's own copy (R15)."""

from collections.abc import Iterable, Mapping

import attrs
import trio

from actors.audit_look import ASK_S, master_leg
from actors.messages import FindingSeen, LookAtLegs, MasterChanged, Mend, MendAnswer
from actors.runtime import Address
from exchanges.clock import Clock
from model.audit import AuditLeg
from model.finding import Cause, Finding
from model.leg import Leg
from model.repair import Mending, mending_of, plan_repair
from model.settings import Repair

RETRY_S_BASE = 60.0
RETRY_S_MAX = 3_600.0
"""A repair that did not help is tried again, ever more rarely: each try is a copy in the ledger."""

_WHY_NEVER: Mapping[Cause, str] = {
    Cause.IN_HAND: "a copy is at work on it",
    Cause.PAUSED: "the follower is paused: resuming it catches up",
    Cause.MANUAL: "moved by other hands or by the venue: never fought",
    Cause.FOREIGN: "not opened by the engine: never traded",
    Cause.NEXT_OPENING: "leverage is set with the next opening",
}
_WHY_NOT_NOW: Mapping[Repair, str] = {
    Repair.ALERT: "repair = alert: nothing is mended",
    Repair.CLOSE_ONLY: "repair = close_only: nothing is opened",
}


Try = tuple[Leg, str]
"""A leg, and the master's change that it is to be brought to: with another change all begins anew."""


class Mender:
    """Remembers what each follower was last seen with, and asks it to mend a leg of that."""

    def __init__(self, *, followers: Mapping[str, Address], clock: Clock) -> None:
        self._followers = followers
        self._clock = clock
        self._legs: dict[str, dict[Leg, AuditLeg]] = {}
        self._look: LookAtLegs | None = None
        self._tries: dict[str, dict[Try, tuple[int, float]]] = {}
        """By follower: how often a leg's repair was begun, and when it may be begun again."""

    def keep(self, name: str, legs: Iterable[AuditLeg], look: LookAtLegs) -> None:
        """Take what a look brought of the legs on which something is wrong."""
        self._look = look
        wrong = {leg.leg: leg for leg in legs}
        tries = {key: tried for key, tried in self._tries.get(name, {}).items() if key[0] in wrong}
        self.forget(name)
        if wrong:
            self._legs[name] = wrong
        if tries:
            self._tries[name] = tries

    def forget(self, name: str) -> None:
        """Drop what is remembered of a follower that is gone."""
        self._legs.pop(name, None)
        self._tries.pop(name, None)

    async def mend(self, name: str, finding: Finding, mending: Mending) -> MendAnswer:
        """Have a follower mend one leg; never raises for what it answers, or does not."""
        master = self._master_of(name, finding.leg)
        key = finding.leg, "" if master is None else master.change.change_id
        tries, not_before = self._tries.get(name, {}).get(key, (0, 0.0))
        if trio.current_time() < not_before:
            return MendAnswer(why_not="it was tried a moment ago")
        answer = await self._ask(name, finding, mending, preview=False)
        if answer.started:
            wait_s = min(RETRY_S_MAX, RETRY_S_BASE * 2 ** min(tries, 10))
            self._tries.setdefault(name, {})[key] = tries + 1, trio.current_time() + wait_s
        return answer

    def _master_of(self, name: str, leg: Leg) -> MasterChanged | None:
        seen = self._legs.get(name, {}).get(leg)
        master = None if seen is None or self._look is None else master_leg(self._look, seen.answers)
        return None if master is None else master.message

    async def _ask(self, name: str, finding: Finding, mending: Mending, *, preview: bool) -> MendAnswer:
        leg, message = self._legs.get(name, {}).get(finding.leg), self._master_of(name, finding.leg)
        address = self._followers.get(name)
        if leg is None or message is None or address is None:
            return MendAnswer(why_not="the master's leg is not known")
        plan = plan_repair(finding, master_size=leg.master_size, mending=mending)
        mend = Mend(message=message, plan=plan, asked_at_ms=self._clock.wall_ms(), preview=preview)
        try:
            answer: MendAnswer = await address.ask(mend, timeout_s=ASK_S)
        except Exception as error:  # noqa: BLE001 - it died of the question or before it: the next pass asks again
            return MendAnswer(why_not=f"not answered: {type(error).__name__}")
        return answer

    async def previews(self, findings: list[FindingSeen]) -> list[FindingSeen]:
        """Return the findings, each with what its follower's policy would send now."""
        plans: dict[int, MendAnswer] = {}

        async def plan(place: int, seen: FindingSeen) -> None:
            plans[place] = await self._preview(seen)

        async with trio.open_nursery() as nursery:
            for place, seen in enumerate(findings):
                nursery.start_soon(plan, place, seen)
        return [attrs.evolve(seen, plan=plans[place]) for place, seen in enumerate(findings)]

    async def _preview(self, seen: FindingSeen) -> MendAnswer:
        mending = mending_of(seen.finding, seen.repair)
        if mending is Mending.NOTHING:
            never = _WHY_NEVER.get(seen.finding.cause)
            return MendAnswer(why_not=never or _WHY_NOT_NOW.get(seen.repair, "nothing to mend"))
        return await self._ask(seen.follower, seen.finding, mending, preview=True)
