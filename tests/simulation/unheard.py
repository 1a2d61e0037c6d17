"""Nets of two hedge legs of which one has a change that the engine may not have heard of.

The frames of a change may all be lost; a snapshot finds it up to ten seconds later. Until then the net
that a one-way follower is sized by holds that leg as it was before. Nothing else may be told so late.
"""

from collections import deque
from decimal import Decimal
from typing import Any

import attrs
import trio

from exchanges.sandbox import FaultKind
from exchanges.sandbox.faults import Fault, Faults
from model.leg import HEDGE_LONG, HEDGE_SHORT

FOUND_WITHIN_S = 10.0
ON_THE_WAY_S = 4.0
"""From the look that an order follows from to its arrival."""
HARM_WITHIN_S = 0.001
"""Frames leave in the moment of their change."""
HARMS = frozenset(
    {FaultKind.DROP_FRAME, FaultKind.MALFORM_FRAME, FaultKind.REORDER_FRAME, FaultKind.DELAY_FRAME}
)
ZERO = Decimal(0)


@attrs.define
class UnheardLegs:
    """The sizes that the master's hedge legs had lately, and when frames of its came to harm."""

    master: str
    _sizes: dict[tuple[str, int], deque[tuple[float, Decimal]]] = attrs.field(factory=dict)
    _harmed_at: deque[float] = attrs.field(factory=deque)

    def watch(self, faults: Faults) -> None:
        """Hear of every frame that a fault strikes."""
        strike = faults.strike

        def heard(kind: FaultKind, *, account: str | None = None, **where: Any) -> Fault | None:
            fault = strike(kind, account=account, **where)
            if fault is not None and kind in HARMS and account == self.master:
                self.harm()
            return fault

        faults.strike = heard  # type: ignore[method-assign]

    def harm(self) -> None:
        """Remember that a frame comes to harm now."""
        self._harmed_at.append(trio.current_time())
        while self._harmed_at[0] < self._since():
            self._harmed_at.popleft()

    @property
    def was_harmed(self) -> bool:
        """Tell whether frames of the master came to harm, lately enough to matter to an order of now."""
        return any(at >= self._since() for at in self._harmed_at)

    def note(self, symbol: str, idx: int, size: Decimal) -> None:
        """Remember a leg's size of this moment."""
        history = self._sizes.setdefault((symbol, idx), deque([(-1.0, ZERO)]))
        if history[-1][1] != size:
            history.append((trio.current_time(), size))
        while len(history) > 1 and history[1][0] < self._since():
            history.popleft()

    def nets(self, symbol: str) -> set[Decimal]:
        """Return every net of the symbol in which the last heard size of one leg may be an older one."""
        return {
            before + other
            for idx, beside in ((HEDGE_LONG, HEDGE_SHORT), (HEDGE_SHORT, HEDGE_LONG))
            for changed_at, before in self._unheard(symbol, idx)
            for other in self._sizes_from(symbol, beside, changed_at)
        }

    def _unheard(self, symbol: str, idx: int) -> list[tuple[float, Decimal]]:
        """Return when the leg changed with frames harmed, and its size before."""
        history = self._sizes.get((symbol, idx), ())
        return [
            (changed_at, before)
            for (_, before), (changed_at, _) in zip(history, list(history)[1:], strict=False)
            if changed_at >= self._since()
            and any(0 <= at - changed_at <= HARM_WITHIN_S for at in self._harmed_at)
        ]

    def _sizes_from(self, symbol: str, idx: int, moment: float) -> list[Decimal]:
        """Return the sizes that a leg had at a moment and since."""
        history = list(self._sizes.get((symbol, idx), ((-1.0, ZERO),)))
        ends = [at for at, _ in history[1:]] + [float("inf")]
        return [size for (_, size), end in zip(history, ends, strict=True) if end > moment]

    def _since(self) -> float:
        return trio.current_time() - FOUND_WITHIN_S - ON_THE_WAY_S
