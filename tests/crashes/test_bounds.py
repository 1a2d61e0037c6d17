"""What the bound on followers' positions notices, and what it lets pass."""

from decimal import Decimal
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.crashes.bounds import KNOWN_S, BoundWatch
from tests.crashes.town import MASTER, RESIDENTS, Resident, Town, build_town

D = Decimal
SYMBOL = "BTCUSDT"


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return build_town(tmp_path)


def bounds_of(town: Town) -> BoundWatch:
    bounds = BoundWatch(town)
    bounds.watch()
    return bounds


def trade(town: Town, resident: Resident, quantity: str) -> None:
    """Trade by the follower's own hand."""
    house = town.house_of(resident)
    idx = 0 if not resident.hedge else 1 if D(quantity) > 0 else 2
    house.core.trade(resident.name, house.own_symbol(SYMBOL), D(quantity), position_idx=idx)


@pytest.mark.parametrize("resident", RESIDENTS, ids=lambda it: it.name)
async def test_a_follower_that_opens_twice_what_is_asked_for_is_noticed(
    town: Town, resident: Resident, autojump_clock: MockClock
) -> None:
    bounds, sign = bounds_of(town), "-" if resident.hedge else ""
    town.market.core.trade(MASTER, SYMBOL, D(f"{sign}1"))
    trade(town, resident, f"{sign}0.37")
    fine = list(bounds.problems)
    trade(town, resident, f"{sign}0.37")

    assert fine == []
    assert len(bounds.problems) == 1
    assert bounds.grown == 2


async def test_what_the_master_had_just_before_may_still_be_opened_and_no_older_size(
    town: Town, autojump_clock: MockClock
) -> None:
    bounds, (resident, other) = bounds_of(town), RESIDENTS[:2]
    town.market.core.trade(MASTER, SYMBOL, D(1))
    await trio.sleep(60)
    town.market.core.trade(MASTER, SYMBOL, D(-1))
    await trio.sleep(KNOWN_S / 2)
    trade(town, resident, "0.5")
    fine = list(bounds.problems)
    await trio.sleep(KNOWN_S)
    trade(town, other, "0.37")

    assert fine == []
    assert len(bounds.problems) == 1


async def test_the_side_that_the_master_is_not_on_is_nobodys(town: Town, autojump_clock: MockClock) -> None:
    bounds = bounds_of(town)
    town.market.core.trade(MASTER, SYMBOL, D(1))
    trade(town, RESIDENTS[0], "-0.1")

    assert len(bounds.problems) == 1
