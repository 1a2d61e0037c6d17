"""What a follower took of the master's changes and the ledger has no word of yet (R2, R17)."""

from collections.abc import Iterable

from actors.messages import MasterChanged
from model.change import Change
from model.copy import Claim
from model.leg import Leg

KEPT_MAX = 100
"""Of a leg: one claim writes them all."""

Changes = dict[Leg, dict[str, Change]]


class Unanswered:
    """Outlives its follower's crashes: what is in hand then is told nobody again, if the master moved on.

    The leg's next claim records them as superseded.
    """

    def __init__(self) -> None:
        self._taken: Changes = {}
        self._unwritten: Changes = {}
        """Of claims that are in this life's memory alone, for the ledger was away."""

    def begin_life(self) -> None:
        """Take up what the last life of the follower was going to write."""
        for leg, unwritten in self._unwritten.items():
            self._taken[leg] = unwritten | self._taken.get(leg, {})
            _drop_oldest(self._taken[leg])
        self._unwritten = {}

    def take(self, message: MasterChanged) -> None:
        """Note a change, and those that it absorbed."""
        if not _is_of_the_master(message):
            return
        taken = self._taken.setdefault(message.change.leg, {})
        for change in (*message.superseded, message.change):
            taken.setdefault(change.change_id, change)
        _drop_oldest(taken)

    def before(self, message: MasterChanged) -> tuple[Change, ...]:
        """Return what a claim of the change supersedes, oldest first: what it absorbed, and who was left."""
        older: dict[str, Change] = {}
        if message.repair is None:
            for change_id, change in self._taken.get(message.change.leg, {}).items():
                if change_id == message.change.change_id:
                    break
                older[change_id] = change
        older |= {change.change_id: change for change in message.superseded}
        return tuple(older.values())

    def has(self, leg: Leg) -> bool:
        """Tell whether anything of a leg was left without an answer."""
        return bool(self._taken.get(leg))

    def answered(self, changes: Iterable[Change]) -> None:
        """Forget what the ledger has now, or what its claim in memory has."""
        for change in changes:
            self._taken.get(change.leg, {}).pop(change.change_id, None)

    def claimed_in_memory(self, message: MasterChanged, claim: Claim) -> None:
        """Note that nothing but this life knows of a claim of the change."""
        changes = (*claim.superseded, claim.change)
        self.answered(changes)
        for change in changes if _is_of_the_master(message) else ():
            unwritten = self._unwritten.setdefault(change.leg, {})
            unwritten[change.change_id] = change
            _drop_oldest(unwritten)

    def written(self, claim: Claim) -> None:
        """Forget a claim that was in memory alone: the ledger has it now, or the journal beside it."""
        for change in (*claim.superseded, claim.change):
            self._unwritten.get(change.leg, {}).pop(change.change_id, None)


def _is_of_the_master(message: MasterChanged) -> bool:
    return message.repair is None and not message.change.by_operator


def _drop_oldest(changes: dict[str, Change]) -> None:
    while len(changes) > KEPT_MAX:
        del changes[next(iter(changes))]
