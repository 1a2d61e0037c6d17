"""What a follower decides, case by case (R5, R6, R7, R10, R13, R14)."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from model.change import Change
from model.follower import Decision, Goal, decide, goals_of
from model.instrument import LeverageTier
from model.key_standing import KeyState
from model.leg import Leg, PositionMode, Side
from model.reasons import Reason
from model.settings import FollowerMode, FollowerSettings, Limits, Sizing, SizingMode
from model.validation import Exposure
from tests.model.factories import BTC, make_change, make_goal, make_instrument, make_situation

LONG, SHORT = Leg("BTCUSDT", 1), Leg("BTCUSDT", 2)


def settings(sizing: Sizing | None = None, round_up: bool = False, **limits: Any) -> FollowerSettings:
    """Return a follower with this sizing and these limits."""
    return FollowerSettings(
        name="alice",
        exchange="bybit",
        sizing=sizing or Sizing(),
        limits=Limits(**limits),
        round_up_to_minimum=round_up,
    )


def orders(decision: Decision) -> list[str]:
    """Return the drafts as "buy 0.1"."""
    return [f"{draft.side.value} {draft.quantity.normalize():f}" for draft in decision.drafts]


# Openings


@pytest.mark.parametrize(("after", "order", "bound"), [("1", "buy 0.1", "101"), ("-1", "sell 0.1", "99")])
def test_an_opening_is_a_limit_within_the_slippage_of_the_masters_price(
    after: str, order: str, bound: str
) -> None:
    decision = decide(make_goal("0", after), make_situation())

    assert orders(decision) == [order]
    assert decision.drafts[0].price == Decimal(bound)
    assert decision.drafts[0].opens
    assert not decision.drafts[0].reduce_only
    assert decision.desired == decision.target == Decimal(after) / 10


def test_an_increase_adds_what_is_missing_from_live_state() -> None:
    assert orders(decide(make_goal("1", "2"), make_situation("0.15"))) == ["buy 0.05"]


def test_an_increase_never_sells() -> None:
    decision = decide(make_goal("1", "2"), make_situation("0.3"))

    assert (orders(decision), decision.reason, decision.desired) == ([], Reason.NOTHING_TO_DO, Decimal("0.3"))


def test_an_opening_is_rounded_down_to_the_lot() -> None:
    assert orders(decide(make_goal("0", "1"), make_situation(equity=Decimal("999.99")))) == ["buy 0.099"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"equity": None}, Reason.EQUITY_UNKNOWN),
        ({"equity": Decimal(0)}, Reason.EQUITY_NOT_POSITIVE),
        ({"equity": Decimal("0.001")}, Reason.ROUNDED_TO_ZERO),
        ({"equity": Decimal(400)}, Reason.BELOW_MIN_NOTIONAL),
        ({"instrument": None}, Reason.SYMBOL_NOT_LISTED),
        ({"mode": PositionMode.HEDGE}, Reason.POSITION_MODE_MISMATCH),
    ],
)
def test_an_opening_that_cannot_be_is_skipped_with_its_reason(facts: dict[str, Any], reason: Reason) -> None:
    decision = decide(make_goal("0", "1"), make_situation(**facts))

    assert (decision.drafts, decision.reason, decision.desired) == ((), reason, 0)


def test_a_margin_that_is_not_confirmed_skips_openings_and_shrinks_reductions_in_proportion() -> None:
    unconfirmed = {"initial_margin": None}
    opening = make_goal("0", "1", change=make_change("0", "1", **unconfirmed))
    closing = make_goal("4", "1", change=make_change("4", "1", **unconfirmed))

    assert decide(opening, make_situation()).reason is Reason.MARGIN_UNCONFIRMED
    decision = decide(closing, make_situation("0.8"))
    assert orders(decision) == ["sell 0.6"]
    assert decision.numbers["proportional_because"] == "margin_unconfirmed"


@pytest.mark.parametrize(
    ("equity", "order"), [("1", "buy 0.051"), ("0.001", "buy 0.051"), ("1000", "buy 0.1")]
)
def test_a_follower_may_ask_for_the_minimum(equity: str, order: str) -> None:
    situation = make_situation(settings=settings(round_up=True), equity=Decimal(equity))

    assert orders(decide(make_goal("0", "1"), situation)) == [order]


def test_rounding_up_stays_within_the_limits() -> None:
    tight = settings(round_up=True, max_notional_per_symbol=Decimal(5))

    decision = decide(make_goal("0", "1"), make_situation(settings=tight, equity=Decimal(1)))

    assert (orders(decision), decision.reason) == ([], Reason.LIMIT_NOTIONAL_PER_SYMBOL)


def test_limits_cut_an_opening_and_say_so() -> None:
    situation = make_situation(settings=settings(max_notional_per_symbol=Decimal(7)))

    decision = decide(make_goal("0", "1"), situation)

    assert (orders(decision), decision.reason) == (["buy 0.07"], Reason.LIMIT_NOTIONAL_PER_SYMBOL)
    assert decision.target == Decimal("0.1")


def test_a_limit_that_is_used_up_leaves_what_is_held() -> None:
    full = Exposure(notional_of_symbol=Decimal(0), notional_total=Decimal(100), positions_open=1)
    situation = make_situation("0.05", settings=settings(max_notional=Decimal(100)), exposure=full)

    decision = decide(make_goal("1", "2"), situation)

    assert (orders(decision), decision.reason, decision.desired) == (
        [],
        Reason.LIMIT_NOTIONAL,
        Decimal("0.05"),
    )


def test_above_the_maximum_an_opening_is_split() -> None:
    situation = make_situation(instrument=make_instrument(max_quantity=Decimal("0.06")))

    assert orders(decide(make_goal("0", "1"), situation)) == ["buy 0.05", "buy 0.05"]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),  # it is what the master's is
        ({"leverage": Decimal(5)}, "10"),
        ({"leverage": None}, "10"),
        ({"settings": settings(max_leverage=Decimal(3))}, "3"),
        (
            {
                "instrument": make_instrument(
                    tiers=(LeverageTier(notional_max=Decimal(99), leverage_max=Decimal(4)),)
                )
            },
            "4",
        ),
    ],
)
def test_leverage_is_set_before_an_opening_only_when_it_differs(
    facts: dict[str, Any], expected: str | None
) -> None:
    decision = decide(make_goal("0", "1"), make_situation(**facts))

    assert decision.drafts
    assert decision.leverage == (None if expected is None else Decimal(expected))


def test_a_reduction_leaves_leverage_alone() -> None:
    assert decide(make_goal("1", "0"), make_situation("0.1", leverage=Decimal(77))).leverage is None


def test_a_late_opening_is_bounded_by_the_masters_entry() -> None:
    change = make_change("0", "1", caught_up=True, entry_price=Decimal("99.5"), fill_price=Decimal(200))

    decision = decide(make_goal("0", "1", change=change), make_situation())

    assert decision.drafts[0].price == Decimal("100.4")


# Reductions


@pytest.mark.parametrize(
    ("before", "after", "size", "expected"),
    [
        ("2", "1", "0.2", ["sell 0.1"]),
        ("-2", "-1", "-0.2", ["buy 0.1"]),
        ("2", "0", "0.2", ["sell 0.2"]),
        ("-2", "0", "-0.2", ["buy 0.2"]),
        ("2", "1.9999", "0.2", ["sell 0.001"]),  # up to the lot
        ("2", "0.1", "0.2", ["sell 0.2"]),  # would leave less than a minimum order
    ],
)
def test_reductions_are_reduce_only_market_orders(
    before: str, after: str, size: str, expected: list[str]
) -> None:
    decision = decide(make_goal(before, after), make_situation(size))

    assert orders(decision) == expected
    assert all(draft.reduce_only and draft.price is None and not draft.opens for draft in decision.drafts)
    assert all(draft.closes_all is (decision.desired == 0) for draft in decision.drafts)


@pytest.mark.parametrize("after", ["1", "0"])
def test_who_never_got_the_opening_is_flat_already(after: str) -> None:
    decision = decide(make_goal("2", after), make_situation("0"))

    assert (decision.drafts, decision.reason) == ((), Reason.ALREADY_FLAT)


def test_after_a_partly_filled_opening_a_partial_close_goes_to_the_target_and_not_by_the_delta() -> None:
    """Of 0.2 only 0.12 filled; half of the master's position is 0.1."""
    assert orders(decide(make_goal("2", "1"), make_situation("0.12"))) == ["sell 0.02"]


