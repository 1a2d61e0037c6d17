"""The cases are worth what they find: each mistake about unknown orders is found, and named."""

import pytest

from tests.unknown_outcomes.planted import BUGS
from tests.unknown_outcomes.run import run_case

FOUND_BY: dict[str, tuple[tuple[int, ...], str]] = {
    "a_lost_answer_is_a_refusal": ((0, 1, 2), "settled without the venue: refused"),
    "not_found_at_once": ((6, 7, 8), "settled without the venue: lost"),
    "not_found_while_it_may_arrive": ((6, 7, 8), "settled without the venue: lost"),
    "no_answer_to_a_query_is_not_found": ((44, 45, 46), "settled without the venue: lost"),
    "an_error_of_the_server_is_a_refusal": ((19, 22), "settled without the venue: refused"),
    "a_lost_line_filled_the_order": ((9, 10, 11), "settled without the venue: filled"),
    "resend_on_timeout": ((0, 1), ""),
    "drop_the_retry_after_a_crash": ((131, 200, 267), "has no outcome"),
}
"""Cases to try, and words by which one of them must tell of it."""


def test_every_mistake_has_its_cases() -> None:
    assert set(FOUND_BY) == set(BUGS)


@pytest.mark.parametrize("bug", FOUND_BY)
@pytest.mark.filterwarnings("ignore")  # what is broken on purpose may end badly
def test_a_planted_mistake_is_found(bug: str) -> None:
    numbers, words = FOUND_BY[bug]
    with BUGS[bug]():
        found_by = next(
            (it for it in numbers if any(words in told for told in run_case(it).violations)), None
        )

    assert found_by is not None
    assert not run_case(found_by).violations
