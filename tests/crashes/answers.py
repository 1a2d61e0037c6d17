"""What the ledger says of those who are not where they should be: for whoever looks for the cause."""

from collections.abc import Iterator

from model.copy import CopyState
from model.ledger import open_store
from model.ledger.rows import CopyRow
from tests.crashes.books import off_target
from tests.crashes.town import Town

NEWEST = 200
TOLD = 4


def answers_of_who_is_off(town: Town, ledger_url: str) -> list[str]:
    """Return the newest copies of each follower that is off its target, and of each symbol."""
    off = {line.partition(":")[0] for line in off_target(town)}
    own_file = f"sqlite:///{town.directory / 'ledger.db'}"
    store = open_store(own_file if ledger_url.startswith("sqlite") else ledger_url)
    try:
        return [line for name in sorted(off) for line in _told(store.copies(follower=name, limit=NEWEST))]
    finally:
        store.close()


def _told(copies: list[CopyRow]) -> Iterator[str]:
    for symbol in sorted({copy.leg.symbol for copy in copies}):
        newest = [it for it in copies if it.leg.symbol == symbol and it.state is not CopyState.SUPERSEDED]
        for copy in newest[:TOLD]:
            reason = "" if copy.reason is None else copy.reason.value
            decisions = copy.explain.get("decisions", ())
            yield (
                f"{copy.follower} {symbol} {copy.change_id[:8]} {copy.change_class.value} {copy.state.value} "
                f"{reason}, claimed {copy.claimed_at_ms}, finished {copy.finished_at_ms}, "
                f"{[(it.state.value, str(it.filled)) for it in copy.orders]} {decisions}"
            )
