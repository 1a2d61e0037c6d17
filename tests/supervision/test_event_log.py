"""One line an event, as loud as it matters; what repeats itself does not flood the log."""

import logging
from collections.abc import Iterator

import attrs
import pytest
import structlog
import trio

from actors.bus import Bus, Published, topic_of
from actors.events import (
    CopyFinished,
    FollowerStateChanged,
    MasterChangeSeen,
    MasterStreamChanged,
    OrderMoved,
    TroubleMet,
)
from model.copy import CopyState
from model.order import OrderState
from model.reasons import Reason
from supervision.event_log import EventLog, LastWords, level_of, log_events
from supervision.events import AccountQuarantined, ActorCrashed
from tests.model.ledger.factories import make_change

Lines = list[dict[str, object]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    with structlog.testing.capture_logs() as captured:
        yield captured  # type: ignore[misc]


def say(event: object, seq: int = 1) -> Published:
    return Published(seq, 0, topic_of(event), event)


def finished(state: CopyState, reason: Reason | None = None) -> CopyFinished:
    return CopyFinished(
        copy_id="c1",
        change_id="x1",
        follower="alice",
        exchange="bybit",
        symbol="BTCUSDT",
        state=state,
        reason=reason,
        orders=1,
        caught_up=False,
        received_to_sent_ms=3.0,
        received_to_acknowledged_ms=None,
        received_to_filled_ms=None,
    )


def crashed(*, expected: bool) -> ActorCrashed:
    return ActorCrashed(name="pairing", generation=1, error="ValueError: x", expected=expected)


async def test_a_copy_is_a_line_at_info_and_a_failed_one_at_error(lines: Lines) -> None:
    log = EventLog()

    log.write(say(finished(CopyState.APPLIED)))
    log.write(say(finished(CopyState.FAILED, Reason.VENUE_REJECTED)))

    assert [(line["event"], line["log_level"], line["reason"]) for line in lines] == [
        ("copy.finished", "info", None),
        ("copy.finished", "error", "venue_rejected"),
    ]


async def test_a_change_is_told_in_short(lines: Lines) -> None:
    EventLog().write(say(MasterChangeSeen(change=make_change(), waited_ms=4)))

    (line,) = lines
    assert line["change"]["leg"] == "BTCUSDT:0"  # type: ignore[index]
    assert line["change"]["class"] == "open"  # type: ignore[index]


async def test_lines_of_a_change_its_copies_and_their_orders_are_found_by_the_same_ids(lines: Lines) -> None:
    log = EventLog()
    change = make_change()
    order = OrderMoved(
        copy_id="c1", client_order_id="o", follower="alice", symbol="BTCUSDT", state=OrderState.FILLED
    )
    log.write(say(MasterChangeSeen(change=change, waited_ms=1)))
    log.write(say(attrs.evolve(finished(CopyState.APPLIED), change_id=change.change_id)))
    log.write(say(order))

    assert [line.get("change_id") for line in lines] == [change.change_id, change.change_id, None]
    assert [line.get("copy_id") for line in lines] == [None, "c1", "c1"]


def test_what_an_operator_has_to_act_on_is_critical() -> None:
    assert level_of(AccountQuarantined(name="a", error="e", retry_s=60)) == logging.CRITICAL
    assert level_of(crashed(expected=False)) == logging.ERROR
    assert level_of(crashed(expected=True)) == logging.WARNING


async def test_repeated_trouble_is_told_again_only_after_five_minutes_with_a_count(
    lines: Lines, autojump_clock: trio.abc.Clock
) -> None:
    log = EventLog()
    trouble = say(TroubleMet(where="ledger", what="away"))

    for _ in range(4):
        log.write(trouble)
        await trio.sleep(100)

    told = [line for line in lines if line["log_level"] == "warning"]
    assert len(told) == 2
    assert (told[0].get("repeats"), told[1]["repeats"]) == (None, 2)


async def test_crashes_of_ours_and_copies_are_told_each_time(lines: Lines) -> None:
    log = EventLog()

    for _ in range(3):
        log.write(say(crashed(expected=False)))
        log.write(say(finished(CopyState.APPLIED)))

    assert [line["log_level"] for line in lines] == ["error", "info"] * 3


async def test_the_reader_tells_what_it_missed_and_remembers_last_words(lines: Lines) -> None:
    bus, words = Bus(), LastWords()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(log_events, bus, words)
        await trio.testing.wait_all_tasks_blocked()
        bus.publish(FollowerStateChanged(follower="alice", state="starting", detail="no answer"))
        bus.publish(MasterStreamChanged(live=False, detail="reset"))
        for _ in range(12_000):
            bus.publish(TroubleMet(where="x", what="y"))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert next(line for line in lines if line["event"] == "events.dropped")["count"] == 2_002
    assert (words.master_live, words.followers) == (False, {})
