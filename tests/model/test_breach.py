"""Limits on equity: what breaks them, and that a breach outlives the process in words (R9)."""

from decimal import Decimal
from typing import Any

import pytest

from model.breach import Breach, breach_from_plain, can_be_judged, find_breach
from model.reasons import Reason
from model.settings import Limits

D = Decimal
FLOOR = Breach(limit="min_equity", allowed=D(500), equity=D("499.5"), measured_from=D(500))
LOSS = Breach(limit="daily_loss", allowed=D(50), equity=D(940), measured_from=D(1000))
DRAWDOWN = Breach(limit="max_drawdown", allowed=D("0.10"), equity=D("1E+2"), measured_from=D(101))


@pytest.mark.parametrize("breach", [FLOOR, LOSS, DRAWDOWN])
def test_a_breach_comes_back_as_it_was_kept(breach: Breach) -> None:
    plain = breach.to_plain()

    assert breach_from_plain(plain) == breach
    assert all("E" not in text for text in plain.values()), "digits, as an operator writes them"


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "max_leverage"},
        {"limit": None},
        {"allowed": "much"},
        {"equity": "NaN"},
        {"measured_from": None},
    ],
)
def test_what_is_no_breach_is_refused_as_a_value(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        breach_from_plain(LOSS.to_plain() | wrong)


@pytest.mark.parametrize("name", ["limit", "allowed", "equity", "measured_from"])
def test_a_breach_with_a_part_missing_says_what_was_read(name: str) -> None:
    plain = {key: value for key, value in LOSS.to_plain().items() if key != name}

    with pytest.raises(ValueError, match="not a breach") as caught:
        breach_from_plain(plain)

    assert str(plain) in str(caught.value)


def test_a_limit_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="no limit of equity: 'max_leverage'"):
        breach_from_plain(LOSS.to_plain() | {"limit": "max_leverage"})


@pytest.mark.parametrize(
    ("limits", "equity", "breach"),
    [
        ({"min_equity": D(500)}, "500", None),
        ({"min_equity": D(500)}, "499.5", FLOOR),
        ({"daily_loss": D(60)}, "940.1", None),
        (
            {"daily_loss": D(60)},
            "940",
            Breach(limit="daily_loss", allowed=D(60), equity=D(940), measured_from=D(1000)),
        ),
        (
            {"daily_loss": D(100), "max_drawdown": D(100)},
            "940",
            Breach(limit="max_drawdown", allowed=D(100), equity=D(940), measured_from=D(1040)),
        ),
        ({}, "0", None),
    ],
)
def test_a_floor_breaks_below_it_and_a_loss_when_all_of_it_is_lost(
    limits: dict[str, Decimal], equity: str, breach: Breach | None
) -> None:
    assert find_breach(Limits(**limits), D(equity), day_start=D(1000), peak=D(1040)) == breach


def test_what_is_unknown_breaks_nothing_and_hides_no_other_limit() -> None:
    both = Limits(daily_loss=D(10), max_drawdown=D(10))

    assert find_breach(both, None, day_start=D(1000), peak=D(1000)) is None
    found = find_breach(both, D(900), day_start=None, peak=D(1000))
    assert found is not None
    assert found.reason is Reason.LIMIT_DRAWDOWN


@pytest.mark.parametrize(
    ("limits", "known", "judged"),
    [
        ({}, {"equity": None, "day_start": None, "peak": None}, True),
        ({"min_equity": D(1)}, {"day_start": None, "peak": None}, True),
        ({"min_equity": D(1)}, {"equity": None}, False),
        ({"daily_loss": D(1)}, {"peak": None}, True),
        ({"daily_loss": D(1)}, {"day_start": None}, False),
        ({"max_drawdown": D(1)}, {"day_start": None}, True),
        ({"max_drawdown": D(1)}, {"peak": None}, False),
    ],
)
def test_a_limit_is_judged_when_what_it_is_measured_by_is_known(
    limits: dict[str, Decimal], known: dict[str, Decimal | None], judged: bool
) -> None:
    facts: dict[str, Any] = {"equity": D(5), "day_start": D(5), "peak": D(5)} | known

    assert can_be_judged(Limits(**limits), facts.pop("equity"), **facts) is judged


def test_an_operator_reads_the_limit_the_equity_and_from_where_it_fell() -> None:
    assert FLOOR.words == "min_equity 500 broken: equity 499.5; waits for resume"
    assert LOSS.words == "daily_loss 50 broken: equity 940, was 1000; waits for resume"