def test_a_reduction_never_buys_when_a_deposit_made_the_target_larger() -> None:
    decision = decide(make_goal("2", "1"), make_situation("0.2", equity=Decimal(5000)))

    assert (decision.drafts, decision.reason, decision.desired) == ((), Reason.NOTHING_TO_DO, Decimal("0.2"))
    assert decision.target == Decimal("0.5")


def test_a_small_reduction_is_deferred_until_the_target_is_a_tradable_order_away() -> None:
    strict = make_instrument(min_notional_exempts_reductions=False)
    situation = make_situation("0.2", instrument=strict)

    first = decide(make_goal("2", "1.7"), situation)
    second = decide(make_goal("1.7", "1.4"), situation)

    assert (orders(first), first.reason, first.desired) == ([], Reason.DEFERRED, Decimal("0.2"))
    assert orders(second) == ["sell 0.06"]


def test_a_deferred_reduction_is_told_even_where_the_master_had_added_before() -> None:
    strict = make_instrument(min_notional_exempts_reductions=False)
    goal = make_goal("1", "1.9", moving=(Decimal(2),))

    assert decide(goal, make_situation("0.2", instrument=strict)).reason is Reason.DEFERRED


def test_above_the_maximum_a_close_is_split_and_closes_all() -> None:
    situation = make_situation("0.2", instrument=make_instrument(max_market_quantity=Decimal("0.08")))

    decision = decide(make_goal("2", "0"), situation)

    assert orders(decision) == ["sell 0.067", "sell 0.067", "sell 0.066"]
    assert decision.desired == 0


