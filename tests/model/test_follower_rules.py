"""What holds for every decision: it never raises, is tradable, guards its direction, never drifts."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from model.change import Change
from model.follower import Decision, Goal, Situation, decide
from model.instrument import Instrument, InstrumentStatus, LeverageTier
from model.leg import ChangeClass, Leg, PositionMode, classify
from model.settings import FollowerMode, FollowerSettings, Join, Limits, Sizing, SizingMode
from model.validation import Exposure, check_order
from tests.model.factories import make_change, make_goal, make_instrument, make_situation

# Anything that a venue, an operator or a bug might put into a situation

ODD = [Decimal(text) for text in ("0", "-0", "1e60", "-1e60", "1e-60", "0.1", "1", "-1", "1e-120")]
amounts = st.decimals("-1e12", "1e12", places=8) | st.sampled_from(ODD)
plausible = st.decimals("0.001", "1000", places=3)
anything = amounts | plausible
perhaps = st.none() | anything
legs = st.builds(Leg, st.sampled_from(("BTCUSDT", "BTC")), st.sampled_from((0, 1, 2)))
positive = st.decimals("1e-8", "1e6", places=8) | st.sampled_from([Decimal("0.001"), Decimal(1)])
changes = st.builds(
    Change,
    change_id=st.just("c" * 32),
    leg=legs,
    size_before=anything,
    size_after=anything,
    initial_margin=perhaps,
    leverage=perhaps,
    fill_price=perhaps,
    master_equity=perhaps,
    entry_price=perhaps,
    venue_time_ms=st.integers(0, 9),
    received_at_ms=st.integers(0, 9),
    seq=st.integers(-1, 9),
    episode_id=st.just("e" * 32),
    episode_began_ms=st.integers(0, 9),
    peak_size=anything,
    peak_margin=perhaps,
    from_snapshot=st.booleans(),
    caught_up=st.booleans(),
)
goals = st.builds(
    Goal,
    leg=legs,
    before=anything,
    after=anything,
    change=changes,
    contributions=st.lists(changes, max_size=3).map(tuple),
    moving=st.lists(anything, max_size=3).map(tuple),
    held=perhaps,
)
followers = st.builds(
    FollowerSettings,
    name=st.just("alice"),
    exchange=st.just("bybit"),
    sizing=st.builds(
        Sizing, mode=st.sampled_from(SizingMode), multiplier=anything, margin_pct=perhaps, ratio=perhaps
    ),
    limits=st.builds(
        Limits,
        max_leverage=perhaps,
        max_slippage=anything | st.just(Decimal("0.01")),
        max_basis=perhaps,
        max_notional_per_symbol=perhaps,
        max_notional=perhaps,
        max_positions=st.none() | st.integers(0, 2),
        daily_loss=perhaps,
        max_drawdown=perhaps,
        min_equity=perhaps,
    ),
    join=st.sampled_from(Join),
    mode=st.sampled_from(FollowerMode),
    round_up_to_minimum=st.booleans(),
    joined_at_ms=st.integers(0, 9),
)
tiers = st.lists(st.builds(LeverageTier, notional_max=anything, leverage_max=anything), max_size=3)
instruments = st.builds(
    Instrument,
    exchange=st.just("bybit"),
    symbol=st.just("BTCUSDT"),
    base=st.just("BTC"),
    quote=st.just("USDT"),
    lot_size=positive,
    min_quantity=anything,
    max_quantity=anything,
    max_market_quantity=anything,
    min_notional=anything,
    min_notional_exempts_reductions=st.booleans(),
    tick_size=positive,
    price_digits=st.none() | st.integers(1, 8),
    price_decimals=st.none() | st.integers(0, 8),
    max_leverage=anything,
    leverage_step=positive,
    status=st.sampled_from(InstrumentStatus),
    tiers=tiers.map(tuple),
)
situations = st.builds(
    Situation,
    settings=followers,
    instrument=st.none() | instruments,
    mode=st.sampled_from(PositionMode),
    size=anything,
    owned=st.sampled_from((True, True, False)),
    leverage=perhaps,
    equity=perhaps,
    mark=perhaps,
    exposure=st.builds(
        Exposure, notional_of_symbol=anything, notional_total=anything, positions_open=st.integers(0, 3)
    ),
    age_s=st.floats(-1, 9),
    max_open_age_s=st.just(5.0),
    stopping=st.booleans(),
    clock_ok=st.booleans(),
    durable=st.booleans(),
    view_fresh=st.booleans(),
    order_unknown=st.booleans(),
    equity_day_start=perhaps,
    equity_peak=perhaps,
)
# The same, where every gate is open: openings get as far as their sizes
open_situations = st.builds(
    make_situation,
    anything | st.just(Decimal(0)),
    instrument=instruments.map(lambda known: attrs.evolve(known, status=InstrumentStatus.TRADING)),
    equity=perhaps,
    mark=perhaps,
    leverage=perhaps,
    settings=followers.map(
        lambda known: attrs.evolve(known, mode=FollowerMode.ACTIVE, join=Join.NOW, limits=Limits())
    ),
)


@given(goals, situations | open_situations)
@settings(max_examples=300)
def test_no_situation_makes_it_raise_and_what_it_sends_is_tradable(goal: Goal, situation: Situation) -> None:
    decision = decide(goal, situation)

    assert decision.drafts or decision.reason is not None
    _is_guarded(decision, goal, situation)
    for draft in decision.drafts:
        assert situation.instrument is not None
        assert check_order(draft, situation.instrument, mark=situation.mark, mode=situation.mode) is None


def _is_guarded(decision: Decision, goal: Goal, situation: Situation) -> None:
    """Assert that drafts reach ``desired`` from what is held, one way, without crossing zero."""
    size, moved = Fraction(situation.size), Fraction(0)
    for draft in decision.drafts:
        moved += draft.side.sign * Fraction(draft.quantity)
    assert size + moved == Fraction(decision.desired)
    assert {draft.opens for draft in decision.drafts} != {True, False}
    if not decision.drafts:
        assert decision.leverage is None
    elif decision.drafts[0].opens:
        assert moved * Fraction(goal.after) > 0
        assert size * Fraction(goal.after) >= 0
    else:
        assert size * moved < 0
        assert abs(moved) <= abs(size)
        assert situation.owned
        assert decision.leverage is None


# Follow a master for a while, every order filled as asked

LOT = Decimal("0.001")
FINE = make_instrument(
    lot_size=LOT,
    min_quantity=LOT,
    min_notional=Decimal(0),
    max_quantity=Decimal(10**9),
    max_market_quantity=Decimal(10**9),
)
MODES = st.sampled_from(
    [
        Sizing(multiplier=Decimal("0.37")),
        Sizing(mode=SizingMode.FIXED_MARGIN, margin_pct=Decimal("0.17")),
        Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal("0.123457")),
    ]
)
walks = st.lists(st.decimals("-50", "50", places=3), min_size=1, max_size=12)
equities = st.decimals("100", "5000", places=2)


def follow(
    walk: list[Decimal], sizing: Sizing, equity: list[Decimal], margin_per_unit: Decimal
) -> list[tuple[Change, Decimal]]:
    """Return each change of a master's walk with what the follower holds after it."""
    held, peak, followed = Decimal(0), Decimal(0), []
    for (before, after), now in zip(pairwise([Decimal(0), *walk]), equity, strict=True):
        fresh = not before or before * after < 0
        peak = abs(after) if fresh else max(peak, abs(after))
        change = make_change(
            before,
            after,
            initial_margin=abs(after) * margin_per_unit,
            peak_size=peak,
            peak_margin=peak * margin_per_unit,
        )
        goal = make_goal(str(before), str(after), change=change)
        held = _settle(goal, held, sizing, now)
        followed.append((change, held))
    return followed


