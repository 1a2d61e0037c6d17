"""When an alert is told: once at its beginning, seldom while it lasts, once at its end (I14)."""

from hypothesis import given
from hypothesis import strategies as st

from model.alerts.alert import AlertState, Sighting
from model.alerts.book import ALERTS_MAX, ESCALATE_AGAIN_MS, REPEAT_MS, AlertBook, NoticeKind
from model.alerts.conditions import ALERTS_LOST, Condition
from model.severity import Severity
from tests.model.alerts.factories import T0, Story, condition, make_alert, no, yes

HELD = condition("held", hold_s=60.0, calm_s=60.0)
PLAIN = condition("plain", calm_s=0.0)
WARNING = condition("warning", Severity.WARNING, calm_s=0.0)
INCIDENT = condition("incident", Severity.WARNING, quiet_s=600.0)
INFO = condition("info", Severity.INFO, calm_s=0.0)


def test_it_is_told_at_once_and_only_once_however_often_it_is_seen() -> None:
    story = Story()

    assert story.at(0, yes(PLAIN)) == ["fired"]
    assert story.at(1, *[yes(PLAIN, detail=f"try {number}") for number in range(500)]) == []

    (alert,) = story.book
    assert (alert.count, alert.detail) == (501, "try 499")


def test_what_has_to_hold_is_told_exactly_then_and_not_when_it_passes_before() -> None:
    story = Story()

    story.at(0, yes(HELD))
    assert story.at(59.9) == []
    assert story.at(60.0) == ["fired"]

    passing = Story()
    passing.at(0, yes(HELD))
    passing.at(59.9, no(HELD))
    passing.at(61, yes(HELD))
    assert passing.at(120.9) == []
    assert passing.at(121.0) == ["fired"]


def test_its_end_is_told_when_it_has_been_calm_and_a_relapse_is_no_new_alert() -> None:
    story = Story()
    story.at(0, yes(HELD))
    story.at(60)

    story.at(100, no(HELD))
    story.at(130, yes(HELD))
    story.at(140, no(HELD))
    assert story.at(199.9) == []
    assert story.at(200.0) == ["resolved"]
    assert story.at(10_000, no(HELD)) == []

    assert [kind for _, kind, _ in story.told] == ["fired", "resolved"]


def test_a_critical_one_repeats_every_half_hour_until_somebody_acknowledges_it() -> None:
    story = Story(AlertBook(escalate_after_ms=None))
    story.at(0, yes(PLAIN))
    story.at(4_000)
    (alert,) = story.book

    story.book.acknowledge(alert.alert_id, by="uid 0", now_ms=story.now_ms)
    story.at(20_000)

    assert story.told == [
        (0, "fired", PLAIN.name + ":alice"),
        (1_800, "repeated", PLAIN.name + ":alice"),
        (3_600, "repeated", PLAIN.name + ":alice"),
    ]


def test_a_warning_repeats_every_six_hours_and_info_never() -> None:
    story = Story()
    story.at(0, yes(WARNING), yes(INFO))

    story.at(43_200)

    assert [(at, kind) for at, kind, key in story.told if key.startswith("warning")] == [
        (0, "fired"),
        (21_600, "repeated"),
        (43_200, "repeated"),
    ]
    assert [kind for _, kind, key in story.told if key.startswith("info")] == ["fired"]


def test_what_is_told_again_only_when_it_has_moved() -> None:
    drift = condition("drift", calm_s=0.0, repeats=False)
    story = Story(AlertBook(escalate_after_ms=None))
    story.at(0, yes(drift))
    story.at(50_000, yes(drift))

    assert story.at(50_001, Sighting(condition=drift, subject="alice", again=True)) == ["repeated"]
    assert story.at(90_000) == []
    assert [kind for _, kind, _ in story.told] == ["fired", "repeated"]


def test_an_incident_is_over_when_it_was_quiet_and_that_is_not_told() -> None:
    story = Story()
    story.at(0, yes(INCIDENT))
    story.at(500, yes(INCIDENT))

    assert story.at(1_099.9) == []
    assert len(list(story.book)) == 1
    assert story.at(1_100) == []
    assert list(story.book) == []
    assert story.at(1_101, yes(INCIDENT)) == ["fired"]


def test_a_critical_one_that_nobody_acknowledges_goes_out_by_sms_after_five_minutes() -> None:
    story = Story()
    story.at(0, yes(PLAIN), yes(WARNING))

    assert story.at(299.9) == []
    assert story.at(300.0) == ["escalated"]
    assert [kind for at, kind, _ in story.told if at > 300] == []
    story.at(4_000)
    assert [(at, kind) for at, kind, _ in story.told if kind == "escalated"] == [
        (300, "escalated"),
        (2_100, "escalated"),
        (3_900, "escalated"),
    ]


def test_acknowledging_stops_the_sms() -> None:
    story = Story()
    story.at(0, yes(PLAIN))
    (alert,) = story.book

    story.at(299)
    done = story.book.acknowledge(alert.alert_id, by="uid 0: on it", now_ms=story.now_ms)

    assert story.at(3_000) == []
    assert done is not None
    assert done.acknowledged_by == "uid 0: on it"
    assert story.book.acknowledge("nobody", by="x", now_ms=T0) is None


def test_what_nothing_else_delivers_goes_out_by_sms_at_once() -> None:
    story = Story()
    story.at(0, yes(PLAIN))
    (alert,) = story.book

    story.undelivered.add(alert.alert_id)

    assert story.at(7) == ["escalated"]
    assert story.at(300) == []


