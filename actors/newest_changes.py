"""What the master was last heard to do, leg by leg: a net is of states, not of memories (R6)."""

import attrs

from actors.messages import MasterChanged
from model.change import Change
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg


class NewestChanges:
    """Of every master leg the newest change that any message brought, and the message's number."""

    def __init__(self) -> None:
        self._heard: dict[Leg, tuple[int, Change]] = {}

    def hear(self, message: MasterChanged) -> None:
        """Take what a message tells of its own leg and of the symbol's others; it may be told again."""
        for heard in (message.change, *message.others):
            if message.told >= self._heard.get(heard.leg, (-1, heard))[0]:
                self._heard[heard.leg] = message.told, heard

    def of(self, leg: Leg) -> tuple[int, Change]:
        """Return the number of the message that told of a leg last, and the change; KeyError: none did."""
        return self._heard[leg]

    def oldest_first(self) -> list[Change]:
        """Return the newest change of each leg, in the order in which they were told."""
        return [change for _, change in sorted(self._heard.values(), key=_number)]

    def beside(self, message: MasterChanged) -> MasterChanged:
        """Return the change beside what is known of the symbol's other legs by now.

        It may have waited: a reduction of another leg goes first, and a copy that was interrupted
        is taken up again after others (R2).
        """
        own = message.change.leg
        legs = (Leg(own.symbol, idx) for idx in (ONE_WAY, HEDGE_LONG, HEDGE_SHORT) if idx != own.position_idx)
        told = {other.leg: (message.told, other) for other in message.others}
        nothing = -1, None
        newest = (max(told.get(leg, nothing), self._heard.get(leg, nothing), key=_number) for leg in legs)
        others = tuple(other for _, other in newest if other is not None)
        return message if others == message.others else attrs.evolve(message, others=others)


def _number(heard: tuple[int, Change | None]) -> int:
    return heard[0]