def _settle(goal: Goal, held: Decimal, sizing: Sizing, equity: Decimal) -> Decimal:
    follower = FollowerSettings(name="alice", exchange="bybit", sizing=sizing)
    for _ in range(3):
        decision = decide(goal, make_situation(held, equity=equity, settings=follower, instrument=FINE))
        _is_guarded(decision, goal, make_situation(held))
        held = decision.desired
        if not decision.again:
            return held
        goal = attrs.evolve(goal, before=Decimal(0))
    raise AssertionError("a flip takes two decisions")


def at_once(change: Change, sizing: Sizing, equity: Decimal) -> Fraction:
    """Return R6's target for the last state alone."""
    size, worth = Fraction(change.size_after), Fraction(equity)
    if not size:
        return size
    if sizing.mode is SizingMode.FIXED_RATIO:
        return size * Fraction(sizing.ratio or 0)
    if sizing.mode is SizingMode.FIXED_MARGIN:
        return size * (worth * Fraction(sizing.margin_pct or 0) / Fraction(change.peak_margin or 0))
    margin = Fraction(change.initial_margin or 0)
    margin_pct = Fraction(sizing.multiplier) * margin / Fraction(change.master_equity or 0)
    return size * (worth * margin_pct / margin)


@given(walks, MODES, equities, st.decimals("0.1", "100", places=3))
def test_no_sequence_of_changes_accumulates_rounding(
    walk: list[Decimal], sizing: Sizing, equity: Decimal, margin_per_unit: Decimal
) -> None:
    followed = follow(walk, sizing, [equity] * len(walk), margin_per_unit)

    for change, held in followed:
        exact = abs(at_once(change, sizing, equity))
        assert 0 <= exact - abs(Fraction(held)) < Fraction(LOT)
        assert Fraction(held) * Fraction(change.size_after) >= 0
        if not change.size_after:
            assert held == 0


