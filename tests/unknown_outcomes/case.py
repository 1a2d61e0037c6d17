"""One case: an order whose outcome is unknown, made from its number alone."""

import random
from collections.abc import Mapping
from decimal import Decimal

import attrs

from tests.simulation.step import Step
from tests.unknown_outcomes.troubles import FOLLOWER, ONLY, PLACES, TROUBLES, Place, Trouble
from tests.world import Cast, fixed_ratio

HANDS = ("open", "increase", "reduce", "close", "flip")
STREAMS = ("prompt", "early", "late", "late", "never", "never", "never")
RATIOS = ("0.37", "1", "1.5")
PAIRS = [(venue, name) for name in TROUBLES for venue in PLACES if ONLY.get(name, venue) == venue]
LOTS: Mapping[str, Decimal] = {"BTCUSDT": Decimal("0.1"), "ETHUSDT": Decimal("1.8"), "SOLUSDT": Decimal(30)}
"""The master's first position; all other sizes are shares of it."""
SHARES = {"increase": "0.5", "reduce": "-0.4", "close": "-1", "flip": "-1.7"}
EQUITY = "50000"
LATE_S_MAX = 20.0
LAG_MS_SHORT = 400
"""Reads that lag no more than this tell of a close before the opening after it is too old."""


@attrs.frozen(kw_only=True)
class Case:
    """What happens; ``hedged`` is the master's way, ``hedge`` the follower's."""

    number: int
    venue: str
    name: str
    hand: str
    symbol: str
    sign: int
    ratio: str
    hedged: bool
    hedge: bool
    by_rest: bool
    second: bool
    """The second order of a flip is struck."""
    stream: str
    """When fills are pushed: as usual, before the answer, long after it, or never."""
    then: str
    """What the master does next, while the order is unknown."""
    then_after_s: float
    trouble: Trouble

    @property
    def place(self) -> Place:
        """What the venue's faults are called."""
        return PLACES[self.venue]

    @property
    def cast(self) -> Cast:
        """The follower."""
        settings = {"sizing": fixed_ratio(self.ratio)}
        return Cast(name=FOLLOWER, equity=EQUITY, hedge=self.hedge, venue=self.venue, settings=settings)

    def __str__(self) -> str:
        told = [
            f"case {self.number}: {self.name} on {self.venue}, {self.hand} {self.symbol} {self.sign:+d}",
            f"{'hedged' if self.hedged else 'one-way'} master",
            f"{'hedge' if self.hedge else 'one-way'} follower",
            f"ratio {self.ratio}, stream {self.stream}",
            *(["by REST"] if self.by_rest else []),
            *(["the second order"] if self.second else []),
            *([f"then {self.then} after {self.then_after_s} s"] if self.then else []),
        ]
        trouble = self.trouble
        return "\n  ".join(
            [
                ", ".join(told),
                *(f"waiting {dict(it)}" for it in trouble.waiting),
                *(f"before {it}" for it in trouble.before),
                *map(str, trouble.meanwhile),
                *([f"reads lag {trouble.lag_ms} ms"] if trouble.lag_ms else []),
            ]
        )


def make_case(number: int) -> Case:
    """Return the case of a number, always the same: every venue meets every trouble in turn."""
    chance = random.Random(number)
    turn, at = divmod(number, len(PAIRS))
    venue, name = PAIRS[at]
    hand = HANDS[(turn + at) % len(HANDS)]
    hedged = hedge = False
    if venue != "hyperliquid":  # it keeps no legs apart, so its followers follow a master that does not
        hedged, hedge = chance.choice(
            ((False, False), (False, False), (False, True), (True, True), (True, False))
        )
    trouble = TROUBLES[name](chance, PLACES[venue])
    return _that_strikes(
        Case(
            number=number,
            venue=venue,
            name=name,
            hand=hand,
            symbol=chance.choice(tuple(LOTS)),
            sign=chance.choice((1, -1)),
            ratio=chance.choice(RATIOS),
            hedged=hedged,
            hedge=hedge,
            by_rest=name not in ("half_open_line", "request_late") and chance.random() < 0.3,
            second=hand == "flip" and name != "half_open_line" and chance.random() < 0.5,
            stream=chance.choice(STREAMS),
            then=chance.choice(("", "", "", "increase", "reduce", "close")),
            then_after_s=chance.choice((0.2, 1.5, 5.0)),
            trouble=trouble,
        )
    )


def _that_strikes(case: Case) -> Case:
    """Return the case such that the fault finds an order, and that order's answer, to strike."""
    if case.trouble.lag_ms > LAG_MS_SHORT and case.stream in ("late", "never"):
        # The close that goes before the second order is known too late for that to leave at all (R13).
        case = attrs.evolve(case, second=False)
    drops_reads = any(step.act == "drop_reads" for step in case.trouble.meanwhile)
    if drops_reads and case.by_rest and case.stream == "early":
        # The answer that waits for the stream would be gone with its connection.
        case = attrs.evolve(case, stream="prompt")
    return case


def share(case: Case, kind: str) -> Decimal:
    """Return what the master trades, signed, for a move of this kind."""
    return LOTS[case.symbol] * Decimal(SHARES.get(kind, "1")) * case.sign


def quietly(case: Case) -> tuple[Step, ...]:
    """Return what is done to the follower's stream."""
    fields = {"account": FOLLOWER}
    match case.stream:
        case "late":
            return (
                Step(at=0, act="fault", what={"kind": "DELAY_FRAME", "seconds": (2.0, LATE_S_MAX), **fields}),
            )
        case "never":
            return (Step(at=0, act="fault", what={"kind": "DROP_FRAME", **fields}),)
        case "early":
            slow = {"kind": "DELAY_ANSWER", "seconds": 0.3, "endpoint": case.place.orders, **fields}
            return (Step(at=0, act="fault", what=slow),)
        case _:
            return ()
