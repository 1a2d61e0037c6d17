"""Claims against a model of them: however they are batched, each (follower, change) is claimed once."""

import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from model.amounts import use_money_context
from model.copy import Claim, ClaimAnswer, CopyState
from model.ledger import Store, open_store
from model.ledger.claims import KEY_WINDOW_MS, is_stale
from tests.model.ledger.factories import NOW_MS, make_change, make_claim

CHANGES = [
    *(make_change(seq, after=str(seq)) for seq in range(1, 5)),
    make_change(5, after="5", venue_time_ms=NOW_MS - KEY_WINDOW_MS - 1),
]

claims = st.builds(
    lambda follower, change, older: make_claim(follower, change, superseded=tuple(older)),
    st.sampled_from(["alice", "bob", "carol"]),
    st.sampled_from(CHANGES),
    st.lists(st.sampled_from(CHANGES), max_size=2),
)
batches = st.lists(st.lists(claims, min_size=1, max_size=6), max_size=5)


class Expected:
    """What a ledger of one row per (follower, change) would say."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], CopyState] = {}

    def claim(self, claim: Claim) -> ClaimAnswer:
        for change in claim.superseded:
            self.states.setdefault((claim.follower, change.change_id), CopyState.SUPERSEDED)
        key = (claim.follower, claim.change.change_id)
        if key in self.states:
            return ClaimAnswer.DUPLICATE
        stale = is_stale(claim.change, NOW_MS)
        self.states[key] = CopyState.SKIPPED if stale else CopyState.CLAIMED
        return ClaimAnswer.STALE if stale else ClaimAnswer.NEW


def check(store: Store, batches: list[list[Claim]]) -> None:
    expected = Expected()
    for batch in batches:
        answers = store.claim(batch, now_ms=NOW_MS)
        assert answers == [expected.claim(claim) for claim in batch]
    rows = store.copies(limit=1000)
    assert {(row.follower, row.change_id): row.state for row in rows} == expected.states
    open_keys = {key for key, state in expected.states.items() if state is CopyState.CLAIMED}
    found = [copy for name in ("alice", "bob", "carol") for copy in store.open_copies(name)]
    assert {(copy.follower, copy.change.change_id) for copy in found} == open_keys


@given(batches)
def test_claims_agree_with_their_model(batches: list[list[Claim]]) -> None:
    use_money_context()
    store = open_store("sqlite://")
    try:
        check(store, batches)
    finally:
        store.close()


def test_both_databases_agree_with_the_model(store: Store) -> None:
    everyone = [
        make_claim(name, change, superseded=(CHANGES[0],))
        for change, name in itertools.product(CHANGES, ("alice", "bob", "carol"))
    ]

    check(store, [everyone[:4], everyone[2:9], everyone])


def test_a_batch_larger_than_one_statement_is_claimed_whole(
    make_store: Callable[[str], Store], ledger_url: str
) -> None:
    store = make_store(ledger_url)
    claims = [make_claim(f"f{number}") for number in range(6000)]

    assert set(store.claim(claims, now_ms=NOW_MS)) == {ClaimAnswer.NEW}
    assert set(store.claim(claims, now_ms=NOW_MS)) == {ClaimAnswer.DUPLICATE}
