"""How the auditor has a leg mended, or asks what that would send: always by the follower's own copy (R15)."""

from collections.abc import Iterable, Mapping

import attrs
import trio

from actors.audit_look import ASK_S, master_leg
from actors.messages import FindingSeen, LookAtLegs, Mend, MendAnswer
from actors.runtime import Address
from exchanges.clock import Clock
from model.audit import AuditLeg
from model.finding import Cause, Finding
from model.leg import Leg
from model.repair import Mending, mending_of, plan_repair
from model.settings import Repair

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


class Mender:
    """Remembers what each follower was last seen with, and asks it to mend a leg of that."""

    def __init__(self, *, followers: Mapping[str, Address], clock: Clock) -> None:
        self._followers = followers
        self._clock = clock
        self._legs: dict[str, dict[Leg, AuditLeg]] = {}
        self._look: LookAtLegs | None = None

    def keep(self, name: str, legs: Iterable[AuditLeg], look: LookAtLegs) -> None:
        """Take what a look brought of the legs on which something is wrong."""
        self._look = look
        self._legs[name] = {leg.leg: leg for leg in legs}
        if not self._legs[name]:
            del self._legs[name]

    def forget(self, name: str) -> None:
        """Drop what is remembered of a follower that is gone."""
        self._legs.pop(name, None)

    async def mend(
        self, name: str, finding: Finding, mending: Mending, *, preview: bool = False
    ) -> MendAnswer:
        """Ask a follower to mend one leg; never raises for what it answers, or does not."""
        leg = self._legs.get(name, {}).get(finding.leg)
        address = self._followers.get(name)
        master = None if leg is None or self._look is None else master_leg(self._look, leg.answers)
        if leg is None or address is None or master is None:
            return MendAnswer(why_not="the master's leg is not known")
        plan = plan_repair(finding, master_size=leg.master_size, mending=mending)
        mend = Mend(message=master.message, plan=plan, asked_at_ms=self._clock.wall_ms(), preview=preview)
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
        return await self.mend(seen.follower, seen.finding, mending, preview=True)
