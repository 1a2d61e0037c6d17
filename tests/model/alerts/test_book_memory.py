"""What the book of alerts remembers over restarts, ends and its own bounds (R16)."""

import re

import attrs
import pytest

from model.alerts.alert import AlertState, Sighting, begin_alert, make_alert_id
from model.alerts.book import AlertBook
from model.severity import Severity
from tests.model.alerts.factories import T0, Story, condition, make_alert, no, yes

HELD = condition("held", hold_s=60.0, calm_s=60.0)
PLAIN = condition("plain", calm_s=0.0)


def test_what_fires_already_is_not_replaced_by_what_the_ledger_remembers() -> None:
    story = Story()
    story.at(0, *[yes(PLAIN)] * 5)

    story.book.load([make_alert(PLAIN, count=2)])

    assert [alert.count for alert in story.book] == [5]


@pytest.mark.parametrize(("seen_ms", "loaded_ms"), [(500_000, 0), (0, 500_000)])
def test_what_is_loaded_was_seen_when_either_saw_it_last(seen_ms: int, loaded_ms: int) -> None:
    book = AlertBook()
    book.see(yes(HELD), T0 + seen_ms)

    book.load([make_alert(HELD, seen_at_ms=T0 + loaded_ms)])

    assert [alert.seen_at_ms for alert in book] == [T0 + 500_000]


def test_an_end_is_written_as_an_end_and_when_it_was() -> None:
    story = Story()
    story.at(0, yes(HELD))
    story.at(60)
    story.book.take_changed()

    story.at(100, no(HELD))
    story.at(160)

    (ended,) = story.book.take_changed()
    assert (ended.state, ended.calm_since_ms, ended.ended_at_ms) == (
        AlertState.ENDED,
        T0 + 100_000,
        T0 + 160_000,
    )


def test_what_was_to_be_told_again_and_ended_first_does_not_follow_the_next_episode() -> None:
    drift = condition("drift", calm_s=0.0, repeats=False)
    again = Sighting(condition=drift, subject="alice", again=True)
    story = Story(AlertBook(escalate_after_ms=None))
    story.at(0, yes(drift))

    assert story.at(10, again, no(drift)) == ["resolved"]
    assert story.at(20, yes(drift)) == ["fired"]
    assert story.at(21) == []


def test_of_too_many_sms_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story()
    with monkeypatch.context() as patch:
        patch.setattr("model.alerts.book.ALERTS_MAX", 2)
        sent = [("a", 100), ("b", 0), ("c", 50)]
        story.book.load(
            make_alert(PLAIN, name, state=AlertState.ENDED, escalated_at_ms=T0 + second * 1000)
            for name, second in sent
        )

    story.at(150, *[yes(PLAIN, name) for name, _ in sent])
    story.at(2_000)

    told = [(at, key) for at, kind, key in story.told if kind == "escalated"]
    assert told == [(450, "plain:b"), (1_850, "plain:c"), (1_900, "plain:a")]


def test_an_older_sms_does_not_take_the_place_of_a_newer_one() -> None:
    story = Story()
    sent = make_alert(PLAIN, state=AlertState.ENDED, escalated_at_ms=T0 + 100_000)
    story.book.load([sent, attrs.evolve(sent, escalated_at_ms=T0)])

    story.at(150, yes(PLAIN))
    story.at(1_899)
    assert "escalated" not in [kind for _, kind, _ in story.told]
    assert story.at(1_900) == ["escalated"]


def test_of_what_is_never_written_the_oldest_is_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.alerts.book.CHANGED_MAX", 3)
    story = Story()
    story.at(0, *[yes(PLAIN, f"f{number}") for number in range(5)])
    written = story.book.take_changed()

    story.book.put_back(written[:3])
    assert story.book.lost == 0
    story.book.put_back(written[3:])

    assert story.book.lost == 2
    assert story.book.take_changed() == written[2:]


def test_the_loudest_comes_first_and_of_two_the_older() -> None:
    odd = condition("odd", Severity.WARNING)
    story = Story()
    story.at(0, yes(odd, "w"))
    story.at(1, yes(PLAIN, "younger"))
    story.book.load([make_alert(PLAIN, "older")])

    assert [alert.subject for alert in story.book] == ["older", "younger", "w"]


