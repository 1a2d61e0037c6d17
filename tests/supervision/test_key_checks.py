"""Keys in `status`, `health`, `followers.list` and `followers.check`, against a whole engine."""

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from supervision.control import NotFound, NotReady
from supervision.service import key_checks
from tests.supervision.engine_house import House, engine_house, make_row
from tests.supervision.fake_venue import FakeAccount


def let_withdraw(account: FakeAccount, may: bool = True) -> None:
    account.key_report = attrs.evolve(account.key_report, may_withdraw=may)


async def follower(house: House, name: str, method: str = "status") -> Any:
    (found,) = [it for it in (await house.call(method))["followers"] if it["name"] == name]
    return found


async def test_a_refused_key_stands_in_status_health_and_list_and_the_engine_is_ready_without_it(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob"), start=False) as house:
        let_withdraw(house.account("alice"))
        async with house.running():
            await house.until_ready()
            await house.until(lambda: bool(house.seen("key.refused")))
            status = await follower(house, "alice")
            listed = await follower(house, "alice", "followers.list")
            health = await house.call("health")
            other = await follower(house, "bob")
            master = (await house.call("status"))["master"]

    assert (status["state"], status["key"]["state"], listed["state"]) == ("refused", "refused", "refused")
    assert "the key may withdraw" in status["detail"]
    assert "nothing is sent" in status["detail"]
    assert listed["key"] == status["key"]
    assert (health["ready"], health["refused"], health["quarantined"]) == (True, ["alice"], [])
    assert (other["state"], other["key"]["state"]) == ("ready", "accepted")
    assert (master["key"]["state"], master["key"]["warnings"]) == ("accepted", [])


async def test_a_check_on_demand_acts_on_its_verdict(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        fine = await house.call("followers.check", name="alice")
        let_withdraw(house.account("alice"))
        revoked = await house.call("followers.check", name="alice")
        state = (await follower(house, "alice"))["state"]
        let_withdraw(house.account("alice"), False)
        mended = await house.call("followers.check", name="alice")

    assert (fine["name"], fine["state"], fine["refusals"]) == ("alice", "accepted", [])
    assert fine["checked_at_ms"] > 0
    assert (revoked["state"], revoked["follower"], state) == ("revoked", "refused", "refused")
    assert any("make a key without the right to withdraw" in words for words in revoked["refusals"])
    assert (mended["state"], mended["follower"]) == ("accepted", "ready")


async def test_a_check_that_cannot_be_made_says_so_and_takes_nothing_away(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        house.venue.away = True
        answer = await house.call("followers.check", name="alice")

    assert (answer["state"], answer["trouble"]) == ("accepted", "nothing listens there")


async def test_who_cannot_be_checked(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        with pytest.raises(NotFound):
            await house.call("followers.check", name="zoe")
        house.desk.barred["yves"] = "his secrets do not open"
        with pytest.raises(NotReady, match="do not open"):
            await house.call("followers.check", name="yves")

        monkeypatch.setattr(house.account("alice"), "check_key", trio.sleep_forever)
        began = trio.current_time()
        with pytest.raises(NotReady, match="not its turn"):
            await house.call("followers.check", name="alice")
        assert trio.current_time() - began == pytest.approx(key_checks.CHECK_S_MAX, abs=0.2)


async def test_new_keys_that_are_refused_are_shown_and_send_nothing(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        let_withdraw(house.venue.of("other-key"))
        entry = {
            "name": "alice",
            "exchange": "bybit",
            "api_key": "other-key",
            "api_secret": "other-secret",
            "sizing": {"mode": "fixed_ratio", "ratio": "0.5"},
        }
        await house.call("followers.apply", request_id="1", followers=[entry])
        await house.until(lambda: bool(house.seen("key.refused")))
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await trio.sleep(10)

        assert (await follower(house, "alice"))["key"]["state"] == "refused"
        assert not house.venue.of("other-key").placed
        assert not house.account("alice").placed
