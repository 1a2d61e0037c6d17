"""A real trader's history through a whole engine in virtual time, each follower judged after each order."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import attrs
import trio

from actors.bus import Gap
from actors.events import CopyFinished, MasterChangeSeen
from exchanges.sandbox import Listing, SandboxDescription
from exchanges.sandbox.events import VenueEvent, WalletChanged
from model.copy import CopyState
from model.reasons import Reason
from model.settings import Sizing, SizingMode
from supervision.demo.history import HistoricalOrder, History
from supervision.demo.replay import equity_for, first_prices, listings_of
from tests.simulation.targets import WIRE_UNIT, Filters, Interval, Move, allowed
from tests.world import MASTER, Cast, World

STEP_S = 0.01
WATCHED_S = 1.0
"""Until the marks of a symbol that is new to the engine are streamed."""
ROUNDS_MAX = 500
NOTHING_SENT = {
    Reason.NOTHING_TO_DO,
    Reason.ALREADY_FLAT,
    Reason.ROUNDED_TO_ZERO,
    Reason.BELOW_MIN_QUANTITY,
    Reason.BELOW_MIN_NOTIONAL,
}


def describe(history: History, *, min_notional: str) -> SandboxDescription:
    """Return a venue that lists what the history trades, in its own lots and ticks."""
    listings: tuple[Listing, ...] = tuple(
        attrs.evolve(listing, min_notional=Decimal(min_notional)) for listing in listings_of(history)
    )
    return SandboxDescription(accounts=(), listings=listings, prices=first_prices(history))


def scaled_equity(history: History, share: str) -> str:
    """Return this share of the master's equity."""
    return str((equity_for(history) * Decimal(share)).quantize(Decimal("0.01")))


