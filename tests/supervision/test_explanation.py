"""A copy in plain sentences: every number of R6, each gate, orders and times (R17)."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from model.copy import CopyState
from model.ledger import CopyRow, open_store
from model.reasons import Reason
from model.repair import REPAIR_PREFIX
from supervision.explanation import explain_copy, reason_words
from supervision.reason_words import _WORDS, GATES
from tests.model.ledger.factories import NOW_MS, make_change, make_claim, make_outcome

DECISION: dict[str, Any] = {
    "leg": "BTCUSDT:0",
    "class": "open",
    "sizing": "mirror",
    "master_size_before": "0",
    "master_size_after": "1.5",
    "master": [
        {
            "leg": "BTCUSDT:0",
            "size": "1.5",
            "initial_margin": "1200.5",
            "equity": "100000",
            "leverage": "10",
            "peak_margin": "1200.5",
            "margin_pct": "0.012005",
        }
    ],
    "equity": "10000",
    "current": "0",
    "target": "0.15",
    "increment": "0.15",
    "lot": "0.001",
    "mark": "80010",
    "leverage_now": "5",
    "age_s": 0.004,
    "desired": "0.15",
    "reason": None,
    "set_leverage": "10",
    "price_bound": "80800.1",
    "reference_price": "80000.1",
    "orders": ["buy 0.15"],
}
TIMES = {"event": NOW_MS, "received": NOW_MS + 9, "claimed": NOW_MS + 11, "sent": NOW_MS + 12}


def kept(tmp_path: Path, **other: Any) -> dict[str, object]:
    """Return the JSON of a copy that went through a ledger."""
    store = open_store(f"sqlite:///{tmp_path / 'l.db'}")
    claim = make_claim()
    store.claim([claim], now_ms=NOW_MS)
    store.record([make_outcome(claim, **other)])
    row = store.explain(claim.copy_id)
    store.close()
    assert isinstance(row, CopyRow)
    return row.to_json()


def test_an_applied_copy_shows_the_formula_with_its_numbers_orders_and_times(tmp_path: Path) -> None:
    copy = kept(tmp_path, explain={"decisions": [DECISION], "troubles": ["429, waited"], "times": TIMES})

    text = "\n".join(explain_copy(copy))

    for words in (
        "of alice was applied.",
        "The master's BTCUSDT:0 went from 0 to 1.5 (open) at 80000.1.",
        "initial margin was 1200.5, leverage 10, equity 100000",
        "master_size 1.5 x (equity 10000 x margin_pct 0.012005 / master_IM 1200.5), mirror",
        "target = 0.15",
        "increment = target - current = 0.15 - 0, in lots of 0.001: 0.15",
        "limit price 80800.1, from the master's 80000.1",
        "leverage to be set to 10 first",
        "gates passed: not paused, key trusted, position is ours, symbol listed",
        "lot and minimum, position mode",
        "buy 0.15 limit 80800.1: filled, filled 0.15 at 80000.25",
        "429, waited",
        "claimed      2026-09-21 14:13:20.011Z  +11 ms",
        "acknowledged not reached",
    ):
        assert words in text, text
    assert "taken by the venue" not in text


def test_a_held_copy_names_the_gate_and_those_before_it(tmp_path: Path) -> None:
    held = DECISION | {"reason": "clock_offset", "orders": [], "price_bound": None}
    copy = kept(
        tmp_path,
        state=CopyState.SKIPPED,
        reason=Reason.CLOCK_OFFSET,
        orders=(),
        explain={"decisions": [held], "times": TIMES},
    )

    text = "\n".join(explain_copy(copy))

    assert f"was skipped: {reason_words('clock_offset')}." in text
    assert "held at the gate 'clocks agree': the venue's clock and ours" in text
    assert "gates passed: not paused, key trusted, position is ours, symbol listed" in text
    assert "lot and minimum" not in text.partition("gates passed")[2]
    assert "no order" in text


def test_what_an_old_ledger_lacks_is_left_out_and_not_guessed() -> None:
    lines = explain_copy({"copy_id": "c", "follower": "bob", "state": "skipped", "change_id": "x"})

    assert lines == [
        "Copy c of bob was skipped.",
        "It answers change x, which the ledger does not have any more.",
    ]


def test_a_change_that_catch_up_found_says_so(tmp_path: Path) -> None:
    copy = kept(tmp_path) | {"change": {"size_before": "0", "size_after": "1", "caught_up": True}}

    assert "It was found by catch-up" in "\n".join(explain_copy(copy))


def test_a_repair_says_who_asked_for_it(tmp_path: Path) -> None:
    copy = kept(tmp_path) | {"change_id": f"{REPAIR_PREFIX}0"}

    assert "An audit or an operator asked for it" in "\n".join(explain_copy(copy))
    assert "An audit or an operator asked for it" not in "\n".join(explain_copy(kept(tmp_path)))


def test_every_reason_has_its_words_and_gates_hold_reasons_that_exist() -> None:
    codes = {reason.value for reason in Reason}

    assert codes - set(_WORDS) == set()
    for _, _, reasons in GATES:
        assert reasons <= codes
    named = [reason for _, _, reasons in GATES for reason in reasons]
    assert len(named) == len(set(named))
    assert make_change().initial_margin == Decimal("1200.5")


def test_an_endless_fraction_is_cut_for_people(tmp_path: Path) -> None:
    endless = DECISION | {"target": "0.12440727737618070371611382444605732761768176051703"}

    text = "\n".join(explain_copy(kept(tmp_path, explain={"decisions": [endless], "times": TIMES})))

    assert "target = 0.124407277376...\n" in text
    assert "equity 10000 " in text
