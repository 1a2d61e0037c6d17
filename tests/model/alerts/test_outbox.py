"""The queue of messages: pacing, storms, retries, limits; nothing delivered twice, nothing lost unsaid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.alerts.book import Notice, NoticeKind
from model.alerts.conditions import Condition
from model.alerts.message import ChannelKind, Delivery, Message, MessageState
from model.alerts.outbox import QUEUED_MAX, SMS_A_DAY, Outbox, Plan
from model.severity import Severity
from tests.model.alerts.factories import T0, condition, make_alert

MAIN, SMS = ("tgram", ChannelKind.MAIN), ("twilio", ChannelKind.SMS)
DONE = Delivery(delivered=True)
LIMITED = Delivery(delivered=False, retry_after_s=17.0, error="429")
BROKEN = Delivery(delivered=False, error="502")
REFUSED = Delivery(delivered=False, refused=True, error="401")
CRITICAL = condition("broken")
WARNING = condition("odd", Severity.WARNING)


def fired(
    what: Condition = CRITICAL, subject: str = "alice", kind: NoticeKind = NoticeKind.FIRED, **other: Any
) -> Notice:
    return Notice(kind, make_alert(what, subject, **other))


def box(*channels: tuple[str, ChannelKind]) -> Outbox:
    return Outbox(channels or (MAIN, SMS))


def plan(outbox: Outbox, second: float, channel: str = "tgram") -> Plan:
    found = outbox.plan(channel, T0 + round(second * 1000))
    assert found is not None, outbox.due_at_ms(channel)
    return found


def nothing_before(outbox: Outbox, second: float, channel: str = "tgram") -> None:
    assert outbox.plan(channel, T0 + round(second * 1000) - 100) is None
    assert outbox.due_at_ms(channel) == T0 + round(second * 1000)


def test_a_critical_alert_leaves_at_once_with_what_it_means_and_what_to_do() -> None:
    outbox = box()
    outbox.post(fired(), T0)

    sent = plan(outbox, 0)

    assert sent.title == "CRITICAL alice is broken"
    alert_id = make_alert(CRITICAL).alert_id
    assert sent.body == f"why\nMeans: m.\nDo: a.\nAck: copytrader alerts ack {alert_id}"
    assert outbox.plan("twilio", T0) is None


def test_a_warning_waits_ten_seconds_for_company_and_messages_are_three_seconds_apart() -> None:
    outbox = box()
    for number in range(3):
        outbox.post(fired(WARNING, f"f{number}"), T0)

    nothing_before(outbox, 10.0)
    outbox.settle(plan(outbox, 10), DONE, T0 + 10_000)
    nothing_before(outbox, 13.0)
    outbox.settle(plan(outbox, 13), DONE, T0 + 13_000)
    assert plan(outbox, 16).title == "WARNING f2 is odd"


def test_a_storm_is_one_message_the_loudest_first() -> None:
    outbox = box()
    for number in range(499):
        outbox.post(fired(WARNING, f"f{number}"), T0)
    outbox.post(fired(CRITICAL, "bob"), T0)

    sent = plan(outbox, 0)

    assert sent.title == "500 messages: 1 critical, 499 warning"
    lines = sent.body.splitlines()
    assert lines[0] == "- CRITICAL bob is broken"
    assert lines[20] == "and 480 more"
    assert len(sent.body) < 4_000
    outbox.settle(sent, DONE, T0)
    assert outbox.due_at_ms("tgram") is None
    assert outbox.status()[0].delivered == 500


def test_info_is_not_sent_by_itself() -> None:
    outbox = box()

    outbox.post(fired(condition("calm", Severity.INFO)), T0)

    assert outbox.due_at_ms("tgram") is None


def test_failures_back_off_and_what_the_service_asks_for_counts() -> None:
    outbox = box()
    outbox.post(fired(), T0)

    assert outbox.settle(plan(outbox, 0), BROKEN, T0) is True
    nothing_before(outbox, 2.0)
    assert outbox.settle(plan(outbox, 2), BROKEN, T0 + 2_000) is False
    nothing_before(outbox, 6.0)
    outbox.settle(plan(outbox, 6), LIMITED, T0 + 6_000)
    nothing_before(outbox, 23.0)
    assert outbox.settle(plan(outbox, 23), DONE, T0 + 23_000) is True

    (status, _) = outbox.status()
    assert (status.failures, status.error, status.failing_since_ms, status.delivered) == (0, "", None, 1)
    (message,) = outbox.take_changed()
    assert (message.state, message.attempts, message.settled_at_ms) == (
        MessageState.DELIVERED,
        4,
        T0 + 23_000,
    )


def test_backoff_ends_at_five_minutes() -> None:
    outbox, at_ms = box(), T0
    outbox.post(fired(), T0)
    for _ in range(12):
        found = outbox.plan("tgram", at_ms)
        assert found is not None
        outbox.settle(found, BROKEN, at_ms)
        due_ms = outbox.due_at_ms("tgram")
        assert due_ms is not None
        wait_ms, at_ms = due_ms - at_ms, due_ms

    assert wait_ms == 300_000


def test_what_is_refused_or_fails_three_times_is_undelivered_and_nothing_else_is() -> None:
    alert_id = make_alert(CRITICAL).alert_id
    refused, broken, fine, alone = box(), box(), box(), box(SMS)
    for outbox in (refused, broken, fine, alone):
        outbox.post(fired(), T0)

    assert not refused.is_undelivered(alert_id)
    refused.settle(plan(refused, 0), REFUSED, T0)
    assert refused.is_undelivered(alert_id)
    nothing_before(refused, 60.0)
    for second in (0, 2, 6):
        assert not broken.is_undelivered(alert_id)
        broken.settle(plan(broken, second), BROKEN, T0 + second * 1000)
    assert broken.is_undelivered(alert_id)
    fine.settle(plan(fine, 0), DONE, T0)
    assert not fine.is_undelivered(alert_id)
    assert alone.is_undelivered(alert_id)


def test_one_of_two_main_channels_is_enough() -> None:
    outbox = box(MAIN, ("slack", ChannelKind.MAIN), SMS)
    outbox.post(fired(), T0)

    outbox.settle(plan(outbox, 0), REFUSED, T0)

    assert not outbox.is_undelivered(make_alert(CRITICAL).alert_id)


def escalated(subject: str = "alice", number: int = 1) -> Notice:
    return fired(subject=subject, kind=NoticeKind.ESCALATED, escalations=number)


def test_an_sms_is_short_and_holds_no_details() -> None:
    outbox = box()
    outbox.post(escalated(), T0)

    sent = plan(outbox, 0, "twilio")

    alert_id = make_alert(CRITICAL).alert_id
    assert sent.body == f"CRITICAL alice is broken. Ack: copytrader alerts ack {alert_id}"
    assert outbox.due_at_ms("tgram") is None


@pytest.mark.parametrize("count", [1, 2, 40])
def test_sms_that_wait_together_are_one_of_160_characters(count: int) -> None:
    outbox = box()
    for number in range(count):
        outbox.post(escalated("a follower with quite a long name " * 3 + str(number)), T0)

    sent = plan(outbox, 0, "twilio")

    assert len(sent.body) <= 160
    assert len(sent.covers) == count
    assert count == 1 or sent.body.startswith(f"{count} critical alerts, none acknowledged: a follower")


def test_an_sms_of_what_is_acknowledged_or_over_is_not_sent() -> None:
    outbox = box()
    outbox.post(escalated("alice"), T0)
    outbox.post(escalated("bob"), T0)

    outbox.withdraw(make_alert(CRITICAL, "alice"), T0)
    outbox.post(fired(subject="bob", kind=NoticeKind.RESOLVED), T0)

    assert outbox.due_at_ms("twilio") is None
    states = {it.message_id: it.state for it in outbox.take_changed() if it.channel == "twilio"}
    assert set(states.values()) == {MessageState.CANCELLED}


def test_ten_sms_a_day_and_the_rest_is_dropped_and_told() -> None:
    outbox = box()
    for number in range(SMS_A_DAY + 1):
        outbox.post(escalated(number=number), T0 + number * 60_000)
        found = outbox.plan("twilio", T0 + number * 60_000)
        if found is not None:
            outbox.settle(found, DONE, T0 + number * 60_000)

    (_, sms) = outbox.status()
    assert (sms.delivered, sms.dropped, sms.queued) == (SMS_A_DAY, 1, 0)
    outbox.post(escalated(number=99), T0 + 86_400_000)
    assert plan(outbox, 86_400, "twilio").body


def test_the_sms_of_the_day_are_remembered_over_a_restart() -> None:
    first = box()
    for number in range(SMS_A_DAY):
        first.post(escalated(number=number), T0 + number * 60_000)
        first.settle(plan(first, number * 60, "twilio"), DONE, T0 + number * 60_000)
    second = box()

    second.load(first.take_changed(), now_ms=T0)
    second.post(escalated(number=99), T0 + 3_600_000)

    assert second.plan("twilio", T0 + 3_600_000) is None
    assert second.status()[1].dropped == 1


def test_a_restart_sends_what_was_queued_and_not_what_was_delivered() -> None:
    first = box()
    first.post(fired(subject="alice"), T0)
    first.settle(plan(first, 0), DONE, T0)
    first.post(fired(subject="bob"), T0)
    second = box()

    second.load(first.take_changed(), now_ms=T0)
    sent = plan(second, 0)

    assert sent.title == "CRITICAL bob is broken"
    assert [it.title for it in sent.covers] == [sent.title]


def test_what_waits_for_a_channel_that_is_gone_is_cancelled() -> None:
    first = box()
    first.post(fired(), T0)
    second = box(("slack", ChannelKind.MAIN))

    second.load(first.take_changed(), now_ms=T0 + 5)

    (gone,) = second.take_changed()
    assert (gone.channel, gone.state, gone.settled_at_ms) == ("tgram", MessageState.CANCELLED, T0 + 5)


def test_the_queue_has_a_bound_and_drops_what_is_least_loud_and_oldest() -> None:
    outbox = box()
    outbox.post(fired(CRITICAL, "first"), T0)
    for number in range(QUEUED_MAX):
        outbox.post(fired(WARNING, f"f{number}"), T0 + number)

    (status, _) = outbox.status()
    assert (status.queued, status.dropped) == (QUEUED_MAX, 1)
    dropped = [it for it in outbox.take_changed() if it.state is MessageState.DROPPED]
    assert [it.title for it in dropped] == ["WARNING f0 is odd"]


def test_a_heartbeat_leaves_at_once() -> None:
    outbox = box()

    outbox.post_heartbeat("heartbeat-1", "alive", "all is well", T0)

    assert (plan(outbox, 0).title, plan(outbox, 0).body) == ("alive", "all is well")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(0, 30), st.booleans()),
        st.tuples(st.just("send"), st.sampled_from((DONE, BROKEN, REFUSED, LIMITED)), st.booleans()),
        st.tuples(st.just("wait"), st.integers(0, 400), st.booleans()),
        st.tuples(st.just("restart"), st.none(), st.booleans()),
    ),
    max_size=60,
)


@given(STEPS)
def test_every_message_is_delivered_exactly_once_whatever_happens(steps: list[tuple[str, Any, bool]]) -> None:
    outbox, now_ms = box(MAIN), T0
    ledger: dict[tuple[str, str], Message] = {}
    posted: set[str] = set()
    delivered: list[str] = []

    def save() -> None:
        ledger.update({message.key: message for message in outbox.take_changed()})

    def send(delivery: Delivery) -> None:
        found = outbox.plan("tgram", now_ms)
        if found is not None:
            outbox.settle(found, delivery, now_ms)
            if delivery.delivered:
                delivered.extend(message.message_id for message in found.covers)
        save()

    for action, what, loud in steps:
        match action:
            case "post":
                notice = fired(CRITICAL if loud else WARNING, f"f{what}", repeats=len(posted))
                outbox.post(notice, now_ms)
                posted.add(f"{notice.alert.alert_id}-fired-{len(posted)}")
            case "send":
                send(what)
            case "wait":
                now_ms += what * 1000
            case "restart":
                save()
                outbox = box(MAIN)
                outbox.load(ledger.values(), now_ms=now_ms)
    while (due_ms := outbox.due_at_ms("tgram")) is not None:
        now_ms = max(now_ms, due_ms)
        send(DONE)

    assert sorted(delivered) == sorted(posted)
