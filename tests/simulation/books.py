"""What may never happen, seen from the venue's own books while a run goes on.

The engine is not asked: every check compares an order that arrives with the accounts as the venue
has them, and with the ledger's file as another process would read it.
"""

import math
import sqlite3
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from actors.events import MasterChangeSeen
from exchanges.sandbox import LedgerRow, OrderLedger, Position, SandboxVenue
from exchanges.sandbox.events import PositionChanged, PriceChanged, VenueEvent, WalletChanged
from exchanges.sandbox.rules import only_reduces
from model.leg import HEDGE_LONG, HEDGE_SHORT
from model.settings import FollowerMode, SizingMode
from tests.simulation.ages import Ages
from tests.simulation.bans import KINDS, MOMENT_S, Bans
from tests.simulation.openings import Openings
from tests.simulation.outage import Outage
from tests.simulation.step import LOTS, SYMBOLS
from tests.simulation.story import say_arrival
from tests.simulation.unheard import UnheardLegs
from tests.world import MASTER, Cast, World

ORDER_LIFE_S = 3.0
WINDOW_SLACK_S = 1.0
ORDERED_SLACK_S = 10.0
DEAF_S = 35.0
"""A line of the master's that is dead is known to be after 25 s of silence, and another is up soon after.

Who is told what was known until then, having just started itself, opens by it within the slippage.
"""
"""An order that had left before the operator's may be on its way for so long."""
TOLERANCE = Decimal("0.03")
"""Marks and margins that the engine sized from may be a moment older than the venue's."""
PAID_OUT_MAX = 1 / Decimal("0.8") ** 4
"""So much larger an equity may have been before its owner took money out, unseen where frames are lost."""
ZERO = Decimal(0)
LegKey = tuple[str, str, int]
"""Follower, symbol, position_idx."""


class WatchedLedger(OrderLedger):
    """The venue's order ledger; tells of every arrival before the venue acts on it."""

    def __init__(self, watch: Any) -> None:
        super().__init__()
        self._watch = watch

    def arrive(self, *args: Any, **options: Any) -> LedgerRow:
        row = super().arrive(*args, **options)
        self._watch(row)
        return row