@attrs.define(kw_only=True)
class Replay:
    """Trades order by order and compares; what is wrong is gathered, so that a run tells all of it."""

    world: World
    cast: tuple[Cast, ...]
    history: History
    wrong: list[str] = attrs.field(factory=list)
    compared: int = 0
    on_an_edge: int = 0
    """Comparisons whose books left two neighbouring sizes open."""
    reasons: Counter[Reason] = attrs.field(factory=Counter)
    _peak: dict[str, tuple[Fraction, Fraction]] = attrs.field(factory=dict)
    _equities: dict[str, list[Fraction]] = attrs.field(factory=dict)
    _watched: set[str] = attrs.field(factory=set)
    _heard: int = 0

    async def run(self) -> None:
        """Replay the whole history."""
        self.world.venue.subscribe(self._hear)
        for number, order in enumerate(self.history.orders):
            await self._trade(number, order)

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, WalletChanged):
            name = event.account.name
            self._equities.setdefault(name, []).append(self._told_equity(name))

    def _told_equity(self, name: str) -> Fraction:
        """Return an equity as it follows from what the venue writes: entry prices have eight decimals."""
        account, marks = self.world.account(name), self.world.venue.prices()
        legs = account.open_positions()
        unrealised = sum(leg.size * (marks[leg.symbol] - _written(leg.entry_price)) for leg in legs)
        return Fraction(account.wallet) + Fraction(unrealised)

    async def _trade(self, number: int, order: HistoricalOrder) -> None:
        world, symbol = self.world, order.symbol
        world.venue.set_price(symbol, order.fills[-1].price)
        await trio.sleep(STEP_S)  # virtual: the marks are everywhere by then
        self._equities = {it.name: [self._told_equity(it.name)] for it in self.cast}
        before = world.size(MASTER, symbol)
        held = {it.name: world.size(it.name, symbol) for it in self.cast}
        arrived = len(world.venue.ledger)
        world.venue.trade(
            MASTER, symbol, order.quantity, fills=[(fill.price, abs(fill.quantity)) for fill in order.fills]
        )
        self._note_peak(symbol, before)
        copies = await self._outcomes(number)
        if symbol not in self._watched:
            self._watched.add(symbol)
            await trio.sleep(WATCHED_S)
        for it in self.cast:
            self._compare(number, order, it, Fraction(before), Fraction(held[it.name]))
            self._look_at_copy(f"order {number}, {it.name}", copies[it.name], held[it.name], it, symbol)
        self._look_at_arrivals(number, arrived, Fraction(before), held, symbol)

    def _note_peak(self, symbol: str, before: Decimal) -> None:
        """Keep the margin that came with the largest size of the episode."""
        venue, after = self.world.venue, self.world.size(MASTER, symbol)
        if not after:
            return
        position = venue.account(MASTER).position(symbol, 0)
        margin = Fraction(_written(venue.margin(MASTER, position).initial))
        size, _ = self._peak.get(symbol, (Fraction(0), margin))
        if not before or before * after < 0 or abs(after) > size:
            self._peak[symbol] = abs(Fraction(after)), margin

    async def _outcomes(self, number: int) -> dict[str, CopyFinished]:
        """Wait until the engine has seen the change and every follower has its outcome."""
        outcomes: dict[str, CopyFinished] = {}
        changes = 0
        for _ in range(ROUNDS_MAX):
            await trio.sleep(STEP_S)
            for event in self.world.events[self._heard :]:
                if isinstance(event, MasterChangeSeen):
                    changes += 1
                elif isinstance(event, CopyFinished):
                    assert event.follower not in outcomes, f"order {number}: two outcomes of {event}"
                    outcomes[event.follower] = event
                assert not isinstance(event, Gap)
            self._heard = len(self.world.events)
            if changes == 1 and len(outcomes) == len(self.cast):
                return outcomes
        raise AssertionError(f"order {number}: {changes} changes, outcomes only of {sorted(outcomes)}")

    def _compare(
        self, number: int, order: HistoricalOrder, it: Cast, before: Fraction, held: Fraction
    ) -> None:
        world, symbol = self.world, order.symbol
        listing = world.venue.listing(symbol)
        move = Move(
            before=before,
            after=Fraction(world.size(MASTER, symbol)),
            held=held,
            mark=Fraction(world.venue.mark(symbol)),
        )
        filters = Filters(lot=Fraction(listing.lot_size), min_notional=Fraction(listing.min_notional))
        may_be = allowed(move, self._target(it, move, symbol), filters)
        size = Fraction(world.size(it.name, symbol))
        self.compared += 1
        self.on_an_edge += len(may_be.sizes) > 1
        if size not in may_be.sizes:
            sizes = sorted(float(it) for it in may_be.sizes)
            self.wrong.append(
                f"order {number} {symbol}: {it.name} held {float(held)}, is {float(size)}, not {sizes}; "
                f"master {float(before)} -> {float(move.after)}"
            )

    def _target(self, it: Cast, move: Move, symbol: str) -> Interval:
        """Return R6's target, from what the venue's books said when it was computed."""
        sizing: Sizing = it.settings["sizing"]
        if sizing.mode is SizingMode.FIXED_RATIO:
            assert sizing.ratio is not None
            return Interval.of(move.after * Fraction(sizing.ratio))
        equities = self._equities[it.name]
        closed_first = move.held * move.after < 0 and len(equities) > 1
        equity = Interval.of(equities[1 if closed_first else 0], 2 * WIRE_UNIT)
        if sizing.mode is SizingMode.FIXED_MARGIN:
            assert sizing.margin_pct is not None
            return (
                Interval.of(move.after * Fraction(sizing.margin_pct))
                * equity
                / Interval.of(self._peak[symbol][1])
            )
        master = Interval.of(_written(self.world.venue.balance(MASTER).equity))
        return Interval.of(move.after * Fraction(sizing.multiplier)) * equity / master

    def _look_at_copy(self, where: str, copy: CopyFinished, held: Decimal, it: Cast, symbol: str) -> None:
        moved = self.world.size(it.name, symbol) != held
        expected = CopyState.APPLIED if moved else CopyState.SKIPPED
        if copy.state is not expected or (not moved and copy.reason not in NOTHING_SENT):
            self.wrong.append(f"{where}: {copy.state} {copy.reason} although moved={moved}")
        if copy.reason is not None:
            self.reasons[copy.reason] += 1

    def _look_at_arrivals(
        self, number: int, arrived: int, before: Fraction, held: dict[str, Decimal], symbol: str
    ) -> None:
        """One order a step: two for a flip, none where nothing is to be done; all of them taken."""
        rows = [row for row in self.world.venue.ledger.since(arrived) if row.account != MASTER]
        sent = Counter(row.account for row in rows)
        for name, was in held.items():
            now = self.world.size(name, symbol)
            expected = 2 if was * now < 0 else int(was != now)
            if sent[name] != expected:
                self.wrong.append(f"order {number}: {name} sent {sent[name]} orders, expected {expected}")
        self.wrong.extend(f"order {number}: refused {row!r}" for row in rows if not row.accepted)


def _written(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.00000001"))
