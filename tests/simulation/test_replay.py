"""Four real trading histories, order by order: every follower where R5 and R6 put it, every time."""

import os
from pathlib import Path

import pytest
from trio.testing import MockClock

from model.copy import CopyState
from model.reasons import Reason
from supervision.demo.history import load_history
from tests.simulation.replaying import Replay, describe, scaled_equity
from tests.world import Cast, fixed_margin, fixed_ratio, mirror, open_world

DATA = os.environ.get("COPYTRADER_DATA")
FILES = sorted((Path(DATA) / "fills").glob("*.json.gz")) if DATA else []

pytestmark = [
    pytest.mark.skipif(not DATA, reason="COPYTRADER_DATA names no folder of trading histories"),
    pytest.mark.timeout(300),
]


COPIES_MAX = 1_000_000
CASES = [pytest.param(path, id=path.name[:10]) for path in FILES] or [pytest.param(None, id="none")]


@pytest.mark.parametrize("path", CASES)
async def test_every_follower_is_where_the_rules_put_it_after_every_change(
    path: Path, tmp_path: Path, autojump_clock: MockClock
) -> None:
    history = load_history(path)
    cast = (
        Cast(name="mirror", equity=scaled_equity(history, "0.37"), settings={"sizing": mirror("1.3")}),
        Cast(name="margin", equity=scaled_equity(history, "0.5"), settings={"sizing": fixed_margin("0.005")}),
        Cast(name="ratio", equity=scaled_equity(history, "1"), settings={"sizing": fixed_ratio("0.7")}),
        Cast(name="small", equity="300", settings={"sizing": mirror()}),
    )
    async with open_world(
        tmp_path,
        *cast,
        master_equity=scaled_equity(history, "1"),
        description=describe(history, min_notional="5"),
        ledger_url="sqlite://",
    ) as world:
        replayed = Replay(world=world, cast=cast, history=history)
        await replayed.run()
        copies = world.store.copies(limit=COPIES_MAX)
        twice = world.venue.ledger.sent_twice()

    changes = len(history.orders)
    assert not replayed.wrong, "\n".join(replayed.wrong[:20])
    assert not twice
    assert replayed.compared == len({(row.follower, row.change_id) for row in copies}) == len(cast) * changes
    assert {row.state for row in copies} == {CopyState.APPLIED, CopyState.SKIPPED}
    assert replayed.on_an_edge <= replayed.compared / 100
    assert replayed.reasons[Reason.BELOW_MIN_NOTIONAL]
