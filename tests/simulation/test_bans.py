"""That nothing leaves while a venue has stopped us is looked at in every run, and can be missed."""

from collections.abc import Iterable

import pytest
import trio
from trio.testing import MockClock

from exchanges.binance.limits import AddressLimits
from exchanges.bybit.limits import AddressLimits as BybitAddressLimits
from exchanges.bybit.limits import KeyLimits
from exchanges.hyperliquid.limits import WeightBucket
from exchanges.sandbox import FaultKind
from exchanges.sandbox.faults import Faults
from tests.simulation.bans import Bans
from tests.simulation.hands import HANDS
from tests.simulation.jobs import Job, assert_nothing_violated, do
from tests.simulation.run import simulate
from tests.simulation.schedule import make_schedule

ORDER, READ = "order.place", "GET /fapi/v3/positionRisk"
Act = tuple[float, str, str]
"""When, by whom and what is asked."""


HEEDED: dict[str, tuple[type, str, str]] = {
    "binance": (AddressLimits, "check_stop", "while stopped"),
    "bybit": (KeyLimits, "refused", "sends an order, stopped from"),
    "hyperliquid": (WeightBucket, "stop_until", "stopped from"),
}
"""What heeds a venue's stops, and what is said where nothing does."""


@pytest.mark.parametrize(
    ("venue", "seed"), [("binance", 9), ("binance", 13), ("bybit", 7), ("hyperliquid", 13)]
)
def test_who_does_not_heed_a_stop_is_found(venue: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(seed, ("rate_limit",), venue=venue, paced=venue != "binance")
    assert not simulate(schedule).violations

    heeds, method, said = HEEDED[venue]
    monkeypatch.setattr(heeds, method, lambda *_: None)

    assert any(said in it for it in simulate(schedule).violations)


def test_a_stop_is_looked_at_where_lines_are_cut_too(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(42000012, ("rate_limit", "drop", "silence"), hands=tuple(HANDS), venue="binance")
    assert not simulate(schedule).violations

    monkeypatch.setattr(AddressLimits, "check_stop", lambda *_: None)

    assert any("while stopped" in it or "stopped from" in it for it in simulate(schedule).violations)


BANNED = [("bybit", 101), ("bybit", 102), ("binance", 101), ("binance", 102), ("hyperliquid", 102)]
"""Venues of followers, and seeds with bans that strike: on Hyperliquid the master's venue bans."""


def test_what_waited_out_a_ban_does_not_wait_as_long_for_something_else() -> None:
    """The wait that the venue had asked for was kept again where a price was not known yet at its end."""
    assert_nothing_violated(Job("binance", 32000523, bans=True))


@pytest.mark.parametrize(("venue", "seed"), BANNED)
def test_who_does_not_heed_a_ban_is_found(venue: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(venue, seed, bans=True)
    assert_nothing_violated(job)

    monkeypatch.setattr(AddressLimits, "check_stop", lambda *_: None)
    monkeypatch.setattr(BybitAddressLimits, "banned", lambda *_: None)

    said = ("stopped from", "banned from")
    assert any(it in found for found in do(job).violations for it in said)


async def test_a_read_of_any_account_is_found_until_the_stop_is_over(autojump_clock: MockClock) -> None:
    [found] = await _watched(429, [(1.0, "bob", READ), (4.9, "bob", "GET /fapi/v1/order"), (5.1, "al", READ)])

    assert found.startswith(f"bob sends {READ}")


async def test_under_a_ban_not_even_a_reduction_may_leave(autojump_clock: MockClock) -> None:
    found = await _watched(
        418, [(4.0, "bob", ORDER), (119.0, "al", "GET /fapi/v1/time"), (121.0, "al", READ)]
    )

    assert len(found) == 2


async def test_a_stop_of_one_accounts_orders_stops_nobodys_reads(autojump_clock: MockClock) -> None:
    assert not await _watched(200, [(1.0, "bob", READ)])


async def _watched(status: int, acts: Iterable[Act]) -> list[str]:
    """Refuse an order of al's with a status at second 0, ask for more, and return what is said of it."""
    said: list[str] = []
    faults, engine = Faults(), object()
    Bans(said.append, lambda: engine).watch(faults)
    fault = faults.add(FaultKind.RATE_LIMIT, status=status)
    began = trio.current_time()
    _ask(faults, "al", ORDER)
    faults.remove(fault)
    for at, account, endpoint in acts:
        await trio.sleep_until(began + at)
        _ask(faults, account, endpoint)
    return said


def _ask(faults: Faults, account: str, endpoint: str) -> None:
    """Do what the venue does with a request, as far as faults are asked."""
    faults.delay_s(FaultKind.DELAY_REQUEST, account=account, endpoint=endpoint)
    faults.strike(FaultKind.RATE_LIMIT, account=account, endpoint=endpoint)
    faults.delay_s(FaultKind.DELAY_ANSWER, account=account, endpoint=endpoint)
