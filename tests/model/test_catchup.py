"""Which episodes and which late openings a follower takes (R14)."""

from decimal import Decimal
from typing import Any

import attrs
import pytest

from model.catchup import entry_of, joined, missed_opening_allowed
from model.reasons import Reason
from model.settings import FollowerSettings, Join
from tests.model.factories import make_change

SLIPPAGE = Decimal("0.01")


@pytest.mark.parametrize(
    ("join", "began_ms", "expected"),
    [(Join.NEXT, 999, False), (Join.NEXT, 1000, True), (Join.NEXT, 1001, True), (Join.NOW, 1, True)],
)
def test_next_takes_episodes_that_begin_after_joining(join: Join, began_ms: int, expected: bool) -> None:
    settings = FollowerSettings(name="alice", exchange="bybit", join=join, joined_at_ms=1000)

    assert joined(make_change("0", "1", episode_began_ms=began_ms), settings) is expected


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("100", None),
        ("101", None),
        ("101.01", Reason.PRICE_MOVED),
        ("99", None),
        ("98.99", Reason.PRICE_MOVED),
        (None, Reason.PRICE_UNKNOWN),
        ("0", Reason.PRICE_UNKNOWN),
    ],
)
def test_a_missed_opening_is_made_up_for_only_near_the_masters_entry(
    mark: str | None, reason: Reason | None
) -> None:
    change = make_change("0", "1", caught_up=True)

    assert missed_opening_allowed(change, None if mark is None else Decimal(mark), SLIPPAGE) is reason


@pytest.mark.parametrize(
    ("fill", "entry", "live", "late"),
    [
        ("7", "5", "7", "5"),
        ("7", None, "7", "7"),
        (None, "5", "5", "5"),
        ("0", "5", "5", "5"),
        (None, None, None, None),
    ],
)
def test_live_copies_are_judged_by_the_fills_and_late_ones_by_the_entry(
    fill: str | None, entry: str | None, live: str | None, late: str | None
) -> None:
    def amount(text: str | None) -> Any:
        return None if text is None else Decimal(text)

    change = make_change("0", "1", fill_price=amount(fill), entry_price=amount(entry))

    assert entry_of(change) == amount(live)
    assert entry_of(attrs.evolve(change, caught_up=True)) == amount(late)


def test_without_any_price_of_the_master_nothing_is_made_up_for() -> None:
    change = make_change("0", "1", fill_price=None, entry_price=None, caught_up=True)

    assert missed_opening_allowed(change, Decimal(100), SLIPPAGE) is Reason.PRICE_UNKNOWN