def test_a_new_episode_sends_no_second_sms_within_half_an_hour() -> None:
    story = Story()
    story.at(0, yes(PLAIN))
    story.at(300)
    story.at(310, no(PLAIN))
    story.at(400, yes(PLAIN))

    story.at(2_099)
    assert [at for at, kind, _ in story.told if kind == "escalated"] == [300]
    story.at(2_100)
    assert [at for at, kind, _ in story.told if kind == "escalated"] == [300, 2_100]


def test_what_was_over_for_a_moment_is_not_escalated_then() -> None:
    slow = condition("slow", calm_s=60.0)
    story = Story()
    story.at(0, yes(slow))
    story.at(290, no(slow))

    assert story.at(350) == ["resolved"]


def test_a_restart_neither_repeats_nor_forgets() -> None:
    before = Story()
    before.at(0, yes(PLAIN), yes(INCIDENT))
    after = Story()
    after.now_s = 100

    after.book.load(before.book.take_changed())

    assert after.at(101, yes(PLAIN), yes(INCIDENT)) == []
    assert after.at(300) == ["escalated"]
    assert after.at(310, no(PLAIN)) == ["resolved"]


def test_what_is_loaded_late_takes_the_place_of_what_is_pending() -> None:
    story = Story()
    story.at(0, yes(HELD))

    story.book.load([make_alert(HELD)])

    assert story.at(100) == []
    assert story.at(101, no(HELD)) == []
    assert story.at(161) == ["resolved"]


def test_an_ended_one_that_sent_an_sms_is_remembered_for_that_alone() -> None:
    story = Story()
    story.book.load([make_alert(PLAIN, state=AlertState.ENDED, escalated_at_ms=T0)])

    story.at(10, yes(PLAIN))
    story.at(1_799.9)
    assert "escalated" not in [kind for _, kind, _ in story.told]
    story.at(1_800)
    assert "escalated" in [kind for _, kind, _ in story.told]


def test_what_nobody_ever_ends_is_forgotten_in_the_end() -> None:
    story = Story()
    story.at(0, yes(WARNING))
    (alert,) = story.book

    story.book.acknowledge(alert.alert_id, by="x", now_ms=story.now_ms)
    assert story.at(86_400) == []

    assert list(story.book) == []


def test_there_is_a_bound_and_what_is_beyond_it_is_told() -> None:
    story = Story()

    story.at(0, *[yes(WARNING, f"f{number}") for number in range(ALERTS_MAX + 7)])

    assert story.book.lost == 7
    (lost,) = [alert for alert in story.book if alert.condition is ALERTS_LOST]
    assert lost.detail == "7 were not kept"


def test_changes_are_handed_out_once_and_put_back_without_undoing_newer_ones() -> None:
    story = Story()
    story.at(0, yes(PLAIN))
    changed = story.book.take_changed()
    assert story.book.take_changed() == []

    story.at(1, yes(PLAIN))
    story.book.put_back(changed)

    assert [alert.count for alert in story.book.take_changed()] == [2]


CONDITIONS = (HELD, PLAIN, WARNING, INCIDENT, INFO, condition("brief", hold_s=5.0, calm_s=30.0))
STEPS = st.lists(
    st.tuples(st.integers(0, 4_000), st.sampled_from(CONDITIONS), st.sampled_from(("a", "b")), st.booleans()),
    max_size=40,
)


@given(STEPS, st.integers(0, 39))
def test_every_episode_is_told_once_repeated_seldom_and_ended_once(
    steps: list[tuple[int, Condition, str, bool]], restart_at: int
) -> None:
    story, at = Story(), 0.0
    for number, (wait_s, what, subject, present) in enumerate(steps):
        at += wait_s
        story.at(at, Sighting(condition=what, subject=subject, present=present))
        if number == restart_at:
            alive = [it for it in story.book.take_changed() if it.state is AlertState.FIRING]
            alive += [it for it in story.book if it.alert_id not in {one.alert_id for one in alive}]
            story.book = AlertBook()
            story.book.load(alive)
    for what in CONDITIONS:
        for subject in ("a", "b"):
            story.at(at, no(what, subject))
    story.at(at + 8 * 86_400)

    assert list(story.book) == []
    for key in {key for _, _, key in story.told}:
        what = next(it for it in CONDITIONS if key.startswith(f"{it.name}:"))
        told = [(when, kind) for when, kind, whose in story.told if whose == key]
        _check_episodes(what, told)


def _check_episodes(what: Condition, told: list[tuple[float, str]]) -> None:
    firing, last_s, sms_s = False, 0.0, -ESCALATE_AGAIN_MS / 1000
    every_ms = REPEAT_MS[what.severity]
    for when, kind in told:
        match NoticeKind(kind):
            case NoticeKind.FIRED:
                assert not firing or not what.tells_its_end
                firing, last_s = True, when
            case NoticeKind.REPEATED:
                assert firing
                assert every_ms is not None
                assert when - last_s >= every_ms / 1000
                last_s = when
            case NoticeKind.RESOLVED:
                assert firing
                assert what.tells_its_end
                firing = False
            case NoticeKind.ESCALATED:
                assert firing
                assert what.severity is Severity.CRITICAL
                assert when - sms_s >= ESCALATE_AGAIN_MS / 1000 or sms_s < 0
                sms_s = when
    assert not firing or not what.tells_its_end, "its end was not told"
