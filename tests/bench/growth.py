"""CPU a copy: with ten times the followers, and with a million old rows in the ledger."""

from pathlib import Path

from tests.bench import latency
from tests.bench.figures import Figure
from tests.bench.ledgers import SQLITE, fill, new_ledger

GROWTH_MAX = 1.2
ROWS = 1_000_000
FOLLOWERS = 100


def of_followers(found: list[latency.Latency]) -> list[Figure]:
    """Compare the smallest run with 100 or more followers with the largest, per ledger."""
    figures = []
    for ledger in dict.fromkeys(it.ledger for it in found):
        runs = sorted(
            (it for it in found if it.ledger == ledger and it.followers >= FOLLOWERS),
            key=lambda it: it.followers,
        )
        if len(runs) > 1:
            what = f"CPU a copy, {runs[0].followers} -> {runs[-1].followers} followers, {ledger}"
            figures.append(_growth(what, runs[0], runs[-1]))
    return figures


async def of_rows(directory: Path, *, events: int, rows: int = ROWS) -> list[Figure]:
    """Measure on an empty ledger and on a full one."""
    runs = []
    for number in (0, rows):
        with new_ledger(SQLITE, directory, None) as url:
            if number:
                fill(url, number)
            runs.append(await latency.measure(FOLLOWERS, SQLITE, url, str(directory), events=events))
    return [_growth(f"CPU a copy, 0 -> {rows:,} copies in the ledger, {FOLLOWERS} followers", *runs)]


def _growth(what: str, few: latency.Latency, many: latency.Latency) -> Figure:
    grown = many.cpu_us / few.cpu_us
    return Figure(
        what=what,
        value=f"{few.cpu_us:.0f} -> {many.cpu_us:.0f} us = {grown:.2f} x",
        goal=f"<= {GROWTH_MAX} x",
        met=grown <= GROWTH_MAX,
    )
