"""The one place where copies of a symbol run, one after another."""

from collections.abc import Callable
from decimal import Decimal

import attrs
import trio

from actors.messages import MasterChanged
from model.leg import ChangeClass, classify


class Interrupted(Exception):
    """A newer change, a pause, a drain or a late answer ended a copy's wait; it has no outcome yet."""


@attrs.define(kw_only=True, eq=False)
class Lane:
    """A symbol's turn. While an order is unknown the lane gives way to reductions (R11)."""

    symbol: str
    changed: Callable[[], None]
    """Tells the actor that its mailbox is worth another look."""
    interruptible: bool = False
    yielding: bool = False
    only_full_closes: bool = False
    for_operator: bool = False
    """It closes a leg that an operator wants closed; no change of the master does."""
    only_looks: bool = False
    """Nothing is sent in it: whoever stops need not wait for it."""
    newer: MasterChanged | None = None
    """The change that is taken next in this lane."""
    _interrupted: bool = False
    _woken: trio.Event = attrs.field(factory=trio.Event)

    def interrupt(self, newer: MasterChanged | None) -> None:
        """Hand a newer change to a copy that waits to try again, or just end its wait."""
        self.interruptible = False  # one at a time: what else comes stays in the mailbox
        self.newer = newer
        self._interrupted = True
        self._woken.set()

    def nudge(self) -> None:
        """Let a copy that waits try again at once."""
        self._woken.set()

    async def pause(self, seconds: float) -> None:
        """Wait before another try; raises Interrupted when something newer came."""
        self._woken = trio.Event()
        self._interrupted = False
        self.interruptible = True
        self.changed()
        try:
            with trio.move_on_after(seconds):
                await self._woken.wait()
        finally:
            self.interruptible = False
        if self._interrupted or self.newer is not None:
            raise Interrupted

    def give_way(self, *, to_full_closes_only: bool) -> None:
        """Let reductions of the symbol pass while an order's outcome is unknown (R11).

        Beside an unknown reduction only what closes all may pass: two partial ones, sized from the same
        position, would together take off too much.
        """
        self.yielding = True
        self.only_full_closes = to_full_closes_only
        self.changed()

    def lets_pass(self, before: Decimal, after: Decimal) -> bool:
        """Tell whether a move of the master may be answered beside this yielding lane."""
        kind = classify(before, after)
        if self.only_full_closes:
            return not after or kind is ChangeClass.FLIP
        return kind.reduces
