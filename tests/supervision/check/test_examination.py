"""How everybody's keys are looked at: many at once, slowly beside an engine, and never for ever."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from exchanges.port import Venue
from exchanges.sandbox import FaultKind
from model.key_check import Role
from supervision.check import Checked, Subject, Verdict, examine
from supervision.check.examination import ACCOUNT_S_MAX, TOGETHER_MAX, Terms
from supervision.check.pace import gap_beside
from supervision.settings import load_settings
from tests.world import MASTER, Cast, World, open_world

KEY_PATH = "/v5/user/query-api"


def subject_of(world: World, account: str, role: Role = Role.FOLLOWER, **other: Any) -> Subject:
    house = world.house(account)
    credentials = house.credentials(world.account(account))
    known = Subject(name=account, role=role, exchange=house.exchange, credentials=credentials)
    return attrs.evolve(known, **other)


@asynccontextmanager
async def asked(
    path: Path, *names: str, venue: str = "bybit"
) -> AsyncIterator[tuple[World, dict[str, Venue]]]:
    """Open a world without an engine, and its venues as `copytrader check` opens them."""
    cast = [Cast(name=name, venue=venue) for name in names]
    async with open_world(path, *cast, start=False) as world:
        venues = {house.exchange: house.connect(world.network, world.clock) for house in world.houses}
        yield world, venues
        for opened in venues.values():
            await opened.aclose()


def terms(world: World, **other: Any) -> Terms:
    return Terms(clock=world.clock, allow_trading_key=True, **other)


def by_name(found: Iterable[Checked]) -> dict[str, Checked]:
    return {it.subject.name: it for it in found}


async def test_they_come_back_in_the_order_given_and_several_are_asked_at_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    names = [f"f{number}" for number in range(3 * TOGETHER_MAX)]
    async with asked(tmp_path, *names) as (world, venues):
        world.venue.faults.add(FaultKind.DELAY_ANSWER, endpoint=KEY_PATH, seconds=2)
        told: list[str] = []
        began = trio.current_time()
        found = await examine(
            [subject_of(world, MASTER, Role.MASTER), *(subject_of(world, name) for name in names)],
            venues,
            terms(world, told=lambda checked: told.append(checked.subject.name)),
        )
        took_s = trio.current_time() - began

    assert [it.subject.name for it in found] == [MASTER, *names]
    assert sorted(told) == sorted([MASTER, *names])
    assert {it.verdict for it in found[1:]} == {Verdict.OK}
    assert 6 <= took_s < 12


async def test_beside_an_engine_they_are_asked_one_after_another(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with asked(tmp_path, "a", "b", "c", "d") as (world, venues):
        began = trio.current_time()
        await examine(
            [subject_of(world, name) for name in "abcd"], venues, terms(world, gap_s=lambda exchange: 7.0)
        )

        assert trio.current_time() - began == pytest.approx(21, abs=1)


async def test_a_venue_that_never_answers_is_given_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with asked(tmp_path, "a") as (world, venues):
        world.venue.faults.add(FaultKind.DELAY_ANSWER, endpoint=KEY_PATH, seconds=100_000)
        began = trio.current_time()
        (found,) = await examine([subject_of(world, "a")], venues, terms(world))

        assert trio.current_time() - began <= ACCOUNT_S_MAX + 2
    assert found.verdict is Verdict.UNREACHABLE
    assert found.trouble


async def test_an_account_that_cannot_be_read_keeps_what_was_found_of_its_key(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with asked(tmp_path, "a", "b") as (world, venues):
        world.venue.faults.add(FaultKind.ERROR_BEFORE, endpoint="/v5/account/wallet-balance")
        world.account("b").may_withdraw = True
        found = by_name(await examine([subject_of(world, name) for name in "ab"], venues, terms(world)))

    assert (found["a"].verdict, found["b"].verdict) == (Verdict.UNREACHABLE, Verdict.REFUSED)
    assert "positions and balances" in found["a"].trouble
    assert found["a"].report is not None
    assert found["a"].equity is None


async def test_who_cannot_be_asked_at_all_is_refused_with_what_to_do(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with asked(tmp_path, "a", venue="hyperliquid") as (world, venues):
        no_key = attrs.evolve(world.house("a").credentials(world.account("a")), account="0x12")
        found = by_name(
            await examine(
                [
                    subject_of(world, "a", credentials=no_key),
                    subject_of(world, "a", name="b", exchange="kraken"),
                    subject_of(world, "a", name="c", credentials=None, why="its secrets do not open"),
                ],
                venues,
                terms(world),
            )
        )

    assert {it.verdict for it in found.values()} == {Verdict.REFUSED}
    told = {name: (it.findings[0].code, bool(it.findings[0].cure)) for name, it in found.items()}
    assert told == {"a": ("no_key", True), "b": ("no_venue", True), "c": ("no_keys", True)}


async def test_a_follower_that_runs_dry_may_have_a_key_that_only_reads(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with asked(tmp_path, "a") as (world, venues):
        world.account("a").read_only = True
        found = [
            *await examine([subject_of(world, "a")], venues, terms(world)),
            *await examine([subject_of(world, "a", dry_run=True)], venues, terms(world)),
        ]

    assert [it.verdict for it in found] == [Verdict.REFUSED, Verdict.WARNING]


CONFIG = """
[master]
api_key = "env:K"
api_secret = "env:S"
"""
LOOPBACK = """
[endpoints.bybit]
rest = "http://127.0.0.1:1"
private_ws = "ws://127.0.0.1:1/v5/private"
pacing = "none"
"""


def test_beside_an_engine_each_venue_gets_the_gap_that_its_budget_leaves(tmp_path: Path) -> None:
    path = tmp_path / "copytrader.toml"
    path.write_text(CONFIG)
    gap_s = gap_beside(load_settings(path, {}))
    path.write_text(CONFIG + LOOPBACK)
    unpaced = gap_beside(load_settings(path, {}))

    assert 0 < gap_s("bybit") < gap_s("binance") < gap_s("hyperliquid") < 60
    assert (unpaced("bybit"), gap_s("kraken")) == (0.0, 0.0)
    assert unpaced("binance") == gap_s("binance")
