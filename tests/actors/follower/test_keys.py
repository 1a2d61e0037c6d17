"""What a follower sends, and what it does not, by what is known of its key (design section 4)."""

from decimal import Decimal
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors import key_watch
from actors.events import CopyFinished, DriftFound, KeyAccepted, KeyRefused, TroubleMet
from actors.messages import CheckKey, CrashNow, FollowerStatus
from exchanges.port import Credentials
from exchanges.sandbox import FaultKind
from exchanges.sandbox.faults import Fault
from model.key_standing import KeyState
from model.reasons import Reason
from supervision.engine import FollowerAccount
from tests.supervision.engine_house import make_settings
from tests.world import Cast, World, fixed_ratio, open_world

D = Decimal
DAY_S = 600.0
"""A day that passes faster."""
KEY_PATH = "/v5/user/query-api"


def cut_off_checks(world: World) -> Fault:
    """Let the venue answer nothing about keys; everything else works."""
    return world.venue.faults.add(FaultKind.ERROR_BEFORE, endpoint=KEY_PATH, account="alice")


def mend(world: World, fault: Fault) -> None:
    world.venue.faults.remove(fault)


async def until_key(world: World, state: KeyState, timeout_s: float = 60.0) -> FollowerStatus:
    """Wait until the key of alice is in ``state``."""
    with trio.fail_after(timeout_s):
        while (status := await world.status("alice")).key.state is not state:
            await trio.sleep(min(60.0, timeout_s / 100))
    return status


async def checked(world: World) -> None:
    """Have the key of alice checked now."""
    made = await world.engine.followers["alice"].ask(CheckKey())
    with trio.fail_after(60):
        while (await world.status("alice")).key.checks <= made:
            await trio.sleep(0.05)


def caught_up(world: World) -> list[bool]:
    """Return for each copy of alice whether its change was judged by price instead of age."""
    return [it.caught_up for it in world.seen(CopyFinished) if it.follower == "alice"]


async def test_a_refused_key_sends_nothing_and_says_why(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, Cast(), Cast(name="bob"), start=False) as world:
        world.account("alice").may_withdraw = True
        await world.start_engine()
        await world.ready()
        status = await until_key(world, KeyState.REFUSED)
        world.trade("BTCUSDT", "0.5")
        await world.until(lambda: world.size("bob") == D("0.5"))
        world.close("BTCUSDT")
        await world.settled()
        await trio.sleep(600)

        assert status.state == "refused"
        assert any("withdraw" in words and "make a key" in words for words in status.key.refusals)
        assert not [row for row in world.venue.ledger if row.account == "alice"]
        assert not world.copies("alice")
        assert [(it.account, it.may_reduce) for it in world.seen(KeyRefused)] == [("alice", False)]
        assert (await world.status("bob")).state == "ready"


async def test_a_refused_key_that_is_mended_is_taken_and_the_follower_catches_up(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(), start=False) as world:
        world.account("alice").may_transfer = True
        await world.start_engine()
        await until_key(world, KeyState.REFUSED)
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(5)
        world.account("alice").may_transfer = False
        await checked(world)
        await world.settled()

        assert (await world.status("alice")).state == "ready"
        assert world.size("alice") == D("0.5")
        assert caught_up(world) == [True]


async def test_what_the_operator_mends_at_the_venue_is_found_by_itself(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(), start=False) as world:
        world.account("alice").may_transfer = True
        await world.start_engine()
        await until_key(world, KeyState.REFUSED)
        world.account("alice").may_transfer = False
        await until_key(world, KeyState.ACCEPTED, 3_600)


async def test_nothing_is_sent_before_the_first_verdict_which_an_outage_delays(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast(), start=False) as world:
        outage = cut_off_checks(world)
        await world.start_engine()
        await trio.sleep(10)
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(120)
        waiting = await world.status("alice")
        sent = len(list(world.venue.ledger.of("alice")))
        mend(world, outage)
        await until_key(world, KeyState.ACCEPTED, 120)
        await world.settled()

        assert (waiting.state, waiting.key.state, sent) == ("starting", KeyState.UNCHECKED, 0)
        assert waiting.key.trouble
        assert 5 < waiting.key.checks < 30
        assert any("key cannot be checked" in it.what for it in world.seen(TroubleMet))
        assert world.size("alice") == D("0.5")
        assert caught_up(world) == [True]


