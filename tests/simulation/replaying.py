"""A real trader's history through a whole engine in virtual time, each follower judged after each order."""

from collections import Counter
from collections.abc import Mapping
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
from supervision.demo.replay import equity_for, first_prices, listings_of, relisted
from tests.simulation.seats import Seat
from tests.simulation.targets import Interval, Move, allowed
from tests.world import MASTER, World

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
    Reason.DEFERRED,
}


def describe(history: History, *, min_notional: str) -> SandboxDescription:
    """Return the master's venue, which lists what the history trades, in its own lots and ticks."""
    listings: tuple[Listing, ...] = tuple(
        attrs.evolve(listing, min_notional=Decimal(min_notional)) for listing in listings_of(history)
    )
    return SandboxDescription(accounts=(), listings=listings, prices=first_prices(history))


def relist(history: History, lacking: Mapping[str, str]) -> dict[str, tuple[Listing, ...]]:
    """Return what venues list of it, by exchange; each lacks one symbol of the master's.

    Orders may be of any size: one step is one order.
    """
    return {
        exchange: tuple(
            attrs.evolve(own, max_notional=None)
            for symbol, own in relisted(history, exchange).items()
            if symbol != lacks
        )
        for exchange, lacks in lacking.items()
    }


def thinned(history: History, orders_max: int) -> History:
    """Return the history with the first orders of every symbol only."""
    seen: Counter[str] = Counter()
    kept = []
    for order in history.orders:
        seen[order.symbol] += 1
        if seen[order.symbol] <= orders_max:
            kept.append(order)
    return attrs.evolve(history, orders=tuple(kept))


def scaled_equity(history: History, share: str) -> str:
    """Return this share of the master's equity."""
    return str((equity_for(history) * Decimal(share)).quantize(Decimal("0.01")))


