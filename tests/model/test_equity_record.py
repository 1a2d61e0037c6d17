"""A day's start and the highest equity, across restarts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.equity_record import DAY_MS, EquityRecord, equity_record_from_plain, note_equity

equities = st.decimals("-1000", "100000", places=2)


def test_the_first_equity_of_a_utc_day_is_its_start() -> None:
    record = None
    seen = []
    for equity, at_ms in ((100, 0), (90, DAY_MS - 1), (95, DAY_MS), (120, DAY_MS + 1), (110, DAY_MS - 5)):
        record = note_equity(record, Decimal(equity), at_ms)
        seen.append((record.day_start, record.peak))

    assert seen == [(100, 100), (100, 100), (95, 100), (95, 120), (95, 120)]


@given(st.lists(st.tuples(equities, st.integers(0, 5 * DAY_MS)), min_size=1))
def test_the_peak_is_the_highest_ever_and_the_record_outlives_the_process(
    seen: list[tuple[Decimal, int]],
) -> None:
    record: EquityRecord | None = None
    for equity, at_ms in seen:
        record = note_equity(record, equity, at_ms)
        assert equity_record_from_plain(record.to_plain()) == record

    assert record is not None
    assert record.peak == max(equity for equity, _ in seen)
    assert record.day == max(at_ms for _, at_ms in seen) // DAY_MS


@pytest.mark.parametrize(
    "plain", [{}, {"day": "1", "day_start": "x", "peak": "1"}, {"day": "1", "day_start": "1"}]
)
def test_another_text_is_refused(plain: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        equity_record_from_plain(plain)


def test_what_is_no_record_is_shown() -> None:
    with pytest.raises(ValueError, match=r"not an equity record: \{'day': '1'\}"):
        equity_record_from_plain({"day": "1"})


def test_an_equity_below_the_peak_is_no_news() -> None:
    record = note_equity(None, Decimal(100), 0)

    assert note_equity(record, Decimal(99), 1) is record, "it is not written again"
