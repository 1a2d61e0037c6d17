"""Control methods against a whole engine in virtual time: what they answer, keep and change."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.messages import Describe
from actors.runtime import TrioActor
from model.ledger import LedgerUnreachable
from model.settings import FollowerMode, Join
from supervision.control import Conflict, ControlError, InvalidParams, NotFound
from supervision.explanation import explain_copy
from tests.supervision.engine_house import House, engine_house, make_row


def of(status: Any, name: str) -> Any:
    (found,) = [follower for follower in status["followers"] if follower["name"] == name]
    return found


def entry(name: str = "bob", **other: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": name,
        "exchange": "bybit",
        "api_key": f"{name}-key",
        "api_secret": f"{name}-secret",
        "sizing": {"mode": "fixed_ratio", "ratio": "0.5"},
        "limits": {},
    }
    return {**facts, **other}


async def copied(house: House, size: str = "0.4", *names: str) -> None:
    house.venue.of("master-key").move("BTCUSDT", size)
    want = Decimal(size) / 2
    for name in names or ("alice",):
        await house.until(lambda name=name: house.account(name).size("BTCUSDT") == want)  # type: ignore[misc]


async def test_status_shows_master_legs_and_each_follower_with_target_position_and_drift(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        await house.until(lambda: bool(house.seen("copy.finished")))
        house.account("alice").move("ETHUSDT", "1")
        await trio.sleep(1)

        status = await house.call("status")
        positions = await house.call("positions")

        assert status["ready"] is True
        assert status["health"] == "ready"
        assert status["ledger"]["lease_held"] is True
        (leg,) = status["master"]["legs"]
        assert (leg["symbol"], leg["size"], leg["leverage"]) == ("BTCUSDT", "0.4", "10")
        alice = of(status, "alice")
        assert (alice["exchange"], alice["state"], alice["equity"]) == ("bybit", "ready", "10000")
        btc, eth = alice["legs"]
        assert (btc["target"], btc["position"], btc["drift"], btc["owned"]) == ("0.2", "0.2", "0", True)
        assert (eth["position"], eth["owned"]) == ("1", False)
        assert [leg["follower"] for leg in positions["followers"]] == ["alice", "alice"]
        assert positions["unheard"] == []


class Deaf(TrioActor):
    """Takes a question and never answers it."""

    async def on_receive(self, message: object) -> object:
        if isinstance(message, Describe):
            await trio.sleep_forever()
        return None


async def test_a_follower_that_does_not_answer_holds_up_nobody(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        await house.until_ready()
        monkeypatch.setattr("supervision.engine.Follower", lambda **ports: Deaf())
        await house.call("actor.restart", request_id="r", actor="bob")
        began = trio.current_time()

        status = await house.call("status")

        assert trio.current_time() - began <= 1.0
        assert (of(status, "alice")["state"], of(status, "bob")["state"]) == ("ready", "starting")
        assert of(status, "bob")["answered"] is False


async def test_health_is_starting_then_degraded_while_the_venue_is_away_and_ready_when_it_is_back(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        house.venue.away = True
        house.venue.of("master-key").drop_streams()
        house.account("alice").drop_streams()
        await trio.sleep(5)
        early = await house.call("health")
        await trio.sleep(30)
        late = await house.call("health")
        house.venue.away = False
        await trio.sleep(60)
        back = await house.call("health")

        assert (early["health"], late["health"], back["health"]) == ("starting", "degraded", "ready")
        told = [it for it in late["problems"] if it.startswith("master: not reconciled")]
        assert len(told) == 1
        assert "nothing listens there" in told[0]
        assert any(it.startswith("alice: starting") for it in late["problems"])


async def test_a_quarantined_follower_is_shown_and_the_engine_is_ready_without_it_until_it_is_revived(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**ports: Any) -> TrioActor:
        raise ZeroDivisionError("a bug")

    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        await house.until_ready()
        with monkeypatch.context() as patch:
            patch.setattr("supervision.engine.Follower", broken)
            await house.call("actor.restart", request_id="r", actor="bob")
            await house.until(lambda: bool(house.seen("account.quarantined")), 120)
        health = await house.call("health")
        status = await house.call("status")
        done = await house.call("actor.restart", request_id="r2", actor="bob")
        await trio.sleep(5)

        assert (health["ready"], health["quarantined"]) == (True, ["bob"])
        assert of(status, "bob")["state"] == "quarantined"
        assert done["done"] == "revived"
        assert of(await house.call("status"), "bob")["state"] == "ready"


async def test_a_paused_follower_sends_nothing_also_after_a_restart_and_catches_up_when_resumed(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)

        answer = await house.call("pause", request_id="p", name="alice", reason="holiday")
        await trio.sleep(1)
        house.venue.of("master-key").move("BTCUSDT", "0")
        await trio.sleep(5)
        held = house.account("alice").size("BTCUSDT")
        state = of(await house.call("status"), "alice")["state"]

        assert (answer["state"], state, held) == ("paused", "paused", Decimal("0.2"))
        (row,) = house.store.followers()
        assert row.settings.mode is FollowerMode.PAUSED
        await house.call("actor.restart", request_id="r", actor="follower:alice")
        await trio.sleep(5)
        assert of(await house.call("status"), "alice")["state"] == "paused"
        assert house.account("alice").size("BTCUSDT") == Decimal("0.2")

        await house.call("resume", request_id="q", name="alice")
        await house.until(lambda: house.account("alice").size("BTCUSDT") == 0)


async def test_close_only_reduces_and_does_not_open(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)

        await house.call("followers.close_only", request_id="c", name="alice")
        house.venue.of("master-key").move("BTCUSDT", "0.8")
        await trio.sleep(5)
        assert house.account("alice").size("BTCUSDT") == Decimal("0.2")
        await copied(house, "0")


async def test_apply_adds_changes_and_leaves_alone_while_it_runs(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path) as house:
        await house.until_ready()

        first = await house.call("followers.apply", request_id="1", followers=[entry("alice"), entry("bob")])
        again = await house.call("followers.apply", request_id="2", followers=[entry("bob")])
        await trio.sleep(2)
        await copied(house, "0.4", "alice", "bob")
        ratio = {"mode": "fixed_ratio", "ratio": "1"}
        third = await house.call("followers.apply", request_id="3", followers=[entry("bob", sizing=ratio)])
        house.venue.of("master-key").move("BTCUSDT", "0.8")
        await house.until(lambda: house.account("bob").size("BTCUSDT") == Decimal("0.8"))

        assert (first["added"], again["unchanged"], third["changed"]) == (["alice", "bob"], ["bob"], ["bob"])
        listed = (await house.call("followers.list"))["followers"]
        assert [(it["name"], it["state"]) for it in listed] == [("alice", "ready"), ("bob", "ready")]
        assert "bob-secret" not in repr(listed) + repr(house.store.followers())
        assert (await house.call("followers.get", name="bob"))["sizing"] == ratio


async def test_new_keys_of_a_follower_are_taken_while_it_runs(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()

        await house.call("followers.apply", request_id="1", followers=[entry("alice", api_key="fresh-key")])
        await house.until_ready()
        await copied(house, "0.4", "fresh")

        assert not house.account("alice").placed


@pytest.mark.parametrize(
    ("followers", "error", "words"),
    [
        ([entry("bob", api_key="alice-key")], Conflict, "has the key of alice"),
        ([entry("bob", api_key="master-key")], Conflict, "has the key of the master"),
        ([entry("bob"), entry("carol", limits={"max_leverage": "x"})], InvalidParams, "max_leverage"),
        ([entry("bob", exchange="binance")], InvalidParams, "exchange"),
        ([{"name": "bob", "exchange": "bybit"}], Conflict, "comes with its keys"),
    ],
)
async def test_a_list_with_anything_wrong_changes_nothing(
    tmp_path: Path,
    autojump_clock: trio.abc.Clock,
    followers: list[Any],
    error: type[ControlError],
    words: str,
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()

        with pytest.raises(error, match=words) as refused:
            await house.call("followers.apply", request_id="1", followers=followers)

        assert "-secret" not in str(refused.value)
        assert list(house.engine.followers) == ["alice"]
        assert len(house.store.followers()) == 1


async def test_prune_takes_flat_followers_away_and_refuses_to_forget_positions(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice", join=Join.NOW), make_row("carol")) as house:
        await house.until_ready()
        await copied(house, "0.4", "alice", "carol")

        with pytest.raises(Conflict, match=r"alice \(it holds BTCUSDT 0.2\), carol"):
            await house.call("followers.apply", request_id="1", followers=[entry("bob")], prune=True)
        assert sorted(house.engine.followers) == ["alice", "carol"]
        await copied(house, "0", "alice", "carol")
        await trio.sleep(1)
        done = await house.call("followers.apply", request_id="2", followers=[entry("bob")], prune=True)

        assert sorted(done["removed"]) == ["alice", "carol"]
        assert list(house.engine.followers) == ["bob"]
        assert house.account("alice").closed == 1


async def test_a_repeated_call_is_answered_from_the_ledger_and_not_done_again(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        first = await house.call("pause", request_id="p", name="alice")
        await house.call("resume", request_id="q", name="alice")

        again = await house.call("pause", request_id="p", name="alice")

        assert again == first
        assert house.engine.settings_of("alice").mode is FollowerMode.ACTIVE
        with pytest.raises(Conflict, match="another call"):
            await house.call("resume", request_id="p", name="alice")


async def test_calls_are_written_before_they_act_with_their_reason_and_no_secret(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path) as house:
        await house.until_ready()
        order: list[str] = []
        begin, apply = house.store.begin_request, house.store.apply_followers

        def noted(request: Any) -> Any:
            order.append(f"begin {request.reason}")
            assert "bob-secret" not in repr(request)
            return begin(request)

        monkeypatch.setattr(house.store, "begin_request", noted)
        monkeypatch.setattr(
            house.store, "apply_followers", lambda *a, **k: (order.append("act"), apply(*a, **k))[1]
        )
        await house.call("followers.apply", request_id="1", followers=[entry("bob")], reason="new client")

        assert order == ["begin new client", "act"]


async def test_the_brake_works_while_the_ledger_is_away_and_says_that_it_is_not_kept(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: Any) -> None:
        raise LedgerUnreachable("gone")

    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        monkeypatch.setattr(house.store, "begin_request", away)
        monkeypatch.setattr(house.store, "set_mode", away)

        answer = await house.call("pause", request_id="p", name="alice")

        assert "gone" in answer["warning"]
        await trio.sleep(1)
        assert of(await house.call("status"), "alice")["state"] == "paused"


async def test_names_that_are_not_there_are_not_found(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        for method, params in (
            ("pause", {"request_id": "1", "name": "zoe"}),
            ("followers.get", {"name": "zoe"}),
            ("explain", {"copy_id": "zoe"}),
            ("actor.restart", {"request_id": "2", "actor": "zoe"}),
        ):
            with pytest.raises(NotFound):
                await house.call(method, **params)
        with pytest.raises(Conflict):
            await house.call("actor.restart", request_id="3", actor="root")
        with pytest.raises(InvalidParams):
            await house.call("copies", limit=0)


async def test_copies_are_listed_and_explained(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        await house.until(lambda: bool(house.seen("copy.finished")))

        (copy,) = (await house.call("copies", follower="alice"))["copies"]
        told = await house.call("explain", copy_id=copy["copy_id"])

        assert (copy["state"], copy["orders"][0]["filled"]) == ("applied", "0.2")
        assert (await house.call("copies", follower="zoe"))["copies"] == []
        text = "\n".join(explain_copy(told))
        assert "0.4 x ratio" in text
        assert "buy 0.2" in text
        assert "filled       not reached" not in text


async def test_tree_and_shutdown(tmp_path: Path, autojump_clock: trio.abc.Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()

        tree = await house.call("tree")
        names = [child["name"] for child in tree["trees"][0]["children"]]
        await house.call("shutdown", request_id="s", mode="drain")
        drained = house.desk.stop.wanted.is_set(), house.desk.stop.hurried.is_set()
        await house.call("shutdown", request_id="t", mode="now")

        assert names == ["ledger", "services", "followers", "pairing", "stream"]
        assert drained == (True, False)
        assert house.desk.stop.hurried.is_set()
