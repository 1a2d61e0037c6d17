"""Orders whose outcome is unknown: none twice, none lost, none settled without the venue's word.

A failure prints the command that repeats it. `make torture` runs thousands of others.
"""

import pytest

from tests.unknown_outcomes.case import HANDS, PAIRS, make_case
from tests.unknown_outcomes.run import run_case
from tests.unknown_outcomes.troubles import PLACES, TROUBLES

CASES = (*range(96), 168, 226, 250, 277, 1615, 3447, 3645, 20601, 20996, 30135, 19604247)
"""Every trouble on every venue; the late ones have found something."""


@pytest.mark.parametrize("number", CASES)
def test_an_unknown_order_is_settled_by_the_venue_alone(number: int) -> None:
    outcome = run_case(number)

    told = "\n".join(outcome.violations)
    assert not outcome.violations, (
        f"python -m tests.unknown_outcomes {number} --tell\n{make_case(number)}\n{told}"
    )


def test_every_trouble_meets_every_venue_and_every_hand() -> None:
    cases = [make_case(number) for number in range(len(PAIRS) * len(HANDS))]

    assert {(it.venue, it.name) for it in cases[: len(PAIRS)]} == set(PAIRS)
    assert len({(it.venue, it.name, it.hand) for it in cases}) == len(cases)
    assert {name for _, name in PAIRS} == set(TROUBLES)
    assert {venue for venue, _ in PAIRS} == set(PLACES)
    assert {(it.hedged, it.hedge) for it in cases if it.venue != "hyperliquid"} == {
        *((False, False), (False, True), (True, False), (True, True))
    }


def test_a_case_is_always_the_same() -> None:
    assert str(make_case(1234)) == str(make_case(1234))
    assert run_case(7).digest == run_case(7).digest
