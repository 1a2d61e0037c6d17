"""`followers.flatten` and `followers.remove` over a whole engine in virtual time: preview, token, traces."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from actors.runtime import TrioActor
from exchanges.errors import Refusal, RequestRejected
from model.ledger import LedgerUnreachable, RequestRow
from model.order import OrderRequest
from model.settings import FollowerMode, Join
from supervision.control import ConfirmationRequired, Conflict, NotFound
from supervision.control.methods import CALLER, Caller
from tests.supervision.engine_house import House, engine_house, make_row
from tests.supervision.test_service import copied, entry, of

Clock = trio.abc.Clock


async def previewed(house: House, name: str = "alice") -> Any:
    return await house.call("followers.flatten", request_id="preview", name=name)


async def paused(house: House, name: str = "alice") -> None:
    await house.until(lambda: house.engine.settings_of(name).mode is FollowerMode.PAUSED, 120)


def mode_kept(house: House) -> FollowerMode:
    return house.store.followers()[0].settings.mode


async def test_flatten_shows_what_it_would_do_and_does_it_when_the_token_comes_back(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        house.account("alice").move("ETHUSDT", "1")
        await trio.sleep(2)

        preview = await previewed(house)
        untouched = house.account("alice").size("BTCUSDT")
        answer = await house.call(
            "followers.flatten", request_id="f", name="alice", token=preview["token"], reason="he leaves"
        )
        await paused(house)
        again = await house.call(
            "followers.flatten", request_id="f", name="alice", token=preview["token"], reason="he leaves"
        )

        (order,) = preview["orders"]
        assert (order["symbol"], order["side"], order["quantity"]) == ("BTCUSDT", "sell", "0.2")
        assert (order["reduce_only"], preview["then"], preview["valid_s"]) == (True, "paused", 60)
        assert [leg["symbol"] for leg in preview["left_alone"]] == ["ETHUSDT"]
        assert untouched == Decimal("0.2")
        assert answer == again == {"name": "alice", "state": "flattening"}
        assert (house.account("alice").size("BTCUSDT"), house.account("alice").size("ETHUSDT")) == (0, 1)
        assert mode_kept(house) is FollowerMode.PAUSED
        assert of(await house.call("status"), "alice")["state"] == "paused"


@pytest.mark.parametrize("wrong", ["none of ours", "too late", "of another", "used", "of another user"])
async def test_no_token_but_the_previews_own_closes_anything(
    tmp_path: Path, autojump_clock: Clock, wrong: str
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        await house.until_ready()
        await copied(house, "0.4", "alice", "bob")
        token = (await previewed(house, "bob" if wrong == "of another" else "alice"))["token"]
        match wrong:
            case "none of ours":
                token = "x" * len(token)
            case "too late":
                await trio.sleep(60)
            case "used":
                await house.call("followers.flatten", request_id="1", name="alice", token=token)
                await paused(house)
                await house.call("resume", request_id="2", name="alice")
            case "of another user":
                CALLER.set(Caller(uid=12345, pid=1))

        with pytest.raises(ConfirmationRequired):
            await house.call("followers.flatten", request_id="f", name="alice", token=token)
        await trio.sleep(5)

        assert house.engine.settings_of("alice").mode is FollowerMode.ACTIVE
        assert mode_kept(house) is FollowerMode.ACTIVE
        with pytest.raises(ConfirmationRequired):  # a refused call leaves nothing that a repetition could use
            await house.call("followers.flatten", request_id="f", name="alice", token=token)


async def test_a_token_holds_for_a_minute_to_the_tenth_of_a_second(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        began = trio.current_time()
        token = (await previewed(house))["token"]
        await trio.sleep_until(began + 59.9)

        answer = await house.call("followers.flatten", request_id="f", name="alice", token=token)

        assert answer["state"] == "flattening"


async def test_a_quarantined_follower_is_flattened_once_it_runs_again(
    tmp_path: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**ports: Any) -> TrioActor:
        raise ZeroDivisionError("a bug")

    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        await house.until(lambda: bool(house.seen("copy.finished")))
        with monkeypatch.context() as patch:
            patch.setattr("supervision.engine.Follower", broken)
            await house.call("actor.restart", request_id="r", actor="alice")
            await house.until(lambda: bool(house.seen("account.quarantined")), 120)
        preview = await previewed(house)
        answer = await house.call("followers.flatten", request_id="f", name="alice", token=preview["token"])
        kept = mode_kept(house)
        await house.call("actor.restart", request_id="r2", actor="alice")
        await paused(house)

        assert [order["quantity"] for order in preview["orders"]] == ["0.2"]
        assert "quarantined" in preview["warning"]
        assert "quarantined" in answer["warning"]
        assert kept is FollowerMode.FLATTENING
        assert house.account("alice").size("BTCUSDT") == 0


async def test_flatten_works_while_the_ledger_is_away_and_is_written_when_it_is_back(
    tmp_path: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: Any, **options: Any) -> None:
        raise LedgerUnreachable("gone")

    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        token = (await previewed(house))["token"]
        with monkeypatch.context() as patch:
            for name in ("begin_request", "set_mode", "move_mode"):
                patch.setattr(house.store, name, away)
            answer = await house.call("followers.flatten", request_id="f", name="alice", token=token)
            await house.until(lambda: not house.account("alice").size("BTCUSDT"))
            await trio.sleep(10)
            meanwhile = house.engine.settings_of("alice").mode
        await paused(house)

        assert "gone" in answer["warning"]
        assert meanwhile is FollowerMode.FLATTENING
        assert mode_kept(house) is FollowerMode.PAUSED


async def test_a_crash_leaves_a_written_flatten_or_none(
    tmp_path: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        token = (await previewed(house))["token"]
        with monkeypatch.context() as patch:

            def dies(*arguments: Any, **options: Any) -> None:
                raise KeyError("the process ends between the ledger and the act")

            patch.setattr(house.engine, "change_settings", dies)
            with pytest.raises(KeyError):
                await house.call("followers.flatten", request_id="f", name="alice", token=token)

        assert mode_kept(house) is FollowerMode.FLATTENING
        repeated = await house.call("followers.flatten", request_id="f", name="alice", token=token)
        await paused(house)
        assert repeated["state"] == "flattening"


async def test_a_flat_follower_is_removed_with_its_keys_and_everything_it_was_measured_by(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        await house.until_ready()
        await copied(house, "0.4", "alice", "bob")
        await copied(house, "0", "alice", "bob")
        await trio.sleep(1)
        house.store.put_meta({"equity:alice": {"day": "1", "day_start": "1", "peak": "1"}})

        answer = await house.call("followers.remove", request_id="1", name="alice", reason="left")
        again = await house.call("followers.remove", request_id="1", name="alice", reason="left")
        await copied(house, "0.4", "bob")

        assert answer == again == {"name": "alice", "state": "removed"}
        assert list(house.engine.followers) == ["bob"]
        assert [row.settings.name for row in house.store.followers()] == ["bob"]
        assert (house.store.holdings("alice"), house.store.meta("equity:alice")) == ([], {})
        assert house.account("alice").closed == 1
        (event,) = house.seen("follower.removed")
        assert (event.follower, event.left) == ("alice", False)
        assert len(house.store.copies(follower="alice")) == 2
        with pytest.raises(NotFound):
            await house.call("followers.remove", request_id="2", name="alice")


async def test_who_holds_something_is_removed_only_when_that_is_left_and_goes_on_until_then(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)

        with pytest.raises(Conflict, match=r"holds BTCUSDT 0\.2"):
            await house.call("followers.remove", request_id="1", name="alice")
        await copied(house, "0.8")
        left = await house.call("followers.remove", request_id="2", name="alice", leave=True)

        assert left["state"] == "removed"
        assert house.account("alice").size("BTCUSDT") == Decimal("0.4")
        assert (list(house.engine.followers), house.store.followers()) == ([], [])
        assert house.seen("follower.removed")[0].left is True


async def test_nothing_is_opened_between_the_look_and_the_removal(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice"), make_row("bob")) as house:
        await house.until_ready()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: house.call("followers.remove", request_id="1", name="alice"))
            for size in range(1, 11):
                house.venue.of("master-key").move("BTCUSDT", f"0.{size:02}")
                await trio.lowlevel.checkpoint()
        await copied(house, "0.4", "bob")

        assert house.account("alice").size("BTCUSDT") == 0
        assert list(house.engine.followers) == ["bob"]


async def test_a_removal_that_is_refused_lets_the_follower_catch_up(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        house.account("alice").drop_streams()
        house.venue.away = True
        async with trio.open_nursery() as nursery:

            async def refused() -> None:
                with pytest.raises(Conflict, match="alice"):
                    await house.call("followers.remove", request_id="1", name="alice")

            nursery.start_soon(refused)
            await trio.sleep(5)
            house.venue.away = False
        await copied(house, "0")


async def test_a_new_follower_of_an_old_name_knows_nothing_of_the_old_one(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        await house.call("followers.remove", request_id="1", name="alice", leave=True)
        await house.call("followers.apply", request_id="2", followers=[entry("alice", api_key="fresh-key")])
        await house.until_ready()
        house.venue.of("master-key").move("BTCUSDT", "0.8")
        await trio.sleep(5)

        # It joins with the next episode: nothing of the one that the old account was in.
        assert house.venue.of("fresh-key").size("BTCUSDT") == 0
        assert house.account("alice").size("BTCUSDT") == Decimal("0.2")


async def test_an_adopted_position_is_followed_and_a_repeated_call_is_answered_alike(
    tmp_path: Path, autojump_clock: Clock
) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await house.call("followers.close_only", request_id="c", name="alice")
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        house.account("alice").move("BTCUSDT", "0.1")
        await trio.sleep(3)
        await house.call("resume", request_id="r", name="alice")
        await trio.sleep(3)

        answer = await house.call("followers.adopt", request_id="a", name="alice", symbol="BTCUSDT")
        again = await house.call("followers.adopt", request_id="a", name="alice", symbol="BTCUSDT")
        await copied(house, "0.8")
        with pytest.raises(Conflict, match="holds nothing on ETHUSDT"):
            await house.call("followers.adopt", request_id="b", name="alice", symbol="ETHUSDT")
        with pytest.raises(NotFound):
            await house.call("followers.adopt", request_id="d", name="zoe", symbol="BTCUSDT")

        assert answer == again
        assert (answer["symbol"], answer["size"], answer["was_ours"]) == ("BTCUSDT", "0.1", False)


async def test_joining_now_is_kept_and_acts_at_once(tmp_path: Path, autojump_clock: Clock) -> None:
    late = make_row("alice", joined_at_ms=2**50)
    async with engine_house(tmp_path, late) as house:
        await house.until_ready()
        house.venue.of("master-key").move("BTCUSDT", "0.4")
        await trio.sleep(3)
        left_out = house.account("alice").size("BTCUSDT")

        answer = await house.call("followers.join", request_id="j", name="alice", join="now")
        await house.until(lambda: house.account("alice").size("BTCUSDT") == Decimal("0.2"))

        assert left_out == 0
        assert answer == {"name": "alice", "join": "now"}
        assert house.store.followers()[0].settings.join is Join.NOW
        with pytest.raises(NotFound):
            await house.call("followers.join", request_id="k", name="zoe", join="next")


async def test_who_holds_what_is_ours_does_not_run_dry(tmp_path: Path, autojump_clock: Clock) -> None:
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        await house.until(lambda: bool(house.seen("copy.finished")))
        rows = [entry("alice", dry_run=True)]

        with pytest.raises(Conflict, match="dry_run would leave positions of ours to nobody: alice"):
            await house.call("followers.apply", request_id="1", followers=rows)
        await copied(house, "0")
        await trio.sleep(1)
        done = await house.call("followers.apply", request_id="2", followers=rows)
        house.venue.of("master-key").move("BTCUSDT", "0.8")
        await trio.sleep(3)

        assert done["changed"] == ["alice"]
        assert house.account("alice").size("BTCUSDT") == 0
        assert of(await house.call("status"), "alice")["dry_run"] is True
        assert (await house.call("followers.get", name="alice"))["dry_run"] is True


@pytest.mark.parametrize("method", ["followers.adopt", "followers.join", "pause", "followers.close_only"])
async def test_a_call_that_was_written_and_not_done_is_done_when_it_is_repeated(
    tmp_path: Path, autojump_clock: Clock, method: str
) -> None:
    """The process died between the ledger's write and the act."""
    params: dict[str, Any] = {"name": "alice"}
    if method == "followers.adopt":
        params |= {"symbol": "BTCUSDT", "position_idx": None, "join": "next"}
    if method == "followers.join":
        params |= {"join": "now"}
    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        house.store.begin_request(
            RequestRow(request_id="r", method=method, parameters=params, reason="", received_at_ms=1)
        )

        first = await house.call(method, request_id="r", **params)
        again = await house.call(method, request_id="r", **params)

        assert first["name"] == "alice"
        assert again == first


async def test_status_says_what_a_flattening_waits_for(
    tmp_path: Path, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(request: OrderRequest) -> None:
        raise RequestRejected("not now", refusal=Refusal.OTHER)

    async with engine_house(tmp_path, make_row("alice")) as house:
        await house.until_ready()
        await copied(house)
        token = (await previewed(house))["token"]
        with monkeypatch.context() as patch:
            patch.setattr(house.account("alice"), "place", refuses)
            await house.call("followers.flatten", request_id="f", name="alice", token=token)
            await trio.sleep(30)
            waiting = of(await house.call("status"), "alice")
        await paused(house)
        done = of(await house.call("status"), "alice")

        assert waiting["state"] == "flattening"
        assert waiting["detail"].startswith("cannot close BTCUSDT:0 0.2: ")
        assert (done["state"], done["detail"]) == ("paused", "")