@attrs.define(kw_only=True)
class Books:
    """Watches every venue; ``violations`` tells what was seen, each with its time.

    Symbols are the master's, whatever a follower's venue calls them.
    """

    world: World
    cast: tuple[Cast, ...]
    directory: Path
    outage: Outage | None = None
    """Through which the ledger is reached; tells who holds its connection."""
    max_open_age_s: float = 5.0
    tell: bool = False
    violations: list[str] = attrs.field(factory=list)
    _ideals: dict[LegKey, deque[tuple[float, Decimal]]] = attrs.field(factory=dict)
    _peaks: dict[tuple[str, int], tuple[Decimal, Decimal]] = attrs.field(factory=dict)
    """The master's largest size of each episode and the margin it took."""
    lots: dict[str, Decimal] = attrs.field(factory=lambda: dict(LOTS))
    """The coarsest that any venue has had of each symbol."""
    traded: frozenset[str] = frozenset(SYMBOLS)
    """What the master trades in this run."""
    most: dict[LegKey, Decimal] = attrs.field(factory=dict)
    """The largest ideal since a leg was flat or on the other side."""
    touched: set[LegKey] = attrs.field(factory=set)
    """Legs that somebody else has moved."""
    paid_out: set[str] = attrs.field(factory=set)
    """Followers whose owners have taken money out."""
    foreign: set[tuple[str, str]] = attrs.field(factory=set)
    """(follower, symbol) of positions that no copy of ours opened."""
    _modes: dict[str, tuple[float, FollowerMode]] = attrs.field(factory=dict)
    _names: dict[str, str] = attrs.field(factory=dict)
    """The master's name of any venue's symbol."""
    _unheard: UnheardLegs = attrs.field(factory=partial(UnheardLegs, MASTER))
    deaf_since: float = -math.inf
    """When a line of the master's went dead."""
    _bans: Mapping[str, Bans] = attrs.field(init=False)
    _ages: Ages = attrs.field(init=False)
    _openings: Openings = attrs.field(factory=Openings)
    _reader: sqlite3.Connection | None = None

    def __attrs_post_init__(self) -> None:
        self._bans = {
            house.exchange: KINDS[house.exchange](self._note_violation, lambda: self.world._engine)
            for house in self.world.houses
            if self.world.paced or house.exchange == "binance"
        }
        self._ages = Ages(age_s_max=self.max_open_age_s + ORDER_LIFE_S + MOMENT_S)

    def watch(self) -> None:
        """Begin; before anything is traded."""
        for house in self.world.houses:
            house.core.ledger = WatchedLedger(self._arrived)
            house.core.subscribe(self._heard)
            self._names.update({house.own_symbol(symbol): symbol for symbol in SYMBOLS})
            if house.exchange in self._bans:
                self._bans[house.exchange].watch(house.core.faults)
        self._unheard.watch(self.venue.faults)
        self._note()

    @property
    def venue(self) -> SandboxVenue:
        """The master's."""
        return self.world.venue

    def close(self) -> None:
        """Close the ledger's file."""
        if self._reader is not None:
            self._reader.close()

    # What each follower should hold

    def ideal(self, member: Cast, symbol: str, idx: int, *, known: bool = True) -> Decimal:
        """Return the exact size that R6 gives a follower's leg at the venue's numbers of this moment.

        ``known`` False: as of an engine that was away at the peak of a fixed-margin episode.
        """
        total = net = ZERO
        for leg in self.venue.account(MASTER).legs(symbol):
            if not leg.size or (idx == HEDGE_LONG and leg.size < 0) or (idx == HEDGE_SHORT and leg.size > 0):
                continue
            net += leg.size
            total += leg.size * self._scale(member, leg, known)
        # Two legs with margins of their own may weigh against their net: nobody goes that way.
        return total if total * net > 0 else ZERO

    def _scale(self, member: Cast, leg: Position, known: bool) -> Decimal:
        sizing = member.settings["sizing"]
        if sizing.mode is SizingMode.FIXED_RATIO:
            return sizing.ratio
        equity = self.world.core(member.name).balance(member.name).equity
        if sizing.mode is SizingMode.MIRROR:
            return equity * sizing.multiplier / self.venue.balance(MASTER).equity
        now = self.venue.margin(MASTER, leg).initial
        return equity * sizing.margin_pct / (self._peaks[leg.symbol, leg.position_idx][1] if known else now)

    def legs(self) -> list[tuple[Cast, str, int]]:
        """Return every leg of every follower."""
        return [
            (member, symbol, idx)
            for member in self.cast
            for symbol in SYMBOLS
            for idx in self.world.account(member.name).leg_indices(self.own(member.name, symbol))
        ]

    def own(self, name: str, symbol: str) -> str:
        """Return what an account's venue calls a symbol of the master's."""
        return self.world.house(name).own_symbol(symbol)

    # What others do

    def cut_lines(self, *, dead_s: float = 0.0) -> None:
        """Remember that lines are cut, or for so long some are dead: answers are lost with them."""
        for bans in self._bans.values():
            bans.lines_are_cut(dead_s)

    def touch(self, name: str, leg: Position) -> None:
        """Remember that a leg was moved by somebody else."""
        self.touched.add((name, self._names[leg.symbol], leg.position_idx))

    def ordered(self, name: str, mode: FollowerMode) -> None:
        """Remember what an operator has ordered, and since when."""
        self._modes[name] = trio.current_time(), mode

    @property
    def never_traded(self) -> str | None:
        """A symbol that the master does not trade, None where it trades all."""
        return next((symbol for symbol in SYMBOLS if symbol not in self.traded), None)

    def never_held(self, name: str, symbol: str) -> bool:
        """Tell whether an account has not opened a foreign position in it yet."""
        return (name, symbol) not in self.foreign

    def is_foreign(self, name: str, own_symbol: str) -> bool:
        """Tell whether a position is nobody's business but its owner's."""
        return (name, self._names[own_symbol]) in self.foreign

    def _heard(self, event: VenueEvent) -> None:
        if isinstance(event, PositionChanged) and event.account.name == MASTER:
            for leg in event.positions:
                self._openings.master_moved(leg.symbol)
        if isinstance(event, PositionChanged | PriceChanged | WalletChanged):
            self._note_peaks()
            self._note()

    def _note_peaks(self) -> None:
        master = self.venue.account(MASTER)
        for key, leg in master.positions.items():
            peak = self._peaks.get(key)
            if not leg.size:
                self._peaks.pop(key, None)
            elif peak is None or abs(leg.size) > abs(peak[0]) or (leg.size > 0) != (peak[0] > 0):
                self._peaks[key] = leg.size, self.venue.margin(MASTER, leg).initial
            if leg.position_idx:
                self._unheard.note(leg.symbol, leg.position_idx, leg.size)

    def _note(self) -> None:
        now = trio.current_time()
        for member, symbol, idx in self.legs():
            known, unknown = (self.ideal(member, symbol, idx, known=it) for it in (True, False))
            ideal = max(known, unknown, key=abs)
            key = member.name, symbol, idx
            most = self.most.get(key, ZERO)
            self.most[key] = ideal if ideal * most <= 0 else max(ideal, most, key=abs)
            history = self._ideals.setdefault(key, deque())
            if not history or history[-1][1] != ideal:
                history.append((now, ideal))

    def recent(self, key: LegKey) -> list[Decimal]:
        """Return the ideals that an opening which arrives now may answer."""
        now = trio.current_time()
        since = now - self.max_open_age_s - ORDER_LIFE_S - WINDOW_SLACK_S
        if now < self.deaf_since + DEAF_S:
            since = min(since, self.deaf_since)
        history = self._ideals[key]
        while len(history) > 1 and history[1][0] < since:
            history.popleft()
        return [ideal for _, ideal in history]

    def note_payment(self, account: str, share: Decimal) -> None:
        """Note what an owner pays in or takes out, a share of his equity.

        What the master did before may be heard late, and is copied by the equity of then.
        """
        self._openings.paid(account)
        if share < 0:
            self.paid_out.add(account)
            return
        for member in self.cast:
            if member.name == account and member.settings["sizing"].mode is not SizingMode.FIXED_RATIO:
                for key in [key for key in self._ideals if key[0] == account]:
                    self._ideals[key] = deque((at, it * (1 + share)) for at, it in self._ideals[key])

    def go_deaf(self) -> None:
        """Note that a line of the master's is dead from now on; where it was, it still is."""
        if trio.current_time() > self.deaf_since + DEAF_S:
            self.deaf_since = trio.current_time()

    def _nets(self, name: str, symbol: str) -> list[Decimal]:
        """Return the ideals of a one-way leg that lacks a change of one of the master's two legs."""
        nets = self._unheard.nets(symbol)
        if not nets:
            return []
        member = next(it for it in self.cast if it.name == name)
        leg = self.venue.account(MASTER).legs(symbol)[0]
        scale = self._scale(member, leg, known=False)  # the same for both: at fixed margin no leg is one-way
        return [net * scale for net in nets]

    # What arrives

    def _arrived(self, row: LedgerRow) -> None:
        if self.tell:
            held = self.world.account(row.account).size(row.intent.symbol, row.intent.position_idx)
            say_arrival(row, held)
        if row.account == MASTER or row.via == "desk":
            return
        self._check_orders_of_operators(row)
        if self.is_foreign(row.account, row.intent.symbol):
            self._say(row, "the position is not ours")
        if self.outage is not None and self.outage.is_lent:
            self._say(row, "a database connection is held across a call")
        for bans in self._bans.values():
            bans.arrived(row)
        self._check_ids(row)
        self._check_direction(row)
        if not only_reduces(row.intent):
            self._check_opening(row)
            ledger_id = _plain(row.client_order_id)
            copy = self._copy_of(ledger_id)
            if copy is not None:
                symbol = self._names[row.intent.symbol]
                held = self.world.account(row.account).size(row.intent.symbol, row.intent.position_idx)
                if self._openings.note(
                    self._ledger_file(),
                    copy,
                    row,
                    ledger_id=ledger_id,
                    symbol=symbol,
                    held=held,
                    newest=self._newest_change(symbol),
                    touched=(row.account, symbol, row.intent.position_idx) in self.touched,
                ):
                    self._say(row, "its copy had opened the leg whole before")
                now_ms, harmed = self.venue.now_ms(), self._unheard.was_harmed
                self._ages.note(self._ledger_file(), copy, row, now_ms=now_ms, harmed=harmed)

    def _note_violation(self, what: str) -> None:
        self.violations.append(f"{trio.current_time():.3f} {what}")

    def _say(self, row: LedgerRow, what: str) -> None:
        intent = row.intent
        self.violations.append(
            f"{trio.current_time():.3f} {row.account} {intent.side.value} {intent.quantity} {intent.symbol}:"
            f"{intent.position_idx}{' reduce-only' if only_reduces(intent) else ''} "
            f"{row.client_order_id[:8]}: {what}"
        )

    def _check_ids(self, row: LedgerRow) -> None:
        if not row.client_order_id:
            return self._say(row, "it has no client order id")
        if len(self.world.core(row.account).ledger.by_client_order_id(row.client_order_id)) > 1:
            self._say(row, "its id arrived before")
        copy = self._copy_of(_plain(row.client_order_id))
        if copy is None:
            if not (only_reduces(row.intent) and _plain(row.client_order_id) in self._journal()):
                self._say(row, "its claim is not durable")
            return None
        for other in self.world.account(row.account).open_orders_of(row.intent.symbol):
            same_leg = other.intent.position_idx == row.intent.position_idx
            if same_leg and self._copy_of(_plain(other.intent.client_order_id)) == copy:
                self._say(row, f"another order of its copy is live: {other.intent.client_order_id[:8]}")
        return None

    def _check_orders_of_operators(self, row: LedgerRow) -> None:
        since, mode = self._modes.get(row.account, (0.0, FollowerMode.ACTIVE))
        if mode is FollowerMode.ACTIVE or trio.current_time() - since < ORDERED_SLACK_S:
            return
        if mode is FollowerMode.PAUSED or not only_reduces(row.intent):
            self._say(row, f"the follower is {mode.value} since {since:.3f}")

    def _check_direction(self, row: LedgerRow) -> None:
        held = self.world.account(row.account).size(row.intent.symbol, row.intent.position_idx)
        if held and not only_reduces(row.intent) and (held > 0) != (row.intent.side.sign > 0):
            self._say(row, f"it opens against {held}")

    def _check_opening(self, row: LedgerRow) -> None:
        intent, account = row.intent, self.world.account(row.account)
        sign, symbol = intent.side.sign, self._names[intent.symbol]
        ideals = self.recent((row.account, symbol, intent.position_idx))
        if not intent.position_idx:
            ideals += self._nets(row.account, symbol)
        wanted = max((sign * ideal for ideal in ideals), default=ZERO)
        wanted *= PAID_OUT_MAX if row.account in self.paid_out else 1
        if wanted <= 0:
            return self._say(row, f"the master has left that side: {ideals}")
        live = sum(
            (
                order.leaves
                for order in account.open_orders_of(intent.symbol)
                if order.intent.position_idx == intent.position_idx and not only_reduces(order.intent)
            ),
            ZERO,
        )
        total = sign * account.size(intent.symbol, intent.position_idx) + live + intent.quantity
        if total > wanted * (1 + TOLERANCE) + self.lots[symbol]:
            self._say(row, f"beyond the target: {total} of {wanted}, {live} of it live")
        return None

    # The ledger, as another process reads it

    def late_openings(self) -> list[str]:
        """Tell which openings came too late after what they follow; once, when their copies have ended."""
        return self._ages.judge(self._ledger_file())

    def _ledger_file(self) -> sqlite3.Connection:
        if self._reader is None:
            self._reader = sqlite3.connect(f"file:{self.directory / 'ledger.db'}?mode=ro", uri=True)
        return self._reader

    def _newest_change(self, symbol: str) -> str | None:
        told = (it.change for it in reversed(self.world.seen(MasterChangeSeen)))
        return next((it.change_id for it in told if it.leg.symbol == symbol), None)

    def _copy_of(self, client_order_id: str) -> int | None:
        asked = (
            "SELECT id FROM copies WHERE client_order_id = ? "
            "UNION SELECT copy_no FROM orders WHERE client_order_id = ?"
        )
        found = self._ledger_file().execute(asked, (client_order_id, client_order_id)).fetchone()
        return None if found is None else found[0]

    def _journal(self) -> str:
        try:
            return (self.directory / "journal").read_text()
        except FileNotFoundError:
            return ""


def _plain(client_order_id: str) -> str:
    """Return an id as the ledger has it: Hyperliquid's begin with 0x."""
    return client_order_id.removeprefix("0x")
