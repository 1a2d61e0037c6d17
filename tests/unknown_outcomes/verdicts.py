"""Whether the ledger settles orders by the venue's word alone: its file against what passed on the wire.

The engine is not asked. Whenever its ledger was written, every order that has newly ended there is
compared with what had been heard of it until then, and with the venue's own books.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import trio

from exchanges.sandbox import SandboxVenue
from exchanges.sandbox.order import Order
from tests.unknown_outcomes.wire import Said
from tests.unknown_outcomes.words import Meaning, Reader

PAST_LIFE_S = 2.0
"""How long after a request's life "not found" begins to count (R11)."""
APART_S = 0.999
"""Two that say "not found" are a second apart."""
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)
FINAL = frozenset({"filled", "ended", "rejected", "lost"})


@attrs.define
class Heard:
    """What is known of one order from the wire: when it was said, and how long a request lives."""

    left: list[tuple[float, float]] = attrs.field(factory=list)
    said: list[tuple[float, Meaning]] = attrs.field(factory=list)

    def has(self, *meanings: Meaning) -> bool:
        """Tell whether one of these was said."""
        return any(meaning in meanings for _, meaning in self.said)

    def is_missing(self) -> bool:
        """Tell whether "not found" may be believed: late enough, twice, and nothing else since."""
        from_s = max((at + life_s + PAST_LIFE_S for at, life_s in self.left), default=0.0)
        missing: list[float] = []
        for at, meaning in self.said:
            if meaning in (Meaning.TAKEN, Meaning.ENDED, Meaning.REFUSED):
                missing.clear()
            elif at >= from_s:
                missing.append(at)
        return len(missing) > 1 and missing[-1] - missing[0] >= APART_S


@attrs.define(kw_only=True)
class Verdicts:
    """Watches one follower's orders; ``violations`` tells what was settled on a guess."""

    venue: SandboxVenue
    follower: str
    reader: Reader
    ledger: Path
    violations: list[str]
    heard: dict[str, Heard] = attrs.field(factory=dict)
    _judged: set[str] = attrs.field(factory=set)

    def listen(self, said: Said) -> None:
        """Note what a message says of our orders; what cannot be read says nothing."""
        try:
            words = list(self.reader.read(said))
        except UNREADABLE:
            return
        for word in words:
            known = self.heard.setdefault(word.order, Heard())
            if word.meaning is Meaning.LEFT:
                known.left.append((said.at, word.value / 1000))
            else:
                known.said.append((said.at, word.meaning))

    def watch(self, store: Any) -> None:
        """Look at the ledger's file after everything that the engine writes there."""
        write, record_kept = store.write, store.record_kept

        def looked(*args: Any, **options: Any) -> Any:
            answer = write(*args, **options)
            self.look()
            return answer

        def looked_kept(outcome: Any) -> None:
            record_kept(outcome)
            self.look()

        store.write, store.record_kept = looked, looked_kept

    def look(self) -> None:
        """Judge every order that has ended in the ledger since the last look."""
        for order, state, filled in self._rows():
            if state in FINAL and order not in self._judged:
                self._judged.add(order)
                self._judge(order, state, filled)

    def close(self) -> None:
        """Judge the end: every order that the venue took has its end and its fills in the ledger."""
        rows = {order: (state, filled) for order, state, filled in self._rows()}
        for order, taken in self._taken().items():
            state, filled = rows.get(order, ("not there", Decimal(0)))
            if state not in ("filled", "ended") or filled != taken.filled:
                self._say(order, f"{state} with {filled}, the venue has {_told(taken)}")
        for order, heard in self.heard.items():
            known = heard.has(Meaning.REFUSED) and not heard.has(Meaning.TAKEN, Meaning.ENDED)
            state = rows.get(order, ("not there", Decimal(0)))[0]
            if heard.left and state not in FINAL and not known:
                self._say(order, f"it left and is {state} for ever")
            if len(heard.left) > 1:
                self._say(order, f"it left {len(heard.left)} times")

    def _judge(self, order: str, state: str, filled: Decimal) -> None:
        heard, taken = self.heard.get(order, Heard()), self._taken().get(order)
        match state:
            case "filled" | "ended":
                if not heard.has(Meaning.ENDED):
                    self._say(order, f"{state} before the venue said so: {_list(heard.said)}")
                if taken is None or taken.status.is_open or taken.filled != filled:
                    self._say(order, f"{state} with {filled}, the venue has {_told(taken)}")
            case "rejected":
                if not heard.has(Meaning.REFUSED) or taken is not None:
                    self._say(order, f"refused, the venue has {_told(taken)}: {_list(heard.said)}")
            case _:
                if not heard.is_missing() or taken is not None:
                    self._say(order, f"lost, the venue has {_told(taken)}: {_list(heard.said)}, {heard.left}")

    def _taken(self) -> dict[str, Order]:
        rows = [row for row in self.venue.ledger.of(self.follower) if row.client_order_id]  # else its owner's
        return {row.client_order_id.removeprefix("0x"): row.order for row in rows if row.order is not None}

    def _rows(self) -> list[tuple[str, str, Decimal]]:
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT client_order_id, state, filled FROM orders").fetchall()
        return [(order, state, Decimal(filled)) for order, state, filled in found]

    def _say(self, order: str, what: str) -> None:
        self.violations.append(f"{trio.current_time():.3f} {order[:8]}: settled without the venue: {what}")


def _told(order: Order | None) -> str:
    return "none" if order is None else f"{order.status.value} {order.filled}"


def _list(said: Iterable[tuple[float, Meaning]]) -> str:
    return ", ".join(f"{at:.1f} {meaning.name}" for at, meaning in said) or "nothing was said"
