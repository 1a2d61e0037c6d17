"""The book of everything that is wrong: looked at, told, resolved and forgotten, follower by follower."""

from hypothesis import given
from hypothesis import strategies as st

from model.drift import AuditRules, Told, Verdict
from model.drift_book import DriftBook, Weighed
from model.finding import Finding, FindingKind
from tests.model.test_drift import make_finding

SHORT = make_finding("0.2")
LEVERAGE = make_finding("0.3", kind=FindingKind.LEVERAGE_MISMATCH)
RULES = AuditRules(grace_s=60.0)


def verdicts(book: DriftBook, follower: str, *findings: Finding, now: float) -> list[Verdict]:
    return [it.verdict for it in book.take(follower, findings, now=now)]


def test_aspects_and_followers_are_kept_apart() -> None:
    book = DriftBook((), rules=RULES)
    assert verdicts(book, "alice", SHORT, LEVERAGE, now=60.0) == [Verdict.FIRE, Verdict.QUIET]
    assert verdicts(book, "bob", SHORT, now=50.0) == [Verdict.QUIET]
    told = book.note("alice", SHORT, now_ms=7)

    assert (told.follower, told.first_told_at_ms, told.told_at_ms) == ("alice", 7, 7)
    assert book.due_at() == {"alice": 120.0, "bob": 60.0}
    assert book.followers == {"alice", "bob"}
    standing = [(name, drift.told is not None, due) for name, drift, due in book.standing_now()]
    assert standing == [("alice", False, 120.0), ("alice", True, None), ("bob", False, 60.0)]


def test_a_look_ahead_changes_nothing() -> None:
    book = DriftBook((), rules=RULES)
    ahead = [it.verdict for it in book.weigh("alice", [SHORT], now=60.0)]

    assert ahead == [Verdict.FIRE]
    assert not book.followers
    assert verdicts(book, "alice", SHORT, now=60.0) == ahead


def test_what_is_not_noted_is_told_again_for_it_may_not_have_been() -> None:
    book = DriftBook((), rules=RULES)

    assert verdicts(book, "alice", SHORT, now=60.0) == [Verdict.FIRE]
    assert verdicts(book, "alice", SHORT, now=61.0) == [Verdict.FIRE]


def test_a_second_telling_keeps_when_the_first_was() -> None:
    book = DriftBook((), rules=RULES)
    book.take("alice", [SHORT], now=60.0)
    book.note("alice", SHORT, now_ms=7)
    worse = make_finding("0.4")
    assert verdicts(book, "alice", worse, now=120.0) == [Verdict.FIRE_AGAIN]
    told = book.note("alice", worse, now_ms=9)

    assert (told.first_told_at_ms, told.told_at_ms) == (7, 9)


def test_a_follower_that_is_gone_leaves_what_was_told_and_nothing_else() -> None:
    book = DriftBook((), rules=RULES)
    book.take("alice", [SHORT, LEVERAGE], now=60.0)
    told = book.note("alice", SHORT, now_ms=7)

    assert book.forget("alice") == (told,)
    assert not book.followers
    assert not book.due_at()
    assert book.forget("alice") == ()


def test_what_is_well_leaves_no_trace() -> None:
    book = DriftBook((), rules=RULES)
    book.take("alice", [SHORT, LEVERAGE], now=10.0)
    book.take("alice", [], now=11.0)

    assert not book.followers
    assert not book.due_at()
    assert list(book.standing_now()) == []


@given(story=st.lists(st.tuples(st.floats(0, 90), st.booleans()), max_size=30))
def test_what_the_ledger_keeps_is_enough_to_say_the_same_after_a_restart(
    story: list[tuple[float, bool]],
) -> None:
    kept = DriftBook((), rules=RULES)
    told: list[Told] = []
    now = 0.0
    for pause, is_wrong in story:
        now += pause
        findings = [SHORT] if is_wrong else []
        restarted = DriftBook(told, rules=RULES)
        assert said(restarted, findings, now) == said(kept, findings, now)
        for it in kept.take("alice", findings, now=now):
            if it.speaks:
                told = [kept.note("alice", SHORT, now_ms=1)]
            elif it.verdict is Verdict.RESOLVE:
                told = []


def said(book: DriftBook, findings: list[Finding], now: float) -> list[Verdict]:
    """Return what a look would say; silence is nothing."""
    looks = book.weigh("alice", findings, now=now)
    return [it.verdict for it in looks if it.verdict is not Verdict.QUIET]


def test_a_look_says_of_whom_of_what_and_what_was_told_before() -> None:
    book = DriftBook((), rules=RULES)
    assert not any(it.is_over_its_grace for it in book.take("alice", [SHORT], now=10.0))
    (fired,) = book.weigh("alice", [SHORT], now=60.0)
    book.take("alice", [SHORT], now=60.0)
    told = book.note("alice", SHORT, now_ms=7)
    (known,) = book.take("alice", [SHORT], now=61.0)
    (gone,) = book.weigh("alice", [], now=62.0)

    assert fired == Weighed(follower="alice", verdict=Verdict.FIRE, finding=SHORT, told=None)
    assert known == Weighed(follower="alice", verdict=Verdict.QUIET, finding=SHORT, told=told)
    assert gone == Weighed(follower="alice", verdict=Verdict.RESOLVE, finding=None, told=told)
    assert (fired.is_over_its_grace, known.is_over_its_grace, gone.is_over_its_grace) == (True, True, False)


def test_a_look_at_one_follower_ahead_is_at_what_is_known_of_that_one() -> None:
    book = DriftBook((), rules=RULES)
    book.take("alice", [SHORT], now=60.0)
    book.note("alice", SHORT, now_ms=7)

    assert [it.verdict for it in book.weigh("alice", [], now=61.0)] == [Verdict.RESOLVE]
    assert list(book.weigh("bob", [], now=61.0)) == []


def test_what_stands_is_listed_when_no_grace_runs() -> None:
    book = DriftBook((), rules=RULES)
    book.take("alice", [SHORT], now=60.0)

    assert [(name, due) for name, _, due in book.standing_now()] == [("alice", None)]