@given(walks, MODES, st.lists(equities, min_size=12, max_size=12), st.decimals("0.1", "100", places=3))
def test_with_deposits_and_losses_only_the_direction_guards_keep_it_from_the_target(
    walk: list[Decimal], sizing: Sizing, equity: list[Decimal], margin_per_unit: Decimal
) -> None:
    followed = follow(walk, sizing, equity[: len(walk)], margin_per_unit)

    before = Fraction(0)
    for (change, held), now in zip(followed, equity, strict=False):
        target = abs(at_once(change, sizing, now))
        target -= target % Fraction(LOT)
        kind = classify(change.size_before, change.size_after)
        if kind is ChangeClass.INCREASE:
            target = max(target, before)
        elif kind in (ChangeClass.PARTIAL_CLOSE, ChangeClass.UNCHANGED):
            target = min(target, before) if kind is ChangeClass.PARTIAL_CLOSE else before
        assert abs(Fraction(held)) == target
        before = target


@given(st.lists(st.decimals("0.001", "50", places=3), min_size=1, max_size=8), MODES, st.integers(1, 10**6))
def test_whatever_is_held_a_full_close_leaves_exactly_nothing(
    sizes: list[Decimal], sizing: Sizing, lots: int
) -> None:
    goal = make_goal(str(sizes[-1]), "0")

    assert _settle(goal, LOT * lots, sizing, Decimal(1000)) == 0
    assert _settle(goal, -LOT * lots, sizing, Decimal(1000)) == 0


def test_what_is_left_of_an_absurd_size_is_not_rounded_away() -> None:
    """A fraction of a lot beneath sixty digits made a close of everything of one that leaves something."""
    size = Decimal("1e60")
    none = dict.fromkeys(("min_quantity", "min_notional", "max_quantity", "max_market_quantity"), Decimal(0))
    coarse = make_instrument(lot_size=Decimal("3e-8"), **none)
    goal, situation = make_goal("1", "0"), make_situation(size, instrument=coarse)

    decision = decide(goal, situation)

    _is_guarded(decision, goal, situation)
    assert decision.desired > 0