@attrs.define(kw_only=True)
class Replay:
    """Trades order by order and compares; what is wrong is gathered, so that a run tells all of it."""

    world: World
    seats: tuple[Seat, ...]
    history: History
    wrong: list[str] = attrs.field(factory=list)
    compared: int = 0
    on_an_edge: int = 0
    """Comparisons whose books left two neighbouring sizes open."""
    reasons: Counter[Reason] = attrs.field(factory=Counter)
    _peak: dict[str, tuple[Fraction, Fraction]] = attrs.field(factory=dict)
    _equities: dict[str, list[Interval]] = attrs.field(factory=dict)
    _watched: set[str] = attrs.field(factory=set)
    _waiting: set[tuple[str, str]] = attrs.field(factory=set)
    """(follower, symbol) whose reduction was too small and goes when it can."""
    _heard: int = 0

    async def run(self) -> None:
        """Replay the whole history."""
        for house in self.world.houses:
            house.core.subscribe(self._hear)
        for number, order in enumerate(self.history.orders):
            await self._trade(number, order)

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, WalletChanged):
            seat = next((it for it in self.seats if it.name == event.account.name), None)
            if seat is not None:
                self._equities.setdefault(seat.name, []).append(seat.told_equity())

    async def _trade(self, number: int, order: HistoricalOrder) -> None:
        world, symbol = self.world, order.symbol
        world.venue.set_price(symbol, order.fills[-1].price)
        await trio.sleep(STEP_S)  # virtual: the marks are everywhere by then
        self._equities = {it.name: [it.told_equity()] for it in self.seats}
        before = world.size(MASTER, symbol)
        held = {it.name: it.size(symbol) for it in self.seats}
        arrived = {house.exchange: len(house.core.ledger) for house in world.houses}
        world.venue.trade(
            MASTER, symbol, order.quantity, fills=[(fill.price, abs(fill.quantity)) for fill in order.fills]
        )
        self._note_peak(symbol, before)
        copies = await self._outcomes(number)
        if symbol not in self._watched:
            self._watched.add(symbol)
            await trio.sleep(WATCHED_S)
        for it in self.seats:
            if it.name_of(symbol) is not None:
                self._compare(number, order, it, Fraction(before), Fraction(held[it.name]))
            self._look_at_copy(f"order {number} {symbol}, {it.name}", copies[it.name], held[it.name], it)
        self._look_at_arrivals(number, arrived, held, symbol)

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
            if changes == 1 and len(outcomes) == len(self.seats):
                return outcomes
        raise AssertionError(f"order {number}: {changes} changes, outcomes only of {sorted(outcomes)}")

    def _compare(
        self, number: int, order: HistoricalOrder, it: Seat, before: Fraction, held: Fraction
    ) -> None:
        symbol, own = order.symbol, it.name_of(order.symbol)
        assert own is not None
        move = Move(
            before=before,
            after=Fraction(self.world.size(MASTER, symbol)),
            held=held,
            mark=Fraction(it.core.mark(own)),
            price=_average(order),
        )
        may_be = allowed(move, self._target(it, move, symbol), it.filters(symbol))
        size = Fraction(it.size(symbol))
        self.compared += 1
        self.on_an_edge += len(may_be.sizes) > 1 and not may_be.waits
        if may_be.waits and size == held:
            self._waiting.add((it.name, own))
        if size not in may_be.sizes:
            sizes = sorted(float(it) for it in may_be.sizes)
            self.wrong.append(
                f"order {number} {symbol}: {it.name} held {float(held)}, is {float(size)}, not {sizes}; "
                f"master {float(before)} -> {float(move.after)}"
            )

    def _target(self, it: Seat, move: Move, symbol: str) -> Interval:
        """Return R6's target, from what the venue's books said when it was computed."""
        sizing: Sizing = it.cast.settings["sizing"]
        if sizing.mode is SizingMode.FIXED_RATIO:
            assert sizing.ratio is not None
            return Interval.of(move.after * Fraction(sizing.ratio))
        equities = self._equities[it.name]
        closed_first = move.held * move.after < 0 and len(equities) > 1
        equity = equities[1 if closed_first else 0]
        if sizing.mode is SizingMode.FIXED_MARGIN:
            assert sizing.margin_pct is not None
            return (
                Interval.of(move.after * Fraction(sizing.margin_pct))
                * equity
                / Interval.of(self._peak[symbol][1])
            )
        master = Interval.of(_written(self.world.venue.balance(MASTER).equity))
        return Interval.of(move.after * Fraction(sizing.multiplier)) * equity / master

    def _look_at_copy(self, where: str, copy: CopyFinished, held: Decimal, it: Seat) -> None:
        symbol = copy.symbol
        moved = it.size(symbol) != held
        expected = CopyState.APPLIED if moved else CopyState.SKIPPED
        excuses = NOTHING_SENT if it.name_of(symbol) is not None else {Reason.SYMBOL_NOT_LISTED}
        if copy.state is not expected or (not moved and copy.reason not in excuses):
            self.wrong.append(f"{where}: {copy.state} {copy.reason} although moved={moved}")
        if copy.reason is not None:
            self.reasons[copy.reason] += 1

    def _look_at_arrivals(
        self, number: int, arrived: dict[str, int], held: dict[str, Decimal], symbol: str
    ) -> None:
        """One order a step: two for a flip, none where nothing is to be done; all of them taken."""
        rows = [
            row
            for house in self.world.houses
            for row in house.core.ledger.since(arrived[house.exchange])
            if row.account != MASTER
        ]
        sent = Counter((row.account, row.intent.symbol) for row in rows)
        for it in self.seats:
            was, now, own = held[it.name], it.size(symbol), it.name_of(symbol)
            expected = 2 if was * now < 0 else int(was != now)
            if sent.pop((it.name, own or symbol), 0) != expected:
                self.wrong.append(f"order {number}: {it.name} sent other than {expected} orders")
        self.wrong.extend(
            f"order {number}: {name} sent {count} orders of {other}"
            for (name, other), count in sent.items()
            if (name, other) not in self._waiting
        )
        self.wrong.extend(f"order {number}: refused {row!r}" for row in rows if not row.accepted)


def _average(order: HistoricalOrder) -> Fraction:
    worth = sum(Fraction(fill.price) * Fraction(fill.quantity) for fill in order.fills)
    return worth / Fraction(order.quantity)


def _written(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.00000001"))
