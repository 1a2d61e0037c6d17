"""What a check says of a key, asked by our clients at the sandbox's own faces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from trio.testing import MockClock

from exchanges.errors import OutcomeUnknown, RequestNotSent
from exchanges.key_verdict import KeyVerdict, ask_verdict, in_words
from exchanges.sandbox import FaultKind
from exchanges.sandbox.hyperliquid.signing import address_of
from model.key_check import DAY_MS, Role, Severity, is_refused
from tests.world import MASTER, Cast, World, open_world


async def verdict_on(
    world: World, name: str, role: Role = Role.FOLLOWER, *, allow: bool = False, **other: Any
) -> KeyVerdict:
    """Check an account's key with a client of its own."""
    house = world.house(name)
    venue = house.connect(world.network, world.clock)
    credentials = attrs.evolve(house.credentials(world.account(name)), **other)
    gateway = venue.account(credentials)
    try:
        return await ask_verdict(
            gateway, role, now_ms=world.clock.wall_ms(), allow_trading_key=allow, clock_offset_ms=0
        )
    finally:
        await gateway.aclose()
        await venue.aclose()


def codes(verdict: KeyVerdict, severity: Severity) -> set[str]:
    return {finding.code for finding in verdict.findings if finding.severity is severity}


def refused(verdict: KeyVerdict) -> set[str]:
    return codes(verdict, Severity.REFUSE)


def warned(verdict: KeyVerdict) -> set[str]:
    return codes(verdict, Severity.WARN)


def set_on_account(**values: Any) -> Callable[[World], None]:
    """Return what sets the venue's own idea of the key of alice."""

    def change(world: World) -> None:
        account = world.account("alice")
        for name, value in values.items():
            assert hasattr(account, name)
            setattr(account, name, value)

    return change


def expires_in(days: float) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.account("alice").key_expires_at_ms = world.clock.wall_ms() + int(days * DAY_MS)

    return change


BYBIT: list[tuple[Callable[[World], None], set[str], set[str]]] = [
    (set_on_account(), set(), set()),
    (set_on_account(may_withdraw=True), {"may_withdraw", "may_transfer"}, set()),
    (set_on_account(may_transfer=True), {"may_transfer"}, set()),
    (
        set_on_account(tells_rights=False),
        {"withdraw_unreadable", "transfer_unreadable", "trade_unreadable"},
        set(),
    ),
    (set_on_account(read_only=True), {"read_only"}, set()),
    (set_on_account(is_ip_bound=False), set(), {"no_ip_binding"}),
    (set_on_account(margin_mode="isolated"), set(), {"isolated_margin"}),
    (set_on_account(margin_mode="portfolio"), set(), {"equity_unknown"}),
    (expires_in(-1), {"expired"}, set()),
    (expires_in(3), set(), {"expires_soon"}),
    (expires_in(30), set(), set()),
]


@pytest.mark.parametrize(("change", "refusals", "warnings"), BYBIT)
async def test_what_is_found_about_a_follower_on_bybit(
    tmp_path: Path,
    autojump_clock: MockClock,
    change: Callable[[World], None],
    refusals: set[str],
    warnings: set[str],
) -> None:
    async with open_world(tmp_path, Cast(), start=False) as world:
        change(world)
        verdict = await verdict_on(world, "alice")

    assert (refused(verdict), warned(verdict)) == (refusals, warnings)
    assert all(it.cure for it in verdict.findings if it.severity is Severity.REFUSE)


BINANCE: list[tuple[Callable[[World], None], set[str], set[str]]] = [
    (set_on_account(), set(), set()),
    (set_on_account(may_withdraw=True), {"may_withdraw"}, set()),
    (set_on_account(may_transfer=True), {"may_transfer"}, set()),
    (
        set_on_account(tells_rights=False),
        {"withdraw_unreadable", "transfer_unreadable", "trade_unreadable"},
        set(),
    ),
    (set_on_account(read_only=True), {"cannot_act"}, set()),
    (set_on_account(is_ip_bound=False), set(), {"no_ip_binding"}),
    (expires_in(-1), {"expired"}, set()),
    (expires_in(3), set(), {"expires_soon"}),
]


@pytest.mark.parametrize(("change", "refusals", "warnings"), BINANCE)
async def test_what_is_found_about_a_follower_on_binance(
    tmp_path: Path,
    autojump_clock: MockClock,
    change: Callable[[World], None],
    refusals: set[str],
    warnings: set[str],
) -> None:
    async with open_world(tmp_path, Cast(venue="binance"), start=False) as world:
        change(world)
        verdict = await verdict_on(world, "alice")

    assert (refused(verdict), warned(verdict)) == (refusals, warnings)


