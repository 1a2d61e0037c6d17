"""The planner's numbers: from the clients' own budgets, and true of a whole engine that rests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from exchanges.binance.limits import AddressLimits as BinanceLimits
from exchanges.bybit.limits import AddressLimits as BybitLimits
from exchanges.costs import Limit, carried
from exchanges.hyperliquid.limits import STREAMS_MAX
from exchanges.hyperliquid.limits import AddressLimits as HyperliquidLimits
from supervision.check.plan import COSTS, RHYTHM, VenuePlan, plan
from tests.world import Cast, open_world

MINUTES = 10
Draw = Callable[..., float]


class Meter:
    """Counts what is drawn on an address's budget, however much of it is kept."""

    def __init__(self) -> None:
        self.drawn = 0.0

    def watch(self, patch: pytest.MonkeyPatch, limits: type[Any], name: str, draw: Draw) -> None:
        original = getattr(limits, name)

        async def counted(limits_self: Any, *arguments: Any, **options: Any) -> None:
            self.drawn += draw(limits_self, *arguments)
            await original(limits_self, *arguments, **options)

        patch.setattr(limits, name, counted)


METERS: dict[str, tuple[type[Any], str, Draw]] = {
    "bybit": (BybitLimits, "pass_request", lambda *_: 1),
    "binance": (BinanceLimits, "pass_request", lambda _, weight, *__: weight),
    "hyperliquid": (HyperliquidLimits, "pass_weight", lambda _, weight, *__: weight),
}


def plan_of(exchange: str, followers: int) -> VenuePlan:
    (found,) = [it for it in plan({exchange: followers}) if it.costs.exchange == exchange]
    return found


@pytest.mark.parametrize(("exchange", "followers"), [("bybit", 5), ("binance", 5), ("hyperliquid", 8)])
async def test_an_engine_at_rest_draws_what_is_planned(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    exchange: str,
    followers: int,
) -> None:
    limits, name, draw = METERS[exchange]
    cast = [Cast(name=f"f{number * 7}", venue=exchange) for number in range(followers)]
    async with open_world(tmp_path, *cast) as world:
        if exchange == "hyperliquid":
            for member in cast:
                world.house(member.name).server._face.directory.set_mode(member.name, "unifiedAccount")
        world.trade("BTCUSDT", "0.1")
        await world.settled()
        await trio.sleep(300)
        meter = Meter()
        meter.watch(monkeypatch, limits, name, draw)
        await trio.sleep(MINUTES * 60)
        drawn = meter.drawn / MINUTES

    (limit, *_) = plan_of(exchange, followers).costs.limits
    assert drawn == pytest.approx(limit.idle_per_minute(followers), rel=0.1)


@pytest.mark.parametrize("exchange", sorted(COSTS))
def test_one_more_than_an_address_carries_is_too_many(exchange: str) -> None:
    costs = COSTS[exchange](RHYTHM)
    (limit,) = [it for it in costs.limits if it.name == costs.carries_by]

    assert limit.idle_per_minute(costs.carries) <= limit.usable_per_minute
    assert limit.idle_per_minute(costs.carries + 1) > limit.usable_per_minute
    assert plan_of(exchange, costs.carries).fits
    assert not plan_of(exchange, costs.carries + 1).fits


@pytest.mark.parametrize("exchange", sorted(COSTS))
def test_what_is_usable_is_less_than_what_is_published_and_leaves_room_for_checks(exchange: str) -> None:
    costs = COSTS[exchange](RHYTHM)

    for limit in costs.limits:
        assert limit.usable_per_minute < limit.most * 60 / limit.period_s
        assert limit.copy >= limit.order
    assert costs.spare_per_s > 0
    assert 0 < costs.check_gap_s < 60


def test_the_address_carries_fewest_on_hyperliquid_where_few_are_pushed() -> None:
    carries = {it.costs.exchange: it.costs.carries for it in plan({})}

    assert carries["bybit"] > 1_000 > carries["binance"] > 50 > carries["hyperliquid"] > STREAMS_MAX


def test_followers_that_cost_less_come_first() -> None:
    limit = Limit(
        name="weight",
        most=100,
        period_s=60,
        usable=60,
        at_once=10,
        shared_per_minute=10,
        follower_per_minute=10,
        first_followers=3,
        first_per_minute=5,
        copy=4,
        order=2,
    )

    assert [limit.idle_per_minute(count) for count in (0, 1, 3, 4)] == [10, 15, 25, 35]
    assert (carried(limit), limit.copies_at_once) == (6, 5)


def test_a_plan_as_json_says_everything_in_numbers() -> None:
    told = plan_of("binance", 10).to_json()

    assert (told["followers"], told["fits"]) == (10, True)
    weight, orders = told["limits"]  # type: ignore[misc]
    assert (weight["published"], weight["of"], orders["of"]) == (2_400, "address", "account")
    assert weight["idle_per_minute"] == pytest.approx(
        10 * weight["idle_per_minute_and_follower"] + 2, rel=0.05
    )
    assert orders["per_copy"] == 1
