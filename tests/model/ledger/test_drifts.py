"""What operators were told of drifts outlives the process, on SQLite and PostgreSQL."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import pytest

from model.drift import Told
from model.finding import Cause, FindingKind
from model.ledger import LedgerRefused, Store
from model.ledger.bulk import run_sql
from model.leg import Leg
from model.reasons import Reason
from model.repair import repair_change
from tests.model.ledger.factories import NOW_MS, make_change, make_holding


def make_told(follower: str = "alice", **other: Any) -> Told:
    facts: dict[str, Any] = {
        "leg": Leg("BTCUSDT"),
        "kind": FindingKind.SIZE_MISMATCH,
        "cause": Cause.MISSED,
        "expected": Decimal("0.25"),
        "actual": Decimal("-0.5"),
        "deviation": Fraction(1, 3),
        "first_told_at_ms": NOW_MS,
        "told_at_ms": NOW_MS + 5,
    }
    return Told(follower=follower, **{**facts, **other})


def test_what_was_told_is_read_back_exactly(store: Store) -> None:
    told = [
        make_told(),
        make_told(kind=FindingKind.LEVERAGE_MISMATCH),
        make_told("bob", leg=Leg("BTCUSDT", 2), expected=None),
    ]
    store.put_drifts(told)

    assert store.drifts() == sorted(told, key=lambda it: (it.follower, it.aspect.value))


def test_a_leg_has_one_word_of_each_aspect_and_the_last_one_stands(store: Store) -> None:
    store.put_drifts([make_told()])
    again = make_told(kind=FindingKind.MISSING_POSITION, deviation=Fraction(1), told_at_ms=NOW_MS + 9)
    store.put_drifts([again])

    assert store.drifts() == [again]


def test_what_is_resolved_is_forgotten_and_nothing_else(store: Store) -> None:
    gone, stays = make_told(), make_told(kind=FindingKind.LEVERAGE_MISMATCH)
    store.put_drifts([gone, stays, make_told("bob")])
    store.put_drifts([], resolved=[gone])

    assert store.drifts() == [stays, make_told("bob")]


def test_an_unreadable_row_is_refused(store: Store) -> None:
    store.put_drifts([make_told()])
    with store.unit() as connection:
        run_sql(connection, "UPDATE drifts SET deviation = 'a lot'")

    with pytest.raises(LedgerRefused, match="unreadable"):
        store.drifts()


def test_where_a_copy_wanted_a_leg_is_kept_with_it(store: Store) -> None:
    held = make_holding(skipped=Reason.PRICE_MOVED, wanted=Decimal("0.75"))
    store.put_holdings([held])
    assert store.holdings("alice") == [held]

    store.put_holdings([attrs.evolve(held, wanted=None)])
    assert store.holdings("alice")[0].wanted is None


def test_what_a_repair_answered_is_not_the_masters_last_change(store: Store) -> None:
    change = make_change()
    store.remember_changes([change])
    store.remember_changes([repair_change(change, follower="alice", asked_at_ms=NOW_MS)])

    assert store.last_changes() == {change.leg: change}
