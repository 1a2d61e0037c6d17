"""What all accounts of one venue share: marks, the catalogue, the clock offset (R20, R21)."""

from collections.abc import Mapping

import attrs
import trio

from exchanges.port import Venue
from model.instrument import Instrument
from model.marks import Marks
from model.symbols import SymbolIndex

CLOCK_OFFSET_MS_MAX = 1_000
KEY_CHECKS_MAX: Mapping[str, int] = {"hyperliquid": 2}
"""Key checks at once, by venue: the others wait here, and not in the venue's budget before those who read
accounts. One on Hyperliquid draws as much as fifty readings of an account."""
KEY_CHECKS_ELSEWHERE = 16


def _turns(exchange: str) -> trio.CapacityLimiter:
    return trio.CapacityLimiter(KEY_CHECKS_MAX.get(exchange, KEY_CHECKS_ELSEWHERE))


@attrs.define
class VenueBoard:
    """Written by the venue's MarkStream actor alone, read by its followers; all in one thread."""

    venue: Venue
    marks: Marks = attrs.field(factory=Marks)
    instruments: Mapping[str, Instrument] = attrs.field(factory=dict)
    symbols: SymbolIndex = attrs.field(factory=lambda: SymbolIndex({}))
    clock_offset_ms: int | None = None
    known: trio.Event = attrs.field(factory=trio.Event)
    """Set once the catalogue has been read."""
    key_checks: trio.CapacityLimiter = attrs.field(
        default=attrs.Factory(lambda self: _turns(self.venue.exchange), takes_self=True)
    )
    """Whose turn it is to have a key checked."""

    @property
    def clock_ok(self) -> bool:
        """Tell whether openings may go out: the venue's clock and ours agree within 1 s (R20)."""
        return self.clock_offset_ms is not None and abs(self.clock_offset_ms) <= CLOCK_OFFSET_MS_MAX

    def learn(self, instruments: Mapping[str, Instrument]) -> None:
        """Take a catalogue that was just read."""
        self.instruments = instruments
        self.symbols = SymbolIndex(instruments)
        self.known.set()
