"""An order's life, and ids that repeat for the same facts and for no others (R11, R12)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.order import IllegalTransition, OrderState, advance, make_client_order_id, make_copy_id

S = OrderState
FINAL = {S.FILLED, S.ENDED, S.REJECTED, S.LOST}
LEGAL = {
    S.CLAIMED: {S.SENT, S.ACCEPTED, S.UNKNOWN} | FINAL,
    S.SENT: {S.ACCEPTED, S.UNKNOWN} | FINAL,
    S.UNKNOWN: {S.ACCEPTED} | FINAL,
    S.ACCEPTED: FINAL,
}


@pytest.mark.parametrize("to", OrderState)
@pytest.mark.parametrize("state", OrderState)
def test_the_table_of_an_orders_life(state: OrderState, to: OrderState) -> None:
    if to is state or to in LEGAL.get(state, set()):
        assert advance(state, to) is to
        return

    with pytest.raises(IllegalTransition, match=f"{state.value} cannot become {to.value}"):
        advance(state, to)


def test_nothing_follows_an_end() -> None:
    assert {state for state in OrderState if state.is_final} == FINAL
    assert not FINAL & set(LEGAL)


@given(st.lists(st.sampled_from(OrderState)))
def test_no_path_leaves_an_end(path: list[OrderState]) -> None:
    state, ended = S.CLAIMED, None
    for to in path:
        try:
            state = advance(state, to)
        except IllegalTransition:
            continue
        ended = ended or (state if state.is_final else None)
        assert ended in (None, state)


def test_a_million_ids_do_not_collide_and_fit_all_three_venues() -> None:
    ids = {
        make_client_order_id(follower, change, part, attempt)
        for follower in ("alice", "bob", "alice1", "1alice", "a")
        for change in (str(number) for number in range(10_000))
        for part in range(5)
        for attempt in range(4)
    }

    assert len(ids) == 10**6
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in list(ids)[:1000])


facts = st.tuples(
    st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=3), st.text("ab1", max_size=2)
)


@given(facts, facts, st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_the_same_facts_repeat_the_id_and_others_do_not(
    one: tuple[str, str], two: tuple[str, str], part: int, attempt: int, part2: int, attempt2: int
) -> None:
    same = (one, part, attempt) == (two, part2, attempt2)

    assert (make_client_order_id(*one, part, attempt) == make_client_order_id(*two, part2, attempt2)) is same
    assert (make_copy_id(*one) == make_copy_id(*two)) is (one == two)


def test_ids_are_the_same_in_every_version() -> None:
    """A restart after an upgrade must find its own orders."""
    assert make_client_order_id("alice", "c" * 32, 0, 0) == "f694ce06ed615b9a4e4a9f80721f6855"
    assert make_copy_id("alice", "c" * 32) == "0d014c754c586fb1"
