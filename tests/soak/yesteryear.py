"""A ledger that has been in use for 400 days: its oldest copies are due to leave during the day."""

from model.ledger import Store
from model.ledger.retention import KEEP_MS
from tests.model.ledger.factories import NOW_MS, make_change, make_claim, make_outcome

DAY_MS = 24 * 3_600_000
FOLLOWER = "gone"
COPIES = 480
DAYS = 2


def plant_old_copies(store: Store, *, now_ms: int) -> None:
    """Write copies, one after another, that turn 400 days old from now on over two days."""
    first_ms = now_ms - KEEP_MS
    for number in range(COPIES):
        at_ms = first_ms + number * DAYS * DAY_MS // COPIES
        shift = at_ms - NOW_MS
        change = make_change(number + 1, after=f"{1 + number % 2}", venue_time_ms=NOW_MS + shift)
        claim = make_claim(FOLLOWER, change, claimed_at_ms=at_ms)
        store.claim([claim], now_ms=at_ms)
        store.record([make_outcome(claim, finished_at_ms=at_ms)])