def test_each_episode_has_an_id_and_a_first_sighting_of_its_own() -> None:
    story, ids = Story(), []
    for second in (0, 100):
        story.at(second, yes(PLAIN))
        (alert,) = story.book
        assert (alert.detail, alert.count) == ("why", 1)
        ids.append(alert.alert_id)
        story.at(second + 50, no(PLAIN))

    assert len(set(ids)) == 2
    assert all(len(it) == 8 for it in ids), "short enough to type"
    assert begin_alert(yes(PLAIN), T0).alert_id == ""


def test_how_often_it_was_repeated_and_escalated_is_counted() -> None:
    story = Story()
    story.at(0, yes(PLAIN))

    story.at(4_000)

    (alert,) = story.book
    assert (alert.repeats, alert.escalations) == (2, 3)


def test_an_incident_is_repeated_only_if_it_was_seen_again() -> None:
    lasting = condition("lasting", Severity.WARNING, quiet_s=24 * 3600.0)
    story = Story()
    hour = 3_600

    assert story.at(0, yes(lasting)) == ["fired"]
    assert story.at(7 * hour) == []
    assert story.at(8 * hour, yes(lasting)) == ["repeated"]
    assert story.at(15 * hour) == []
    assert story.at(15 * hour + 1, yes(lasting)) == ["repeated"]


def test_what_nothing_delivers_and_what_begins_are_told_at_the_same_time() -> None:
    story = Story()
    story.undelivered = {make_alert_id(f"plain:{name}", T0) for name in "ab"}

    assert story.at(0, yes(PLAIN, "a"), yes(PLAIN, "b")) == ["fired", "fired", "escalated", "escalated"]


def test_while_something_gets_through_nothing_is_undelivered() -> None:
    story = Story()
    story.at(0, yes(PLAIN))

    assert story.book.tick(T0 + 1_000) == []


def test_what_has_to_hold_begins_anew_after_a_pause() -> None:
    story = Story()
    story.at(0, yes(HELD))
    story.at(10, no(HELD))
    story.at(20, yes(HELD))

    assert story.at(79.9) == []
    assert story.at(80) == ["fired"]


@pytest.mark.parametrize(
    ("seen_at", "told"),
    [((0,), []), ((0, 30), []), ((0, 30.1), ["fired"]), ((0, 20, 40, 59), ["fired"])],
)
def test_what_has_to_hold_and_never_says_its_end_has_to_be_seen_on(
    seen_at: tuple[float, ...], told: list[str]
) -> None:
    flaky = condition("flaky", hold_s=60.0, quiet_s=30.0)
    story = Story(AlertBook(escalate_after_ms=None))
    for second in seen_at:
        story.at(second, yes(flaky))

    assert story.at(60) == told


def test_what_had_to_hold_for_a_second_only_is_held_to_it_too() -> None:
    story = Story()
    story.at(0, yes(condition("short", hold_s=1.0, quiet_s=0.5)))

    assert story.at(1) == []


def test_an_incident_that_is_looked_at_late_is_told_all_the_same() -> None:
    book = AlertBook()
    book.see(yes(condition("incident", quiet_s=600.0)), T0)

    assert [notice.kind.value for notice in book.tick(T0 + 700_000)] == ["fired"]


def test_what_nobody_acknowledged_is_forgotten_after_a_week_unseen() -> None:
    story, week = Story(AlertBook(escalate_after_ms=None)), 7 * 86_400
    story.at(0, yes(PLAIN))

    story.at(week - 1)
    assert len(list(story.book)) == 1
    story.at(week)
    assert list(story.book) == []


def test_a_thousand_sightings_are_looked_at_once() -> None:
    story = Story()
    story.at(0, *[yes(condition("incident", Severity.WARNING, quiet_s=600.0))] * 1_000)

    assert len(story.book._calls) == 1


@pytest.mark.parametrize("text", ["two\nlines", "a\tb", "bell\a", "half \ud83d"])
def test_what_no_channel_could_show_is_a_blank(text: str) -> None:
    sighting = yes(PLAIN, subject=text, detail=text)

    assert sighting.detail == sighting.subject == re.sub(r"[^\w ]", " ", text)
    assert sighting.detail.encode()
