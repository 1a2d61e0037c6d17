"""`audit.run` and `audit.findings` against a whole engine in virtual time."""

from pathlib import Path

import pytest
import trio

from actors.messages import CrashNow
from actors.runtime import Address
from model.account import AccountSnapshot
from model.settings import Repair
from supervision.control import NotReady
from tests.supervision.engine_house import House, engine_house, make_row
from tests.supervision.fake_venue import FakeAccount


async def copied(house: House) -> None:
    await house.until_ready()
    house.venue.of("master-key").move("BTCUSDT", "0.4")
    await trio.sleep(100)


async def test_a_run_compares_everybody_and_says_what_is_wrong(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob", repair=Repair.FULL)) as house:
        await copied(house)
        house.account("alice").move("BTCUSDT", "0.05")
        await trio.sleep(1)
        answer = await house.call("audit.run")

        assert (answer["audited"], answer["unheard"]) == (2, {})
        (finding,) = answer["findings"]
        due = finding.pop("due_in_s")
        assert 58 < due <= 60
        assert finding == {
            "follower": "alice",
            "exchange": "bybit",
            "symbol": "BTCUSDT",
            "position_idx": 0,
            "kind": "size_mismatch",
            "cause": "manual",
            "severity": "warning",
            "expected": "0.2",
            "actual": "0.05",
            "deviation_pct": "75",
            "reason": None,
            "told_at_ms": None,
            "repair": "close_only",
            "plan": None,
        }
        await trio.sleep(70)
        (told,) = (await house.call("audit.findings", preview=True))["findings"]
        assert told["told_at_ms"] > 0
        assert told["due_in_s"] is None
        assert told["plan"] == {
            "orders": [],
            "why_not": "moved by other hands or by the venue: never fought",
        }
        assert len(house.seen("audit.drift")) == 1


async def test_every_call_gets_a_pass_that_began_after_it(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await copied(house)
        passes = []

        async def run(after_s: float) -> None:
            await trio.sleep(after_s)
            passes.append((await house.call("audit.run"))["pass"])

        async with trio.open_nursery() as nursery:
            for after_s in (0, 0.001, 0.001, 5):
                nursery.start_soon(run, after_s)

        assert passes == sorted(passes)
        assert len(set(passes)) >= 2


async def test_before_the_first_pass_nothing_is_known(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        answer = await house.call("audit.findings")

        assert (answer["pass"], answer["ended_at_ms"], answer["findings"]) == (0, None, [])


async def test_an_auditor_that_is_away_is_told_and_a_pass_without_end_too(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await copied(house)
        auditor = house.engine.address("auditor")
        for _ in range(4):
            auditor.tell(CrashNow("a drill"))
        await trio.sleep(0.3)
        with pytest.raises(NotReady, match="auditor is not running"):
            await house.call("audit.findings")
        await trio.sleep(60)

        ask = Address.ask

        async def slow(self: Address, message: object, *, timeout_s: float = 5.0) -> object:
            if type(message).__name__ == "DescribeLegs":
                await trio.sleep(100)
            return await ask(self, message, timeout_s=timeout_s)

        monkeypatch.setattr(Address, "ask", slow)
        with pytest.raises(NotReady, match="takes longer"):
            await house.call("audit.run")


async def test_a_pass_asks_the_venue_for_no_more_than_it_says(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path, *(make_row(name) for name in ("alice", "bob", "carol"))) as house:
        await copied(house)
        read: list[str] = []
        snapshot = FakeAccount.snapshot

        async def counted(self: FakeAccount) -> AccountSnapshot:
            read.append(self.key)
            return await snapshot(self)

        monkeypatch.setattr(FakeAccount, "snapshot", counted)
        for _ in range(40):  # on demand as often as anybody likes
            answer = await house.call("audit.run")
        followers = [key for key in read if not key.startswith("master")]

        assert answer["audited"] == 3
        assert len(followers) <= 3 + 3, "one reading each for its turn, one of its own"
