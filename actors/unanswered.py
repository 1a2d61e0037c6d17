"""What a follower took of the master's changes and has not claimed yet (R2, R17)."""

from collections.abc import Iterable

from actors.messages import MasterChanged
from model.change import Change
from model.leg import Leg

KEPT_MAX = 100
"""Of a leg: one claim writes them all."""


class Unanswered:
    """Outlives its follower's crashes: what is in hand then is told nobody again, if the master moved on.

    The leg's next claim records them as superseded.
    """

    def __init__(self) -> None:
        self._taken: dict[Leg, dict[str, Change]] = {}

    def take(self, message: MasterChanged) -> None:
        """Note a change, and those that it absorbed."""
        if message.repair is not None or message.change.by_operator:
            return
        taken = self._taken.setdefault(message.change.leg, {})
        for change in (*message.superseded, message.change):
            taken.setdefault(change.change_id, change)
        while len(taken) > KEPT_MAX:
            del taken[next(iter(taken))]

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
        """Forget what the ledger has now."""
        for change in changes:
            self._taken.get(change.leg, {}).pop(change.change_id, None)