@pytest.mark.parametrize("equity", [None, Decimal(0), Decimal(-7)])
def test_a_retry_in_proportion_starts_from_what_was_held_when_the_copy_began(equity: Decimal | None) -> None:
    goal = make_goal("2", "1", held=Decimal("0.2"))

    assert orders(decide(goal, make_situation("0.16", equity=equity))) == ["sell 0.06"]


def test_a_paused_follower_is_left_alone_reductions_included() -> None:
    paused = attrs.evolve(settings(), mode=FollowerMode.PAUSED)

    assert decide(make_goal("2", "0"), make_situation("0.2", settings=paused)).reason is Reason.PAUSED


@pytest.mark.parametrize(
    ("key", "reason", "sent"),
    [
        (KeyState.ACCEPTED, None, ["sell 0.2"]),
        (KeyState.REMEMBERED, None, ["sell 0.2"]),
        (KeyState.REVOKED, None, ["sell 0.2"]),
        (KeyState.UNCHECKED, Reason.KEY_UNCHECKED, []),
        (KeyState.REFUSED, Reason.KEY_REFUSED, []),
    ],
)
def test_a_key_that_was_never_accepted_sends_nothing_at_all(
    key: KeyState, reason: Reason | None, sent: list[str]
) -> None:
    decision = decide(make_goal("2", "0"), make_situation("0.2", key=key))

    assert (decision.reason, orders(decision)) == (reason, sent)


@pytest.mark.parametrize(("before", "after"), [("0", "1"), ("1", "2"), ("2", "1"), ("2", "0"), ("1", "-1")])
def test_a_foreign_position_is_never_traded(before: str, after: str) -> None:
    decision = decide(make_goal(before, after), make_situation("0.5", owned=False))

    assert (decision.drafts, decision.reason) == ((), Reason.FOREIGN_POSITION)


@pytest.mark.parametrize(("before", "after"), [("0", "1"), ("2", "1"), ("2", "0")])
def test_what_an_unknown_order_may_have_opened_is_not_foreign_yet(before: str, after: str) -> None:
    """The change was given up for good, and nobody took the position up when it turned out to be ours."""
    decision = decide(make_goal(before, after), make_situation("0.5", owned=False, order_unknown=True))

    assert (decision.drafts, decision.reason) == ((), Reason.ORDER_UNKNOWN)


def test_a_leg_that_nothing_happened_to_is_no_matter_of_foreign_positions() -> None:
    assert decide(make_goal("0", "0"), make_situation("0.5", owned=False)).reason is Reason.NOTHING_TO_DO


# Flips, crashes, and what is only remembered


def test_a_flip_is_a_close_then_an_opening_that_passes_every_guard_again() -> None:
    goal = make_goal("1", "-1")

    close = decide(goal, make_situation("0.1"))
    reopen = decide(attrs.evolve(goal, before=Decimal(0)), make_situation("0"))
    late = decide(attrs.evolve(goal, before=Decimal(0)), make_situation("0", age_s=9.0))

    assert (orders(close), close.again, close.desired) == (["sell 0.1"], True, 0)
    assert close.drafts[0].closes_all
    assert (orders(reopen), reopen.again) == (["sell 0.1"], False)
    assert (late.drafts, late.reason) == ((), Reason.EXPIRED)


