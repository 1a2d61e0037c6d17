"""What the book of alerts remembers over restarts, ends and its own bounds (R16)."""

import attrs
import pytest

from model.alerts.alert import AlertState, Sighting
from model.alerts.book import AlertBook
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
