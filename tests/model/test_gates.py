"""Why an opening may not go out, whatever its size; and that reductions ask no gate."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from model.follower import decide
from model.instrument import InstrumentStatus
from model.key_standing import KeyState
from model.reasons import Reason
from model.settings import FollowerMode, FollowerSettings, Limits
from model.validation import Exposure
from tests.model.factories import make_change, make_goal, make_instrument, make_situation

FULL = Exposure(notional_of_symbol=Decimal(0), notional_total=Decimal(900), positions_open=3)


def settings(
    mode: FollowerMode = FollowerMode.ACTIVE, joined_at_ms: int = 0, **limits: Any
) -> FollowerSettings:
    """Return a follower with these limits."""
    return FollowerSettings(
        name="alice", exchange="bybit", mode=mode, joined_at_ms=joined_at_ms, limits=Limits(**limits)
    )


CLOSED = [
    ("mode", {"settings": settings(FollowerMode.CLOSE_ONLY)}, Reason.CLOSE_ONLY),
    ("key", {"key": KeyState.REVOKED}, Reason.KEY_REFUSED),
    ("key_checked", {"key": KeyState.REMEMBERED}, Reason.KEY_UNCHECKED),
    ("symbol", {"settings": settings(deny=frozenset({"BTCUSDT"}))}, Reason.SYMBOL_DENIED),
    ("symbol", {"settings": settings(allow=frozenset({"ETHUSDT"}))}, Reason.SYMBOL_NOT_ALLOWED),
    ("join", {"settings": settings(joined_at_ms=1_001)}, Reason.NOT_JOINED),
    (
        "trading",
        {"instrument": make_instrument(status=InstrumentStatus.REDUCE_ONLY)},
        Reason.SYMBOL_NOT_TRADING,
    ),
    ("trading", {"instrument": make_instrument(status=InstrumentStatus.CLOSED)}, Reason.SYMBOL_NOT_TRADING),
    ("stopping", {"stopping": True}, Reason.ENGINE_STOPPING),
    ("ledger", {"durable": False}, Reason.LEDGER_UNREACHABLE),
    ("age", {"age_s": 5.01}, Reason.EXPIRED),
    ("clock", {"clock_ok": False}, Reason.CLOCK_OFFSET),
    ("unknown_order", {"order_unknown": True}, Reason.ORDER_UNKNOWN),
    ("fresh_view", {"view_fresh": False}, Reason.VIEW_NOT_FRESH),
    ("same_symbol", {"symbol_confirmed": False}, Reason.SYMBOL_UNCONFIRMED),
    ("positions", {"settings": settings(max_positions=3), "exposure": FULL}, Reason.LIMIT_POSITIONS),
    ("equity", {"settings": settings(min_equity=Decimal(1001))}, Reason.LIMIT_MIN_EQUITY),
    ("equity", {"settings": settings(min_equity=Decimal(1)), "equity": None}, Reason.EQUITY_UNKNOWN),
    (
        "equity",
        {"settings": settings(daily_loss=Decimal(50)), "equity_day_start": Decimal(1050)},
        Reason.LIMIT_DAILY_LOSS,
    ),
    ("equity", {"settings": settings(daily_loss=Decimal(50))}, Reason.EQUITY_UNKNOWN),
    (
        "equity",
        {"settings": settings(max_drawdown=Decimal(50)), "equity_peak": Decimal(1050)},
        Reason.LIMIT_DRAWDOWN,
    ),
    (
        "basis",
        {"settings": settings(max_basis=Decimal("0.005")), "mark": Decimal("100.51")},
        Reason.MAX_BASIS,
    ),
    ("basis", {"settings": settings(max_basis=Decimal("0.005")), "mark": Decimal("99.49")}, Reason.MAX_BASIS),
    ("basis", {"settings": settings(max_basis=Decimal("0.005")), "mark": None}, Reason.PRICE_UNKNOWN),
]
OPEN = [
    {},
    {"settings": settings(deny=frozenset({"ETHUSDT"}), allow=frozenset({"BTCUSDT"}))},
    {"settings": settings(joined_at_ms=1_000)},
    {"age_s": 5.0},
    {"settings": settings(max_positions=4), "exposure": FULL},
    {"settings": settings(min_equity=Decimal(1000))},
    {"settings": settings(daily_loss=Decimal(50)), "equity_day_start": Decimal("1049.99")},
    {"settings": settings(max_drawdown=Decimal(50)), "equity_peak": Decimal("1049.99")},
    {"settings": settings(max_basis=Decimal("0.005")), "mark": Decimal("100.5")},
    {"mark": None},
]


@pytest.mark.parametrize(("gate", "facts", "reason"), CLOSED)
def test_a_closed_gate_stops_an_opening_and_is_named(
    gate: str, facts: dict[str, Any], reason: Reason
) -> None:
    decision = decide(make_goal("0", "1"), make_situation(**facts))

    assert (decision.drafts, decision.reason) == ((), reason)
    assert decision.numbers["gate_refused"] == gate


@pytest.mark.parametrize("facts", OPEN)
def test_just_within_the_limit_an_opening_goes_out(facts: dict[str, Any]) -> None:
    decision = decide(make_goal("0", "1"), make_situation(**facts))

    assert [draft.quantity for draft in decision.drafts] == [Decimal("0.1")]
    assert decision.reason is None
    assert decision.numbers["gate_refused"] is None


@pytest.mark.parametrize("facts", [facts for _, facts, _ in CLOSED])
@pytest.mark.parametrize("after", ["0", "0.5"])
def test_no_gate_holds_up_a_reduction(facts: dict[str, Any], after: str) -> None:
    situation = make_situation("1", **{"equity": Decimal(10_000)} | facts)

    decision = decide(make_goal("1", after), situation)

    assert decision.reason is None
    assert sum(draft.quantity for draft in decision.drafts) == 1 - Decimal(after)
    assert all(draft.reduce_only and draft.price is None for draft in decision.drafts)


def test_more_of_a_position_is_no_new_position() -> None:
    situation = make_situation("0.1", settings=settings(max_positions=3), exposure=FULL)

    assert decide(make_goal("1", "2"), situation).drafts


def test_a_missed_opening_is_judged_by_price_and_not_by_age() -> None:
    goal = make_goal("0", "1", change=make_change("0", "1", caught_up=True))
    old = make_situation(age_s=999.0)

    assert decide(goal, old).drafts
    moved = decide(goal, attrs.evolve(old, mark=Decimal(102)))
    assert (moved.drafts, moved.reason) == ((), Reason.PRICE_MOVED)


def test_only_a_missed_opening_waits_for_the_masters_line() -> None:
    missed = make_goal("0", "1", change=make_change("0", "1", caught_up=True))
    unheard = make_situation(master_heard=False)

    assert decide(missed, unheard).reason is Reason.MASTER_UNHEARD
    assert decide(make_goal("0", "1"), unheard).drafts
    missed_exit = make_goal("1", "0", change=make_change("1", "0", caught_up=True))
    assert decide(missed_exit, attrs.evolve(unheard, size=Decimal(1), owned=True)).drafts


def test_a_net_is_opened_only_when_all_of_it_was_joined() -> None:
    old, new = make_change("0", "3", episode_began_ms=5), make_change("0", "1")
    goal = make_goal("0", "4", change=new, contributions=(old, new))

    assert decide(goal, make_situation(settings=settings(joined_at_ms=10))).reason is Reason.NOT_JOINED


def test_an_opening_without_any_price_of_the_master_is_skipped() -> None:
    goal = make_goal("0", "1", change=make_change("0", "1", fill_price=None, entry_price=None))

    decision = decide(goal, make_situation())

    assert decision.reason is Reason.PRICE_UNKNOWN
    assert decision.numbers["gate_refused"] == "price"


def test_an_operator_sees_which_gates_were_passed_before_one_was_not() -> None:
    goal = make_goal("0", "1")
    every = decide(goal, make_situation()).numbers["gates_passed"]
    stopped = decide(goal, make_situation(stopping=True)).numbers["gates_passed"]

    assert isinstance(every, list)
    assert isinstance(stopped, list)
    assert stopped == ["mode", "key", "symbol", "join", "trading"] == every[: len(stopped)]
    assert {gate for gate, _, _ in CLOSED} < set(every)