async def test_the_masters_key_has_to_be_read_only_or_allowed_to_trade(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, start=False) as world:
        trading = await verdict_on(world, MASTER, Role.MASTER)
        allowed = await verdict_on(world, MASTER, Role.MASTER, allow=True)
        world.account(MASTER).read_only = True
        reading = await verdict_on(world, MASTER, Role.MASTER)
        world.account(MASTER).may_withdraw = True
        withdrawing = await verdict_on(world, MASTER, Role.MASTER, allow=True)

    assert refused(trading) == {"master_may_trade"}
    assert (refused(allowed), warned(allowed)) == (set(), {"master_may_trade"})
    assert not reading.findings
    assert refused(withdrawing) == {"may_withdraw", "may_transfer"}


async def test_a_key_that_the_venue_does_not_know_is_refused(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(), start=False) as world:
        unknown = await verdict_on(world, "alice", api_key="NOBODYS")
        forged = await verdict_on(world, "alice", api_secret="anothers")

    assert refused(unknown) == refused(forged) == {"not_taken"}
    assert unknown.report is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("API key is invalid.", "API key is invalid."),
        (
            "Signature is not valid: GET /sapi/v1/account/apiRestrictions?timestamp=1&signature=00ff00ff00ff",
            "Signature is not valid: GET ***",
        ),
        ("origin_string[1700000000000KEYKEYKEYKEYKEY5000]", "origin_string[***]"),
        ("word " * 100, ("word " * 100)[:160]),
    ],
)
def test_what_a_venue_sends_back_is_not_kept(said: str, told: str) -> None:
    assert in_words(OutcomeUnknown(said)) == told


@pytest.mark.parametrize("venue", ["bybit", "binance", "hyperliquid"])
async def test_a_venue_that_is_away_says_nothing_about_a_key(
    tmp_path: Path, autojump_clock: MockClock, venue: str
) -> None:
    async with open_world(tmp_path, Cast(venue=venue), start=False) as world:
        faults = world.core("alice").faults
        faults.add(FaultKind.MAINTENANCE, status=503)
        with pytest.raises((OutcomeUnknown, RequestNotSent)):
            await verdict_on(world, "alice")
        faults.clear()
        faults.add(FaultKind.REFUSE_CONNECTIONS)
        with pytest.raises((OutcomeUnknown, RequestNotSent)):
            await verdict_on(world, "alice")


# Hyperliquid: the signer has to be the account's agent


def directory(world: World) -> Any:
    return world.house("alice").server._face.directory


def let_expire(world: World) -> None:
    directory(world).expire_agents("alice", world.clock.wall_ms() - 1)


def let_expire_soon(world: World) -> None:
    agent = address_of(world.account("alice").api_secret)
    assert agent is not None
    until_ms = world.clock.wall_ms() + 3 * DAY_MS  # only agents that have a name are listed with their end
    directory(world).revoke_agents("alice")
    directory(world).approve_agent("alice", agent, name="copier", valid_until_ms=until_ms)


def revoke(world: World) -> None:
    directory(world).revoke_agents("alice")


def use_portfolio_margin(world: World) -> None:
    directory(world).set_mode("alice", "portfolioMargin")


@pytest.mark.parametrize(
    ("change", "refusals", "warnings"),
    [
        (lambda world: None, set(), set()),
        (let_expire, {"withdraw_unreadable", "transfer_unreadable", "cannot_act"}, set()),
        (revoke, {"withdraw_unreadable", "transfer_unreadable", "cannot_act"}, set()),
        (let_expire_soon, set(), {"expires_soon"}),
        (use_portfolio_margin, set(), {"portfolio_margin"}),
    ],
)
async def test_what_is_found_about_an_agent_on_hyperliquid(
    tmp_path: Path,
    autojump_clock: MockClock,
    change: Callable[[World], None],
    refusals: set[str],
    warnings: set[str],
) -> None:
    async with open_world(tmp_path, Cast(venue="hyperliquid"), start=False) as world:
        change(world)
        verdict = await verdict_on(world, "alice")

    assert (refused(verdict), warned(verdict)) == (refusals, warnings)


async def test_the_key_of_a_wallet_is_refused_as_one_that_may_withdraw(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(venue="hyperliquid"), start=False) as world:
        key = "0x" + "11" * 32
        wallet = address_of(key)
        assert wallet is not None
        own = await verdict_on(world, "alice", account=wallet, api_secret=key)
        others = await verdict_on(world, "alice", api_secret=key)

    assert {"may_withdraw", "may_transfer"} <= refused(own)
    assert is_refused(others.findings)
