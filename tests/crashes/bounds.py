"""No follower opens more than any size of the master's asks for that is new enough: by the venues' books."""

from collections import deque
from decimal import Decimal
from functools import partial

import attrs
import trio

from exchanges.sandbox import Position
from exchanges.sandbox.events import PositionChanged, VenueEvent
from tests.crashes.storm import LEAVING, UNITS
from tests.crashes.town import MASTER, Resident, Town

KNOWN_S = 10.0
"""So old a size may be as what was sized from it fills: five seconds as it leaves (R13), three on its way."""
ZERO = Decimal(0)


@attrs.define
class BoundWatch:
    """Compares each position that grows with what the master has had of it just before."""

    town: Town
    problems: list[str] = attrs.field(factory=list)
    grown: int = 0
    """How often a position grew."""
    _masters: dict[str, deque[tuple[float, Decimal]]] = attrs.field(factory=dict)
    """What the master has, and had, of a symbol, each since when."""
    _held: dict[tuple[str, str, int], Decimal] = attrs.field(factory=dict)

    def watch(self) -> None:
        """Begin, before anything is traded."""
        self.town.market.core.subscribe(self._hear_master)
        for resident in self.town.residents:
            self.town.house_of(resident).core.subscribe(partial(self._hear, resident))

    def _hear_master(self, event: VenueEvent) -> None:
        if isinstance(event, PositionChanged) and event.account.name == MASTER:
            for leg in event.positions:
                self._masters.setdefault(leg.symbol, deque()).append((trio.current_time(), leg.size))

    def _hear(self, resident: Resident, event: VenueEvent) -> None:
        if isinstance(event, PositionChanged) and event.account.name == resident.name:
            for leg in event.positions:
                self._judge(resident, leg)

    def _judge(self, resident: Resident, leg: Position) -> None:
        key = resident.name, leg.symbol, leg.position_idx
        before, self._held[key] = self._held.get(key, ZERO), leg.size
        if abs(leg.size) <= abs(before):
            return
        self.grown += 1
        house = self.town.house_of(resident)
        (symbol,) = (it for it in (*UNITS, LEAVING) if house.own_symbol(it) == leg.symbol)
        sign = 1 if leg.size > 0 else -1
        most = max(ZERO, *(resident.ratio * size * sign for size in self._sizes(symbol)))
        if abs(leg.size) > most + house.core.listing(leg.symbol).lot_size:
            self.problems.append(
                f"{resident.name}: {leg.symbol} grew from {before} to {leg.size}, where {most} is the most "
                f"that the master has asked for on that side within {KNOWN_S:g} s"
            )

    def _sizes(self, symbol: str) -> list[Decimal]:
        """Return every size that the master has had lately."""
        known = self._masters.setdefault(symbol, deque())
        while len(known) > 1 and known[1][0] < trio.current_time() - KNOWN_S:
            known.popleft()
        return [ZERO, *(size for _, size in known)]
