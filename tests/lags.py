"""How far behind the master's exits the followers are, by the venues' own books."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from decimal import Decimal

import attrs
import trio

from exchanges.sandbox.events import Executed, VenueEvent
from exchanges.sandbox.venue import SandboxVenue
from tests.world import MASTER

LOOK_EVERY_S = 0.02
LATE_S = 0.5
MOVES_MAX = 2_000


@attrs.frozen
class Held:
    """What a follower has of something, and what the master's size calls for."""

    key: Hashable
    size: Decimal
    ideal: Decimal
    lot: Decimal


@attrs.define
class Lags:
    """Watches for how long anybody holds more of a side than the master's size calls for."""

    look: Callable[[], Iterable[Held]]
    longest_s: float = 0.0
    longest_of: str = ""
    _looked_at: float | None = None
    _called: dict[Hashable, deque[tuple[float, Decimal]]] = attrs.field(factory=dict)
    """What the master's size has called for, and since when."""

    def watch(self, venue: SandboxVenue) -> None:
        """Look at each move of the master there: what it calls for may last shorter than a look apart."""
        venue.subscribe(self._hear)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._look()
            await trio.sleep(LOOK_EVERY_S)

    def begin(self) -> None:
        """Forget the longest lag so far."""
        self.longest_s, self.longest_of = 0.0, ""

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, Executed) and event.account.name == MASTER:
            self._look()

    def _look(self) -> None:
        now = trio.current_time()
        late_s = 0.0 if self._looked_at is None else now - self._looked_at - LOOK_EVERY_S
        self._looked_at = now
        for held in self.look():
            called = self._called.setdefault(held.key, deque(maxlen=MOVES_MAX))
            if not called or called[-1][1] != held.ideal:
                called.append((now, held.ideal))
            lag_s = _lag_s(called, held, now)
            if lag_s > self.longest_s:
                self.longest_s = lag_s
                self.longest_of = f"{held.key} had {held.size} for {lag_s:.2f} s where {held.ideal} is right"
                if late_s > LATE_S:  # then so did the venues, which live in this process
                    self.longest_of += f"; whoever looks stood still for {late_s:.2f} s before"


def _lag_s(called: deque[tuple[float, Decimal]], held: Held, now: float) -> float:
    """Return for how long the master's size has called for less than is held."""
    if not held.size:
        return 0.0
    until, sign = now, 1 if held.size > 0 else -1
    for since, ideal in reversed(called):
        if ideal * sign + held.lot >= abs(held.size):
            break
        until = since
    return now - until
