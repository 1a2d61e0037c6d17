"""The daily sign of life: once a day at its minute, late rather than never (R16)."""

from hypothesis import given
from hypothesis import strategies as st

from model.alerts.heartbeat import DAY_MS, HeartbeatClock

AT_EIGHT = 8 * 60
DAY = 20_000


def wall(hour: float, day: int = DAY) -> int:
    return day * DAY_MS + round(hour * 3_600_000)


def test_the_very_first_start_tells_none_for_a_time_that_has_passed() -> None:
    late = HeartbeatClock(AT_EIGHT, last_day=None, now_ms=wall(9))
    early = HeartbeatClock(AT_EIGHT, last_day=None, now_ms=wall(7))

    assert late.due_in_ms(wall(9)) == wall(8, DAY + 1) - wall(9)
    assert early.due_in_ms(wall(7)) == 3_600_000
    assert early.due_in_ms(wall(8)) == 0


def test_a_day_that_was_slept_through_is_told_late_and_once() -> None:
    clock = HeartbeatClock(AT_EIGHT, last_day=DAY - 3, now_ms=wall(9))
    assert clock.due_in_ms(wall(9)) == 0

    assert clock.told(wall(9)) == DAY

    assert clock.last_day == DAY
    assert clock.due_in_ms(wall(9)) == wall(8, DAY + 1) - wall(9)


def test_a_day_that_was_told_before_a_restart_is_not_told_again() -> None:
    clock = HeartbeatClock(AT_EIGHT, last_day=DAY, now_ms=wall(9))

    assert clock.due_in_ms(wall(9)) > 0


@given(st.integers(0, 1439), st.integers(0, 3 * DAY_MS))
def test_it_is_due_at_its_minute_of_the_day_and_not_before(minute: int, since_ms: int) -> None:
    now_ms = wall(0) + since_ms
    clock = HeartbeatClock(minute, last_day=None, now_ms=now_ms)

    wait_ms = clock.due_in_ms(now_ms)

    assert 0 < wait_ms <= DAY_MS
    assert (now_ms + wait_ms) % DAY_MS == minute * 60_000
    assert clock.due_in_ms(now_ms + wait_ms - 1) == 1
    assert clock.due_in_ms(now_ms + wait_ms) == 0
