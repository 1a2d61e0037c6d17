"""A follower's names for the master's symbols, and whether they mean the same thing (R9)."""

from collections.abc import Mapping

import attrs
import trio

from actors.venue_board import VenueBoard
from model.account_view import MARK_AGE_S_MAX
from model.change import Change, in_units
from model.symbols import SymbolMatch, is_same_price


@attrs.define
class SymbolDesk:
    """Shared by all followers of one venue; reads what both venues' boards know now."""

    master: VenueBoard
    own: VenueBoard
    overrides: Mapping[str, str] = attrs.field(factory=dict)
    """The operator's word by master symbol; blank means that the venue has none."""
    _confirmed: set[str] = attrs.field(factory=set, init=False)

    def match(self, symbol: str) -> SymbolMatch | None:
        """Return the follower's symbol for one of the master's, None where its venue lacks it."""
        if self.own is self.master:
            return SymbolMatch(symbol) if symbol in self.own.instruments else None
        known = self.master.instruments.get(symbol)
        return None if known is None else self.own.symbols.match(known, self.overrides)

    def name(self, symbol: str) -> str:
        """Return the follower's symbol, or the master's own name where its venue lacks it."""
        match = self.match(symbol)
        return symbol if match is None else match.symbol

    def own_units(self, change: Change) -> Change:
        """Return a change of the master in units of the follower's contract."""
        match = self.match(change.leg.symbol)
        return change if match is None else in_units(change, match.factor)

    def is_confirmed(self, symbol: str) -> bool:
        """Tell whether prices have shown once that both names mean the same thing."""
        if self.own is self.master or symbol in self._confirmed:
            return True
        match, now = self.match(symbol), trio.current_time()
        if match is None:
            return False
        theirs = self.master.marks.price(symbol, now=now, age_s_max=MARK_AGE_S_MAX)
        ours = self.own.marks.price(match.symbol, now=now, age_s_max=MARK_AGE_S_MAX)
        if not is_same_price(theirs, ours, match.factor):
            return False
        self._confirmed.add(symbol)
        return True
