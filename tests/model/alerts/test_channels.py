"""How a channel is doing, and what of a message is written down (R16)."""

import attrs
import pytest

from model.alerts.book import Notice, NoticeKind
from model.alerts.message import ChannelKind, ChannelStatus, Message, MessageKind, MessageState
from model.alerts.outbox import DIGEST_ABOVE, SMS_A_DAY, Outbox
from model.severity import Severity
from tests.model.alerts.factories import T0, make_alert
from tests.model.alerts.test_outbox import (
    BROKEN,
    CRITICAL,
    DONE,
    REFUSED,
    WARNING,
    box,
    escalated,
    fired,
    nothing_before,
    plan,
)


def test_a_channel_says_since_when_and_why_it_fails_and_when_it_is_tried_again() -> None:
    outbox = box()
    outbox.post(fired(), T0)
    outbox.settle(plan(outbox, 0), BROKEN, T0)
    outbox.settle(plan(outbox, 2), attrs.evolve(BROKEN, error="503"), T0 + 2_000)

    assert outbox.status() == (
        ChannelStatus(
            name="tgram",
            kind=ChannelKind.MAIN,
            queued=1,
            delivered=0,
            dropped=0,
            failures=2,
            failing_since_ms=T0,
            error="503",
            next_try_at_ms=T0 + 6_000,
        ),
        ChannelStatus(
            name="twilio",
            kind=ChannelKind.SMS,
            queued=0,
            delivered=0,
            dropped=0,
            failures=0,
            failing_since_ms=None,
            error="",
            next_try_at_ms=None,
        ),
    )


def test_a_channel_that_works_or_has_nothing_to_send_is_not_tried_again() -> None:
    waiting, withdrawn = box(), box()
    waiting.post(fired(WARNING), T0)
    withdrawn.post(escalated(), T0)
    withdrawn.settle(plan(withdrawn, 0, "twilio"), BROKEN, T0)
    withdrawn.withdraw(make_alert(CRITICAL), T0 + 1)

    assert waiting.status()[0].next_try_at_ms is None
    assert (withdrawn.status()[1].failures, withdrawn.status()[1].next_try_at_ms) == (1, None)


def test_a_channel_that_said_no_and_then_took_one_is_trusted_again() -> None:
    outbox = box()
    outbox.post(fired(), T0)
    outbox.settle(plan(outbox, 0), REFUSED, T0)
    assert outbox.gets_nothing_through

    outbox.settle(plan(outbox, 60), DONE, T0 + 60_000)

    assert not outbox.gets_nothing_through
    outbox.post(fired(subject="bob"), T0 + 60_000)
    outbox.settle(plan(outbox, 63), BROKEN, T0 + 63_000)
    assert not outbox.gets_nothing_through, "one failure is no refusal"


def test_a_message_that_failed_is_written_with_its_error_and_its_tries() -> None:
    outbox = box()
    outbox.post(fired(), T0)
    outbox.settle(plan(outbox, 0), BROKEN, T0)

    (message,) = outbox.take_changed()

    assert (message.state, message.attempts, message.error) == (MessageState.QUEUED, 1, "502")


def test_a_heartbeat_is_written_for_each_main_channel_under_its_own_name() -> None:
    outbox = box()

    outbox.post_heartbeat("heartbeat-1", "alive", "all is well", T0)

    assert outbox.take_changed() == [
        Message(
            message_id="heartbeat-1",
            channel="tgram",
            kind=MessageKind.HEARTBEAT,
            severity=Severity.INFO,
            title="alive",
            body="all is well",
            created_at_ms=T0,
        )
    ]


def test_an_sms_has_no_title_and_one_that_is_withdrawn_leaves_the_others() -> None:
    outbox = box()
    outbox.post(escalated("alice"), T0)
    outbox.post(escalated("bob"), T0)

    outbox.withdraw(make_alert(CRITICAL, "alice"), T0 + 7)

    sent = plan(outbox, 0, "twilio")
    assert (sent.title, [it.title for it in sent.covers]) == ("", ["CRITICAL bob is broken"])
    states = {it.title: (it.state, it.settled_at_ms) for it in outbox.take_changed()}
    assert states == {
        "CRITICAL alice is broken": (MessageState.CANCELLED, T0 + 7),
        "CRITICAL bob is broken": (MessageState.QUEUED, None),
    }


def test_every_sms_beyond_those_of_a_day_is_dropped_with_its_reason() -> None:
    outbox = box()
    for number in range(SMS_A_DAY):
        outbox.post(escalated(number=number), T0)
        outbox.settle(plan(outbox, number * 60, "twilio"), DONE, T0 + number * 60_000)
    outbox.take_changed()
    for number in (50, 51, 52):
        outbox.post(escalated(number=number), T0 + 900_000)
        assert outbox.plan("twilio", T0 + 900_000) is None

    assert outbox.status()[1].dropped == 3
    dropped = [(it.state, it.error, it.settled_at_ms) for it in outbox.take_changed()]
    assert dropped == [(MessageState.DROPPED, "10 SMS were sent within a day", T0 + 900_000)] * 3


@pytest.mark.parametrize("count", [DIGEST_ABOVE, DIGEST_ABOVE + 1])
def test_five_are_told_one_by_one_and_six_at_once(count: int) -> None:
    outbox = box()
    for number in range(count):
        outbox.post(fired(subject=f"f{number}"), T0)

    assert len(plan(outbox, 0).covers) == (1 if count == DIGEST_ABOVE else count)


