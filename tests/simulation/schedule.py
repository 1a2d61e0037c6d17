"""What happens in one simulated run, made from its seed alone: the master's trades, faults, crashes.

A schedule is plain data. The master's positions are followed while it is made, so that every trade
has its quantity before anything runs, whatever the engine does.
"""

import random
from collections.abc import Collection
from decimal import Decimal

import attrs

from exchanges.sandbox import DEFAULT_PRICES
from model.amounts import floor_to_step
from model.settings import Sizing, SizingMode
from tests.simulation.awaits import mines_of
from tests.simulation.banning import bans_of
from tests.simulation.dialects import HEDGING, translated
from tests.simulation.faults import FAULTS
from tests.simulation.hands import HANDS
from tests.simulation.histories import history_of, trades_of
from tests.simulation.step import SYMBOLS, Step
from tests.simulation.storms import storms_of
from tests.simulation.trades import at_one_leverage, made_up
from tests.world import Cast, fixed_margin, fixed_ratio, mirror

MASTER_EQUITY = "50000"
NAMES = ("alice", "bob", "carol")


@attrs.frozen(kw_only=True)
class Schedule:
    """One run."""

    seed: int
    cast: tuple[Cast, ...]
    hedged: tuple[str, ...]
    """Symbols in which the master holds long and short apart."""
    steps: tuple[Step, ...]
    heals_at: float
    venue: str = "bybit"
    """Where all followers are; the master is on Bybit always."""
    history: str = ""
    """Whose trades they are; prices move as theirs did, and what is held grows and shrinks in worth."""
    storm: bool = False
    """Whether the master turns about faster than anybody follows, and the engine dies just then."""
    paced: bool = False
    """Whether the engine keeps the venues' request budgets, as it does in earnest."""
    mines: bool = False
    """Whether actors fail, and the engine dies, at awaits that are drawn."""
    bans: bool = False
    """Whether venues ban our address for minutes."""
    reads_lag_ms: int | None = None
    """By how much reads of Binance lag; None: by what the seed says."""

    def __str__(self) -> str:
        cast = ", ".join(
            f"{it.name} {'hedge ' if it.hedge else ''}{it.settings['sizing']}" for it in self.cast
        )
        hedged = ", ".join(self.hedged) or "nothing"
        lines = [f"seed {self.seed} on {self.venue}: {cast}; master hedges {hedged}"]
        return "\n".join([*lines, *map(str, self.steps), f"{self.heals_at:8.3f}  heals"])


def make_schedule(
    seed: int,
    faults: Collection[str] = tuple(FAULTS),
    *,
    hands: Collection[str] = (),
    venue: str = "bybit",
    history: str = "",
    storm: bool = False,
    paced: bool = False,
    mines: bool = False,
    bans: bool = False,
    reads_lag_ms: int | None = None,
) -> Schedule:
    """Return the schedule of a seed, always the same; ``faults`` and ``hands`` are kinds to draw from.

    ``history`` names the file whose trader the master trades like; "": it is made up.
    """
    chance = random.Random(seed)
    hedged = tuple(symbol for symbol in SYMBOLS[:2] if chance.random() < 0.4)
    cast = tuple(_member(chance, name) for name in NAMES[: chance.choice((1, 2, 2, 3))])
    if venue not in HEDGING or history:  # who cannot keep legs apart follows a master that does not
        hedged, cast = (), tuple(attrs.evolve(it, hedge=False) for it in cast)
    cast = tuple(attrs.evolve(it, venue=venue) for it in cast)
    length = chance.choice((8.0, 15.0, 30.0, 60.0))
    names = tuple(it.name for it in cast)
    if history:
        steps = trades_of(chance, history_of(history), length)
    elif storm:
        steps = storms_of(chance, hedged, names, length)
    else:
        steps = made_up(chance, hedged, length)
    laid = mines_of(random.Random(f"{seed} mines"), steps, names) if mines else []
    if bans:
        laid += bans_of(random.Random(f"{seed} bans"), steps, names, venue)
    if any(member.settings["sizing"].mode is SizingMode.FIXED_MARGIN for member in cast):
        steps = [at_one_leverage(step) for step in steps]
    if not history:  # there prices move with the trades
        steps += _moves(chance, length)
    steps += _faults(chance, length, names, faults)
    if hands:
        steps += _hands(random.Random(f"{seed} hands"), length, names, hands)
    ordered = tuple(sorted((translated(step, venue) for step in [*laid, *steps]), key=lambda step: step.at))
    return Schedule(
        seed=seed,
        cast=cast,
        hedged=hedged,
        steps=ordered,
        heals_at=length + 1.0,
        venue=venue,
        history=history,
        storm=storm,
        paced=paced or bans,  # who keeps no budgets heeds no ban of Bybit's
        mines=mines,
        bans=bans,
        reads_lag_ms=reads_lag_ms,
    )


def _member(chance: random.Random, name: str) -> Cast:
    equity, hedge, sizing = (
        str(chance.choice((20_000, 50_000, 100_000))),
        chance.random() < 0.4,
        _sizing(chance),
    )
    # The net of two legs at fixed margin depends on peaks that an engine which was away may have missed.
    apart = hedge or sizing.mode is SizingMode.FIXED_MARGIN
    return Cast(name=name, equity=equity, hedge=apart, settings={"sizing": sizing})


def _sizing(chance: random.Random) -> Sizing:
    kind = chance.random()
    if kind < 0.6:
        return fixed_ratio(chance.choice(("0.1", "0.37", "1", "1.5")))
    if kind < 0.85:
        return mirror(chance.choice(("0.5", "1")))
    return fixed_margin(chance.choice(("0.02", "0.05")))


# Prices and faults


def _moves(chance: random.Random, length: float) -> list[Step]:
    steps = []
    for _ in range(chance.randint(0, 8)):
        symbol = chance.choice(SYMBOLS)
        share = chance.choice((0.001, 0.003, 0.004)) * chance.choice((1, -1))
        price = DEFAULT_PRICES[symbol] * (1 + Decimal(str(share)))
        at = round(chance.uniform(0, length), 3)
        steps.append(
            Step(
                at=at, act="price", what={"symbol": symbol, "price": floor_to_step(price, Decimal("0.0001"))}
            )
        )
    return steps


def _faults(
    chance: random.Random, length: float, names: tuple[str, ...], kinds_of_fault: Collection[str]
) -> list[Step]:
    kinds = chance.sample(sorted(kinds_of_fault), k=min(len(kinds_of_fault), chance.choice((0, 1, 2, 4))))
    steps = []
    for kind in kinds:
        for _ in range(chance.choice((1, 2, 3))):
            at = round(chance.uniform(0, length), 3)
            steps += [attrs.evolve(step, at=at) for step in FAULTS[kind](chance, names)]
    return steps


def _hands(
    chance: random.Random, length: float, names: tuple[str, ...], kinds: Collection[str]
) -> list[Step]:
    drawn = [chance.choice(sorted(kinds)) for _ in range(chance.choice((0, 1, 2, 4)))]
    return [
        attrs.evolve(HANDS[kind](chance, names), at=round(chance.uniform(0, length), 3)) for kind in drawn
    ]