def test_a_flip_of_a_flat_follower_is_an_opening() -> None:
    assert orders(decide(make_goal("1", "-1"), make_situation("0"))) == ["sell 0.1"]


def test_dust_that_cannot_be_closed_stops_the_other_half_of_a_flip() -> None:
    decision = decide(make_goal("1", "-1"), make_situation("0.1005"))

    assert (orders(decision), decision.reason, decision.again) == (["sell 0.1"], Reason.DEFERRED, False)


@pytest.mark.parametrize(
    ("before", "moving", "after", "size", "expected"),
    [
        ("0", None, "0", "0.2", ["sell 0.2"]),  # opened, crashed, and the master left meanwhile
        ("0", "2", "0", "0.2", ["sell 0.2"]),
        ("1", "2", "1", "0.2", ["sell 0.1"]),  # increased, crashed, and the master went back
        ("0", "2", "1", "0.2", ["sell 0.1"]),
        ("1", "2", "1.5", "0.2", ["sell 0.05"]),
        ("1", "2", "1.5", "0.08", ["buy 0.07"]),  # only a part of the increase had filled
        ("2", "1", "1", "0.16", ["sell 0.06"]),  # the same partial close, resumed
        ("0", "2", "2", "0.12", ["buy 0.08"]),  # the same opening, resumed
        ("2", "-2", "2", "-0.2", ["buy 0.2"]),  # flipped, crashed, and flipped back
        ("1", None, "1", "0.2", []),
        ("1", "1", "1", "0.2", []),
    ],
)
def test_what_an_unfinished_copy_did_is_put_right(
    before: str, moving: str | None, after: str, size: str, expected: list[str]
) -> None:
    goal = make_goal(before, after, moving=() if moving is None else (Decimal(moving),))

    assert orders(decide(goal, make_situation(size))) == expected


def test_the_wrong_side_is_closed_and_opened_again_only_where_the_master_added() -> None:
    added = decide(make_goal("0", "1"), make_situation("-0.1"))
    reduced = decide(make_goal("2", "1"), make_situation("-0.1"))

    assert (orders(added), added.again) == (["buy 0.1"], True)
    assert (orders(reduced), reduced.again) == (["buy 0.1"], False)


# Legs


def hedge(idx: int, before: str, after: str, **others: Any) -> Change:
    """Return a change of a hedge leg of the master."""
    return make_change(before, after, leg=Leg("BTCUSDT", idx), change_id=str(idx) * 32, **others)


def goals(change: Change, *others: Change, hedged: bool = False, **acted: str) -> dict[int, Goal]:
    """Return the goals by position_idx; ``acted`` names legs as i0, i1, i2."""
    known = {Leg("BTC", int(name[1:])): Decimal(size) for name, size in acted.items()}
    mode = PositionMode.HEDGE if hedged else PositionMode.ONE_WAY
    return {g.leg.position_idx: g for g in goals_of(change, others, symbol="BTC", mode=mode, acted=known)}


def test_one_way_followers_hold_the_net_of_both_legs() -> None:
    long, short = hedge(1, "0", "5"), hedge(2, "0", "-3")

    (goal,) = goals(short, long, i0="5").values()

    assert (goal.before, goal.after, goal.contributions) == (5, 2, (long, short))
    assert orders(decide(goal, make_situation("0.5"))) == ["sell 0.3"]


def test_a_short_leg_that_closes_raises_the_net() -> None:
    (goal,) = goals(hedge(2, "-3", "0"), hedge(1, "0", "5"), i0="2").values()

    assert (goal.before, goal.after) == (2, 5)
    assert orders(decide(goal, make_situation("0.2"))) == ["buy 0.3"]


def test_hedge_followers_keep_the_legs_apart() -> None:
    by_leg = goals(hedge(2, "0", "-3"), hedge(1, "0", "5"), hedged=True, i1="5")

    assert list(by_leg) == [2]
    assert (by_leg[2].before, by_leg[2].after) == (0, -3)