def test_of_what_is_due_at_once_the_loudest_leaves_first() -> None:
    outbox = box()
    outbox.post(fired(WARNING, "w"), T0)
    outbox.post_heartbeat("heartbeat-1", "alive", "", T0 + 10_000)
    outbox.post(fired(CRITICAL, "c"), T0 + 10_000)

    titles = []
    for second in (10, 13, 16):
        sent = plan(outbox, second)
        outbox.settle(sent, DONE, T0 + second * 1000)
        titles.append(sent.title)

    assert titles == ["CRITICAL c is broken", "WARNING w is odd", "alive"]


def test_that_something_critical_is_over_waits_for_company() -> None:
    outbox = box()

    outbox.post(fired(kind=NoticeKind.RESOLVED, calm_since_ms=T0), T0)

    nothing_before(outbox, 10.0)


def test_the_messages_of_some_alerts_are_taken_and_the_others_stay() -> None:
    outbox = box()
    outbox.post(fired(subject="alice"), T0)
    outbox.post(fired(subject="bob"), T0)
    alice = make_alert(CRITICAL, "alice").alert_id

    assert [it.alert_id for it in outbox.take_changed({alice})] == [alice]
    assert [it.title for it in outbox.take_changed()] == ["CRITICAL bob is broken"]
    assert outbox.take_changed() == []


def test_what_could_not_be_written_comes_back_and_undoes_nothing_newer() -> None:
    outbox = box()
    outbox.post(fired(subject="alice"), T0)
    outbox.post(fired(subject="bob"), T0)
    alice, bob = outbox.take_changed()
    outbox.settle(plan(outbox, 0), DONE, T0)

    outbox.put_back([alice, bob])

    assert [(it.title, it.state) for it in outbox.take_changed()] == [
        (alice.title, MessageState.DELIVERED),
        (bob.title, MessageState.QUEUED),
    ]


def test_of_what_is_never_written_the_oldest_is_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.alerts.outbox.CHANGED_MAX", 3)
    outbox = box()
    for number in range(5):
        outbox.post(fired(subject=f"f{number}"), T0)
    written = outbox.take_changed()

    outbox.put_back(written[:3])
    assert outbox.lost == 0
    outbox.put_back(written[3:])

    assert outbox.lost == 2
    assert outbox.take_changed() == written[2:]


def test_a_restart_takes_queued_messages_only_and_forgets_sms_of_channels_that_are_gone() -> None:
    outbox = box()
    outbox.post(escalated("alice"), T0)
    outbox.post(escalated("bob"), T0)
    outbox.withdraw(make_alert(CRITICAL, "alice"), T0 + 7)
    outbox.settle(plan(outbox, 0, "twilio"), DONE, T0)
    gone, again = Outbox([]), box()

    written = outbox.take_changed()
    gone.load(written, now_ms=T0 + 9)
    again.load(written, now_ms=T0 + 9)

    assert gone.take_changed() == []
    assert again.due_at_ms("twilio") is None
    assert again.take_changed() == []


def test_a_message_that_is_posted_while_the_ledger_is_read_is_not_taken_back() -> None:
    before, outbox = box(), box()
    before.post(fired(), T0)
    outbox.post(fired(), T0)
    outbox.settle(plan(outbox, 0), DONE, T0)

    outbox.load(before.take_changed(), now_ms=T0 + 1)

    assert outbox.due_at_ms("tgram") is None


def test_what_a_notice_says_is_written_as_a_message_of_its_kind() -> None:
    outbox = box()
    assert outbox.lost == 0
    over = make_alert(CRITICAL, calm_since_ms=T0 + 3_000)

    outbox.post(Notice(NoticeKind.RESOLVED, over), T0 + 5_000)

    assert outbox.take_changed() == [
        Message(
            message_id=f"{over.alert_id}-resolved-0",
            channel="tgram",
            kind=MessageKind.RESOLVED,
            severity=Severity.CRITICAL,
            alert_id=over.alert_id,
            title="resolved: alice is broken",
            body="It lasted 3 s and was seen once.",
            created_at_ms=T0 + 5_000,
        )
    ]


def test_what_is_over_withdraws_its_sms_then() -> None:
    outbox = box()
    outbox.post(escalated(), T0)

    outbox.post(fired(kind=NoticeKind.RESOLVED), T0 + 9)

    (sms,) = [it for it in outbox.take_changed() if it.channel == "twilio"]
    assert (sms.state, sms.settled_at_ms) == (MessageState.CANCELLED, T0 + 9)


def test_an_sms_that_was_withdrawn_while_it_was_sent_counts_as_sent() -> None:
    outbox = box()
    outbox.post(escalated(), T0)
    sent = plan(outbox, 0, "twilio")
    outbox.withdraw(make_alert(CRITICAL), T0 + 1)

    outbox.settle(sent, DONE, T0 + 2)

    (message,) = outbox.take_changed()
    assert (message.state, message.settled_at_ms) == (MessageState.DELIVERED, T0 + 2)
    assert outbox.status()[1].delivered == 1


def test_each_message_that_a_full_queue_drops_is_counted_and_dated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.alerts.outbox.QUEUED_MAX", 2)
    outbox = box()
    for number in range(4):
        outbox.post(fired(subject=f"f{number}"), T0 + number)

    assert outbox.status()[0].dropped == 2
    dropped = [it for it in outbox.take_changed() if it.state is MessageState.DROPPED]
    assert [(it.title, it.settled_at_ms) for it in dropped] == [
        ("CRITICAL f0 is broken", T0 + 2),
        ("CRITICAL f1 is broken", T0 + 3),
    ]
