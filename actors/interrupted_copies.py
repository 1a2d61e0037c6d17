"""Copies that were begun and have no outcome yet, and the changes that they go on with (R2, R11)."""

from actors.copy_record import CopyRecord
from actors.follower_desk import FollowerDesk
from actors.messages import MasterChanged
from model.change import Change
from model.leg import Leg


class InterruptedCopies:
    """One follower's copies that nobody runs now."""

    def __init__(self, desk: FollowerDesk) -> None:
        self._desk = desk
        self.records: dict[str, CopyRecord] = {}
        """By the id of the change that each answers, oldest first."""
        self.latest: dict[Leg, MasterChanged] = {}
        """What the follower took last of each master leg: a copy of the leg goes on with it."""

    def keep(self, record: CopyRecord) -> None:
        """Take a copy that ended without an outcome."""
        self.records[record.change.change_id] = record

    def moved(self, leg: Leg) -> bool:
        """Tell whether a copy of a master leg may have moved something, unfinished as it is."""
        return any(record.change.leg == leg for record in self.records.values())

    def concern(self, symbol: str) -> bool:
        """Tell whether a copy of the symbol, in the follower's name of it, has no outcome."""
        return any(self._name_of(it.change) == symbol for it in self.records.values())

    def take_for(self, message: MasterChanged) -> tuple[CopyRecord | None, tuple[CopyRecord, ...]]:
        """Take the records of the change's leg: its own, and older ones."""
        resumed = self.records.pop(message.change.change_id, None)
        older = [it for it in self.records.values() if it.change.leg == message.change.leg]
        self._drop(older)
        return resumed, tuple(older)

    def take_of(self, symbol: str) -> tuple[CopyRecord, ...]:
        """Take the records of a symbol's copies: what is closed overtakes them."""
        taken = [it for it in self.records.values() if self._name_of(it.change) == symbol]
        self._drop(taken)
        return tuple(taken)

    def owed(self, symbol: str) -> MasterChanged | None:
        """Return the newest change of a leg of the symbol whose copy was interrupted, if it may go on."""
        if self._desk.stopping or not self._desk.may_send():
            return None
        for record in self.records.values():
            newest = self.latest.get(record.change.leg)
            if newest is not None and self._name_of(newest.change) == symbol:
                return newest
        return None

    def _drop(self, records: list[CopyRecord]) -> None:
        for record in records:
            del self.records[record.change.change_id]

    def _name_of(self, change: Change) -> str:
        return self._desk.symbols.name(change.leg.symbol)