def test_a_hedge_follower_of_a_one_way_flip_closes_first_and_opens_the_other_leg() -> None:
    by_leg = goals(make_change("5", "-3"), hedged=True, i1="5")

    assert list(by_leg) == [1, 2]
    assert (by_leg[1].before, by_leg[1].after) == (5, 0)
    assert (by_leg[2].before, by_leg[2].after) == (0, -3)
    decision = decide(by_leg[2], make_situation(mode=PositionMode.HEDGE))
    assert (orders(decision), decision.drafts[0].leg) == (["sell 0.3"], Leg("BTC", 2))


def test_a_net_leaves_out_what_the_follower_did_not_join() -> None:
    old, new = hedge(1, "0", "10", episode_began_ms=1), hedge(2, "0", "-3", episode_began_ms=9)

    (goal,) = goals_of(
        new,
        (old,),
        symbol="BTC",
        mode=PositionMode.ONE_WAY,
        acted={},
        takes_part=lambda change: change.episode_began_ms >= 5,
    )
    assert (goal.after, goal.contributions) == (-3, (new,))

    (goal,) = goals_of(
        old, (), symbol="BTC", mode=PositionMode.ONE_WAY, acted={}, takes_part=lambda change: False
    )
    assert (goal.after, goal.contributions) == (10, (old,))


def test_a_net_whose_parts_are_scaled_apart_never_turns_an_opening_round() -> None:
    """By fixed margin the short weighs ten times as much: the target is short while the net is long."""
    share = Sizing(mode=SizingMode.FIXED_MARGIN, margin_pct=Decimal("0.1"))
    long, short = hedge(1, "0", "5", peak_margin=Decimal(100)), hedge(2, "0", "-3", peak_margin=Decimal(10))
    goal = make_goal("0", "2", change=long, contributions=(long, short))

    decision = decide(goal, make_situation(settings=settings(share, max_notional=Decimal(50), round_up=True)))

    assert decision.target is not None
    assert decision.target < 0
    assert (decision.drafts, decision.reason) == ((), Reason.NOTHING_TO_DO)


def test_explain_has_each_number() -> None:
    numbers = decide(make_goal("0", "1"), make_situation()).numbers

    assert numbers["target"] == "0.1"
    assert numbers["equity"] == "1000"
    assert numbers["increment"] == "0.1"
    assert numbers["price_bound"] == "101"
    assert numbers["master"] == [
        {
            "change_id": "c" * 32,
            "leg": "BTCUSDT:0",
            "size": "1",
            "initial_margin": "10",
            "equity": "10000",
            "leverage": "10",
            "peak_margin": "10",
            "margin_pct": "0.001",
        }
    ]


def test_sides_have_signs() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert str(BTC) == "BTCUSDT:0"


def test_the_tier_holds_at_the_bound_too() -> None:
    """A limit above the mark is valued by its price: found by the venue's refusal of a decision."""
    tiers = (
        LeverageTier(notional_max=Decimal(1_000), leverage_max=Decimal(20)),
        LeverageTier(notional_max=Decimal(1_009), leverage_max=Decimal(10)),
    )
    change = make_change("0", "9.95", leverage=Decimal(20))
    ratio = settings(Sizing(mode=SizingMode.FIXED_RATIO, ratio=Decimal(1)), max_slippage=Decimal("0.01"))
    situation = make_situation(settings=ratio, instrument=make_instrument(tiers=tiers))

    below = decide(make_goal("0", "9.95", change=change), situation)
    beyond = decide(make_goal("0", "10", change=make_change("0", "10")), situation)

    assert below.notes["price_bound"] == 101
    assert below.desired == Decimal("9.95")
    assert below.leverage is None  # 995 at the mark, 1004.95 at the bound: the tier of 10, which is set
    assert (beyond.desired, beyond.reason) == (Decimal("9.990"), Reason.LEVERAGE_TIER)


def test_an_opening_asks_for_no_worse_price_than_the_venue_takes() -> None:
    wide = settings(max_slippage=Decimal("0.2"))
    banded = make_instrument(price_band=Decimal("0.045"))

    near = decide(make_goal("0", "1"), make_situation(settings=wide, instrument=banded))
    far = decide(
        make_goal("0", "1"),
        make_situation(settings=settings(max_slippage=Decimal(0)), instrument=banded, mark=Decimal(106)),
    )

    assert [draft.price for draft in near.drafts] == [Decimal("104.5")]
    assert (far.drafts, far.reason) == ((), Reason.PRICE_MOVED)