async def test_a_key_that_an_earlier_run_accepted_reduces_at_once_and_opens_after_its_check(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        await world.stop_engine()
        outage = cut_off_checks(world)
        await world.start_engine()
        await trio.sleep(5)
        world.trade("BTCUSDT", "-0.2", reduce_only=True)
        await world.until(lambda: world.size("alice") == D("0.3"))
        world.trade("ETHUSDT", "2")
        await trio.sleep(3)
        held_back = await world.status("alice")
        nothing = world.size("alice", "ETHUSDT")
        mend(world, outage)
        await until_key(world, KeyState.ACCEPTED, 120)
        await world.settled()

        assert (held_back.key.state, nothing) == (KeyState.REMEMBERED, 0)
        assert held_back.key.checked_at_ms is not None
        late = world.copies("alice")[-1]
        assert (world.size("alice", "ETHUSDT"), late.reason) in [(D(2), None), (D(0), Reason.EXPIRED)]


async def test_an_opening_waits_for_the_check_of_a_restart_and_goes_when_it_is_through(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        await world.stop_engine()
        slow = world.venue.faults.add(FaultKind.DELAY_ANSWER, endpoint=KEY_PATH, account="alice", seconds=3)
        await world.start_engine()
        await trio.sleep(1)
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(1)
        before = world.size("alice")
        await world.settled()

        assert slow.struck
        assert before == 0
        assert world.size("alice") == D("0.5")
        assert caught_up(world) == [False]


async def test_a_follower_that_crashes_opens_at_once_with_a_key_that_this_engine_has_accepted(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        outage = cut_off_checks(world)
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        await trio.sleep(1)
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        status = await world.status("alice")
        mend(world, outage)
        world.account("alice").may_withdraw = True
        await until_key(world, KeyState.REVOKED, 120)  # it was to be checked again all the same

        assert world.size("alice") == D("0.5")
        assert (status.state, status.key.checks) == ("ready", 0)  # not at once: it may crash again


async def test_whoever_asks_about_a_key_need_not_wait_until_a_crashed_follower_has_held_out(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.account("alice").may_withdraw = True
        world.engine.followers["alice"].tell(CrashNow("a drill"))
        await trio.sleep(1)
        began = trio.current_time()
        await checked(world)
        took_s = trio.current_time() - began
        state = (await world.status("alice")).key.state

        assert state is KeyState.REVOKED
        assert took_s < key_watch.HELD_OUT_S / 2


async def test_a_daily_check_that_turns_a_key_bad_stops_openings_and_lets_reductions_go_on(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key_watch.DAY_S == 86_400
    monkeypatch.setattr(key_watch, "DAY_S", DAY_S)
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.account("alice").may_withdraw = True
        await trio.sleep(DAY_S * 0.85)
        still = (await world.status("alice")).key.state
        await until_key(world, KeyState.REVOKED, DAY_S * 0.2)
        world.trade("BTCUSDT", "0.3")
        await world.settled()
        not_more = world.size("alice")
        await trio.sleep(300)
        drift = world.seen(DriftFound)
        world.close("BTCUSDT")
        await world.settled()

        assert (still, not_more, world.size("alice")) == (KeyState.ACCEPTED, D("0.5"), 0)
        assert world.copies("alice")[1].reason is Reason.KEY_REFUSED
        assert not drift  # what the key could not open is expected as it is
        status = await world.status("alice")
        assert (status.state, status.busy_symbols) == ("refused", ())
        assert [it.may_reduce for it in world.seen(KeyRefused)] == [True]


async def test_a_revoked_key_is_still_one_after_a_restart_and_closes_what_it_opened(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        world.trade("BTCUSDT", "0.5")
        await world.settled()
        world.account("alice").may_withdraw = True
        await checked(world)
        await world.stop_engine()
        outage = cut_off_checks(world)
        await world.start_engine()
        await trio.sleep(5)
        remembered = await world.status("alice")
        world.close("BTCUSDT")
        await world.until(lambda: world.size("alice") == 0)
        mend(world, outage)
        await trio.sleep(120)

        assert (remembered.state, remembered.key.state) == ("refused", KeyState.REVOKED)
        assert (await world.status("alice")).key.state is KeyState.REVOKED


async def test_a_check_that_cannot_be_made_takes_nothing_away(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        cut_off_checks(world)
        await checked(world)
        world.trade("BTCUSDT", "0.5")
        await world.settled()

        assert world.size("alice") == D("0.5")
        assert (await world.status("alice")).key.state is KeyState.ACCEPTED


async def test_an_accepted_key_is_told_once_and_its_warnings_when_they_change(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        await checked(world)
        world.account("alice").is_ip_bound = False
        await checked(world)
        await checked(world)

        told = [it.warnings for it in world.seen(KeyAccepted) if it.account == "alice"]
        assert [len(warnings) for warnings in told] == [0, 1]
        assert "bind it" in told[1][0]


async def test_a_key_is_checked_again_when_it_expires(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, Cast(), start=False) as world:
        world.account("alice").key_expires_at_ms = world.clock.wall_ms() + 7_200_000
        await world.start_engine()
        await world.ready()
        early = await world.status("alice")
        await until_key(world, KeyState.REVOKED, 7_300)

        assert early.state == "ready"
        assert any("expires within a day" in words for words in early.key.warnings)


async def test_other_keys_are_judged_anew_whatever_was_known_of_those_before(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        other = world.venue.add_account(
            "other", api_key="OTHERKEY", api_secret="other-secret", equity=D(10_000), may_withdraw=True
        )
        (known,) = world.followers
        credentials = attrs.evolve(known.credentials, api_key=other.api_key, api_secret=other.api_secret)
        await world.engine.replace_follower(attrs.evolve(known, credentials=credentials))
        await until_key(world, KeyState.REFUSED)
        world.trade("BTCUSDT", "0.5")
        await trio.sleep(60)
        refused = list(world.venue.ledger.of("other")) + list(world.venue.ledger.of("alice"))

        await world.engine.replace_follower(known)
        await until_key(world, KeyState.ACCEPTED)
        await world.settled()

        assert not refused
        assert world.size("alice") == D("0.5")


async def test_a_key_that_only_reads_will_do_for_a_dry_run_and_is_judged_anew_after_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    dry = {"sizing": fixed_ratio("1"), "dry_run": True}
    async with open_world(tmp_path, Cast(settings=dry), start=False) as world:
        world.account("alice").read_only = True
        await world.start_engine()
        await world.ready()
        running_dry = await world.status("alice")
        settings = attrs.evolve(world.engine.settings_of("alice"), dry_run=False)
        world.engine.change_settings(settings)
        world.trade("BTCUSDT", "0.5")
        live = await until_key(world, KeyState.REFUSED)
        await trio.sleep(10)

        assert (running_dry.state, running_dry.key.state) == ("ready", KeyState.ACCEPTED)
        assert any("dry run" in words for words in running_dry.key.warnings)
        assert live.state == "refused"
        assert not world.venue.ledger.of("alice")


async def test_the_ledger_keeps_when_a_key_was_accepted_and_nothing_of_the_key(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_world(tmp_path, Cast()) as world:
        (kept,) = world.store.meta("key_check:alice").values()
        account = world.account("alice")

        assert kept["accepted_at_ms"] == kept["checked_at_ms"] > 0
        assert account.api_key not in repr(kept)
        assert account.api_secret not in repr(kept)


async def test_checks_take_turns_and_every_follower_gets_its_own(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    cast = [Cast(name=f"f{number}") for number in range(40)]
    async with open_world(tmp_path, *cast, start=False) as world:
        world.venue.faults.add(FaultKind.DELAY_ANSWER, endpoint=KEY_PATH, seconds=1)
        await world.start_engine()
        await world.ready()
        began = trio.current_time()
        statuses = [await world.status(member.name) for member in cast]

        assert began >= 40 / 16
        assert all(status.key.state is KeyState.ACCEPTED for status in statuses)
        assert all(status.key.checks == 1 for status in statuses)


@pytest.mark.parametrize("mark", ["", "another"])
def test_marks_tell_keys_apart(mark: str) -> None:
    one = FollowerAccount(settings=make_settings(), credentials=Credentials(api_key="k", api_secret="s"))
    other = attrs.evolve(one, credentials=Credentials(api_key=f"k{mark}", api_secret=f"s{mark}"))

    assert (one.key_mark == other.key_mark) is not bool(mark)
    assert len(one.key_mark) == 32
