"""What all accounts of one venue share: marks, the catalogue, the clock offset (R20, R21)."""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from typing import cast

import attrs
import trio

from exchanges.port import Venue
from model.instrument import Instrument, InstrumentStatus
from model.marks import Marks
from model.symbols import SymbolIndex

CLOCK_OFFSET_MS_MAX = 1_000
KEY_CHECKS_MAX: Mapping[str, int] = {"hyperliquid": 2}
"""Key checks at once, by venue: the others wait here, and not in the venue's budget before those who read
accounts. One on Hyperliquid draws as much as fifty readings of an account."""
KEY_CHECKS_ELSEWHERE = 16
CATALOGUE_AGE_S_MIN = 10.0
"""A catalogue younger than this is believed, whatever an order was refused for."""
CATALOGUE_WAIT_S = 3.0


def _turns(exchange: str) -> trio.CapacityLimiter:
    return trio.CapacityLimiter(KEY_CHECKS_MAX.get(exchange, KEY_CHECKS_ELSEWHERE))


@attrs.define
class VenueBoard:
    """Written by the venue's MarkStream actor alone, read by its followers; all in one thread."""

    venue: Venue
    marks: Marks = attrs.field(factory=Marks)
    instruments: Mapping[str, Instrument] = attrs.field(factory=dict)
    symbols: SymbolIndex = attrs.field(factory=lambda: SymbolIndex({}))
    watched: frozenset[str] = frozenset()
    """Whose marks are streamed: who asked for them asks only once, so this outlives the stream's actor."""
    clock_offset_ms: int | None = None
    known: trio.Event = attrs.field(factory=trio.Event)
    """Set once the catalogue has been read."""
    read_at: float = -CATALOGUE_AGE_S_MIN
    doubted: trio.Event = attrs.field(factory=trio.Event)
    """Set by whoever was refused what the catalogue allows."""
    _reread: trio.Event = attrs.field(factory=trio.Event)
    _seen: Mapping[str, Instrument] = attrs.field(factory=dict)
    key_checks: trio.CapacityLimiter = attrs.field(
        default=attrs.Factory(lambda self: _turns(self.venue.exchange), takes_self=True)
    )
    """Whose turn it is to have a key checked."""

    @property
    def clock_ok(self) -> bool:
        """Tell whether openings may go out: the venue's clock and ours agree within 1 s (R20)."""
        return self.clock_offset_ms is not None and abs(self.clock_offset_ms) <= CLOCK_OFFSET_MS_MAX

    def learn(self, instruments: Mapping[str, Instrument]) -> None:
        """Take a catalogue that was just read.

        What it no longer lists counts as closed: who holds it must still be able to leave.
        """
        gone = {
            symbol: attrs.evolve(known, status=InstrumentStatus.CLOSED)
            for symbol, known in self._seen.items()
            if symbol not in instruments
        }
        self._seen = {**gone, **instruments}
        # A venue may fill its own mapping further (leverage tiers that come later): it stays what is read.
        self.instruments = (
            ChainMap(cast(MutableMapping[str, Instrument], instruments), gone) if gone else instruments
        )
        self.symbols = SymbolIndex(self.instruments)
        self.read_at = trio.current_time()
        self.known.set()
        self._reread.set()
        self._reread = trio.Event()

    async def doubt(self) -> bool:
        """Have the catalogue read again, for a venue refused what it allows; return whether it was."""
        if trio.current_time() - self.read_at < CATALOGUE_AGE_S_MIN:
            return False
        self.doubted.set()
        with trio.move_on_after(CATALOGUE_WAIT_S):
            await self._reread.wait()
            return True
        return False
