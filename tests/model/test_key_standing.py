"""How far a key is trusted, from verdict to verdict and from run to run."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.key_check import Finding, Severity
from model.key_standing import KeyStanding, KeyState, remembered_standing

WARN = Finding(severity=Severity.WARN, code="no_ip_binding", what="it works from everywhere", cure="bind it")
REFUSE = Finding(severity=Severity.REFUSE, code="may_withdraw", what="it may withdraw", cure="make another")


def after(*verdicts: tuple[Finding, ...]) -> KeyStanding:
    standing = KeyStanding()
    for number, verdict in enumerate(verdicts):
        standing = standing.judged(verdict, 1_000 + number)
    return standing


@pytest.mark.parametrize(
    ("verdicts", "state", "accepted_at_ms"),
    [
        ([], KeyState.UNCHECKED, None),
        ([()], KeyState.ACCEPTED, 1_000),
        ([(WARN,)], KeyState.ACCEPTED, 1_000),
        ([(REFUSE, WARN)], KeyState.REFUSED, None),
        ([(REFUSE,), (REFUSE,)], KeyState.REFUSED, None),
        ([(REFUSE,), ()], KeyState.ACCEPTED, 1_001),
        ([(), (REFUSE,)], KeyState.REVOKED, 1_000),
        ([(), (REFUSE,), (REFUSE,)], KeyState.REVOKED, 1_000),
        ([(), (REFUSE,), ()], KeyState.ACCEPTED, 1_002),
    ],
)
def test_a_verdict_after_others(
    verdicts: list[tuple[Finding, ...]], state: KeyState, accepted_at_ms: int | None
) -> None:
    standing = after(*verdicts)

    assert (standing.state, standing.accepted_at_ms) == (state, accepted_at_ms)


def test_only_an_accepted_key_opens_and_one_that_never_was_sends_nothing() -> None:
    assert {state for state in KeyState if state.may_open} == {KeyState.ACCEPTED}
    assert {state for state in KeyState if not state.may_reduce} == {KeyState.UNCHECKED, KeyState.REFUSED}


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([], KeyState.UNCHECKED),
        ([()], KeyState.REMEMBERED),
        ([(WARN,)], KeyState.REMEMBERED),
        ([(REFUSE,)], KeyState.UNCHECKED),
        ([(), (REFUSE,)], KeyState.REVOKED),
    ],
)
def test_what_the_next_run_knows(verdicts: list[tuple[Finding, ...]], state: KeyState) -> None:
    standing = after(*verdicts)
    kept = json.loads(json.dumps(standing.to_plain("mark")))

    remembered = remembered_standing(kept, "mark")

    assert remembered.state is state
    if state is not KeyState.UNCHECKED:
        assert (remembered.findings, remembered.checked_at_ms) == (standing.findings, standing.checked_at_ms)
    assert remembered_standing(kept, "another") == KeyStanding()


def test_what_was_accepted_since_is_no_mere_memory() -> None:
    accepted, revoked = after(()).to_plain("m"), after((), (REFUSE,)).to_plain("m")

    states = [remembered_standing(accepted, "m", trusted_since_ms=since).state for since in (1_000, 1_001)]
    assert states == [KeyState.ACCEPTED, KeyState.REMEMBERED]
    assert remembered_standing(revoked, "m", trusted_since_ms=0).state is KeyState.REVOKED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, st.dictionaries(st.sampled_from(sorted(KeyStanding().to_plain("m"))), JSON))
def test_what_cannot_be_read_is_nothing_known(garbage: object, changes: dict[str, object]) -> None:
    kept = after((), (REFUSE,)).to_plain("m")

    assert remembered_standing(garbage, "m") == KeyStanding()
    assert remembered_standing({**kept, **changes}, "m").state in (
        KeyState.UNCHECKED,
        KeyState.REMEMBERED,
        KeyState.REVOKED,
    )


def test_a_standing_says_of_which_verdict_it_is_and_when_that_was() -> None:
    accepted = KeyStanding().judged((WARN,), 1_000)
    revoked = accepted.judged((REFUSE,), 2_000)

    assert (accepted.findings, accepted.checked_at_ms, accepted.accepted_at_ms) == ((WARN,), 1_000, 1_000)
    assert (revoked.findings, revoked.checked_at_ms, revoked.accepted_at_ms) == ((REFUSE,), 2_000, 1_000)
    assert remembered_standing(revoked.to_plain("m"), "m") == revoked


@pytest.mark.parametrize("moment", [True, "1000", 1000.0])
def test_a_moment_that_is_none_is_nothing_known(moment: object) -> None:
    kept = KeyStanding().judged((), 1_000).to_plain("m")

    assert remembered_standing({**kept, "accepted_at_ms": moment}, "m") == KeyStanding()
