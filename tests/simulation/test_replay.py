"""Four real trading histories, order by order: every follower where R5 and R6 put it, every time."""

import os
from pathlib import Path

import pytest
from trio.testing import MockClock

from model.copy import CopyState
from model.reasons import Reason
from model.settings import Sizing
from supervision.demo.history import History, load_history
from supervision.demo.replay import NOT_ON_BINANCE
from tests.simulation.replaying import Replay, describe, relist, scaled_equity, thinned
from tests.simulation.seats import Seat
from tests.world import Cast, fixed_margin, fixed_ratio, mirror, open_world

DATA = os.environ.get("COPYTRADER_DATA")
FILES = sorted((Path(DATA) / "fills").glob("*.json.gz")) if DATA else []

pytestmark = [
    pytest.mark.skipif(not DATA, reason="COPYTRADER_DATA names no folder of trading histories"),
    pytest.mark.timeout(300),
]


COPIES_MAX = 1_000_000
THINNED = 10
"""Orders of each symbol in the default run; the whole histories take minutes."""
CASES = [pytest.param(path, id=path.name[:10]) for path in FILES] or [pytest.param(None, id="none")]


def cast_of(history: History) -> tuple[Cast, ...]:
    """Return followers on every venue, of every sizing mode, and one too small for most of it."""

    def member(name: str, share: str, sizing: Sizing, venue: str = "bybit", **more: bool) -> Cast:
        equity = scaled_equity(history, share)
        return Cast(name=name, equity=equity, venue=venue, settings={"sizing": sizing}, **more)

    return (
        member("mirror", "0.37", mirror("1.3")),
        member("margin", "0.5", fixed_margin("0.005")),
        member("binance-margin", "0.25", fixed_margin("0.006"), "binance"),
        member("binance-hedge", "0.4", mirror("0.8"), "binance", hedge=True),
        member("hyper-mirror", "0.21", mirror("0.9"), "hyperliquid"),
        member("hyper-margin", "0.3", fixed_margin("0.007"), "hyperliquid"),
        member("hyper-ratio", "1", fixed_ratio("0.7"), "hyperliquid"),
        Cast(name="small", equity="300", settings={"sizing": mirror()}),
    )


@pytest.mark.parametrize("path", CASES)
async def test_every_follower_is_where_the_rules_put_it_after_every_change(
    path: Path, tmp_path: Path, autojump_clock: MockClock
) -> None:
    await replay(thinned(load_history(path), THINNED), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("path", CASES)
async def test_and_through_the_whole_history(path: Path, tmp_path: Path, autojump_clock: MockClock) -> None:
    await replay(load_history(path), tmp_path)


async def replay(history: History, directory: Path) -> None:
    """Replay and compare; Binance and Hyperliquid lack a symbol each."""
    cast, symbols = cast_of(history), set(history.lots)
    lacking = {
        "bybit": "",
        "binance": min(NOT_ON_BINANCE & symbols or symbols),
        "hyperliquid": max(symbols - NOT_ON_BINANCE),
    }
    async with open_world(
        directory,
        *cast,
        master_equity=scaled_equity(history, "1"),
        description=describe(history, min_notional="5"),
        listings=relist(history, lacking),
        ledger_url="sqlite://",
    ) as world:
        seats = tuple(Seat(world=world, cast=it) for it in cast)
        replayed = Replay(world=world, seats=seats, history=history)
        await replayed.run()
        copies = world.store.copies(limit=COPIES_MAX)
        twice = world.sent_twice()

    changes = len(history.orders)
    unlisted = sum(order.symbol == lacking[it.venue] for it in cast for order in history.orders)
    assert not replayed.wrong, "\n".join(replayed.wrong[:20])
    assert not twice
    assert len({(row.follower, row.change_id) for row in copies}) == len(cast) * changes
    assert replayed.compared == len(cast) * changes - unlisted
    assert replayed.reasons[Reason.SYMBOL_NOT_LISTED] == unlisted > 0
    assert {row.state for row in copies} == {CopyState.APPLIED, CopyState.SKIPPED}
    assert replayed.on_an_edge <= replayed.compared / 100
    assert replayed.reasons[Reason.BELOW_MIN_NOTIONAL]
