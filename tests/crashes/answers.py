"""What the ledger says of those who are not where they should be: for whoever looks for the cause."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing

from model.copy import CopyState
from model.ledger import Store, open_store
from model.ledger.rows import CopyRow
from model.reasons import Reason
from tests.crashes.books import held, off_target
from tests.crashes.town import Town
from tests.lags import Held

NEWEST = 200
TOLD = 4


def answers_of_who_is_off(town: Town, ledger_url: str) -> list[str]:
    """Return the newest copies of each follower that is off its target, and of each symbol."""
    off = {line.partition(":")[0] for line in off_target(town)}
    return [line for name in sorted(off) for line in _told(_copies(ledger_url, town, name))]


def without_expired(problems: list[str], town: Town, ledger_url: str) -> list[str]:
    """Return the problems less those of who misses an opening that had to wait until it was too old (R13).

    An order of which nothing is known after a freeze is believed lost after seven seconds, and nothing is
    opened meanwhile: what the master did then has expired. Whoever holds more, or elsewhere, is off.
    """
    with _opened(ledger_url, town) as store:
        expired = {
            f"{resident.name}: {it.leg.symbol}"
            for resident in town.residents
            for it in store.holdings(resident.name)
            if it.skipped is Reason.EXPIRED
        }
    missed = tuple(f"{it.key} is" for it in held(town) if it.key in expired and _has_less(it))
    return [it for it in problems if not it.startswith(missed)]


def _has_less(it: Held) -> bool:
    return it.size * it.ideal >= 0 and abs(it.size) < abs(it.ideal)


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


def _copies(ledger_url: str, town: Town, name: str) -> list[CopyRow]:
    with _opened(ledger_url, town) as store:
        return store.copies(follower=name, limit=NEWEST)


def _opened(ledger_url: str, town: Town) -> AbstractContextManager[Store]:
    own_file = f"sqlite:///{town.directory / 'ledger.db'}"
    return closing(open_store(own_file if ledger_url.startswith("sqlite") else ledger_url))
