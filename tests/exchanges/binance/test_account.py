"""Reads and settings of an account, and how they fit the view that the engine keeps of it."""

import json
import os
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from exchanges.binance.memory import READS_LAG_S_MAX
from exchanges.binance.wire import parse_position
from exchanges.errors import ExchangeError, MalformedMessage, OutcomeUnknown, Refusal, RequestRejected
from model.account_view import AccountView
from model.leg import HEDGE_LONG, HEDGE_SHORT, Leg, PositionMode
from model.order import OrderState
from tests.exchanges.binance.scripted import (
    Answer,
    Params,
    ScriptedBinance,
    balance_row,
    one_way_config,
    order_row,
    position_row,
)
from tests.exchanges.binance.test_events import CLOSED
from tests.exchanges.binance.test_orders import CLOSE, ID

RISK = ("GET", "/fapi/v3/positionRisk")
CONFIG = ("GET", "/fapi/v1/accountConfig")
LEVERAGE = ("POST", "/fapi/v1/leverage")


@pytest.fixture
async def binance(autojump_clock) -> ScriptedBinance:
    return ScriptedBinance()


async def test_a_snapshot_joins_positions_leverage_and_wallet(autojump_clock, binance) -> None:
    usdc = position_row("ETHUSDC", marginAsset="USDC")
    binance.rest[RISK] = lambda _: (200, [position_row(), usdc])
    binance.rest["GET", "/fapi/v3/balance"] = lambda _: (200, [balance_row("BNB"), balance_row()])
    async with binance.account() as account:
        snapshot = await account.snapshot()

    (row,) = snapshot.positions
    assert (row.leg, row.size, row.leverage) == (Leg("BTCUSDT"), Decimal("0.5"), Decimal(10))
    assert (row.entry_price, row.mark_price, row.initial_margin) == (Decimal("100.5"), 101, 5)
    assert row.seq == row.venue_time_ms == 1_749_999_000_000
    assert (snapshot.wallet.wallet_balance, snapshot.wallet.available) == (1000, 900)
    assert snapshot.hedge_symbols == frozenset()


@pytest.mark.parametrize("config", [one_way_config(multiAssetsMargin=True), one_way_config()])
async def test_a_pool_that_cannot_be_followed_has_an_unknown_balance(autojump_clock, binance, config) -> None:
    asset = "USDT" if config["multiAssetsMargin"] else "BNFCR"
    binance.rest[CONFIG] = lambda _: (200, config)
    binance.rest["GET", "/fapi/v3/balance"] = lambda _: (200, [balance_row(asset)])
    binance.rest[RISK] = lambda _: (200, [position_row()])
    async with binance.account() as account:
        snapshot = await account.snapshot()

    assert snapshot.wallet.wallet_balance is None
    assert len(snapshot.positions) == 1


async def test_blank_balances_are_unknown(autojump_clock, binance) -> None:
    binance.rest["GET", "/fapi/v3/balance"] = lambda _: (200, [balance_row(balance="", availableBalance="")])
    async with binance.account() as account:
        wallet = (await account.snapshot()).wallet

    assert (wallet.wallet_balance, wallet.available) == (None, None)


@pytest.mark.parametrize("body", ["{}", '{"code":200}', "null", '[{"symbol":"X"}]', "<html>", '""'])
async def test_an_answer_that_is_no_listing_is_never_taken_for_flat(autojump_clock, binance, body) -> None:
    binance.rest[RISK] = lambda _: (200, body)
    async with binance.account() as account:
        with pytest.raises(MalformedMessage):
            await account.snapshot()
        with pytest.raises(MalformedMessage):
            await account.positions_of("BTCUSDT")


async def test_a_symbol_without_rows_is_flat_in_the_account_s_mode(autojump_clock, binance) -> None:
    async with binance.account() as account:
        (one_way,) = await account.positions_of("BTCUSDT")
        binance.rest[CONFIG] = lambda _: (200, one_way_config(dualSidePosition=True))
        mode = await account.position_mode("BTCUSDT")
        binance.rest[RISK] = lambda _: (200, [position_row(side="SHORT", amount="-1")])
        rows = await account.positions_of("BTCUSDT")

    assert (one_way.leg, one_way.size, one_way.leverage) == (Leg("BTCUSDT"), 0, 10)
    assert mode is PositionMode.HEDGE
    assert {row.leg.position_idx: row.size for row in rows} == {HEDGE_SHORT: -1, HEDGE_LONG: 0}


async def test_many_reads_share_one_question_about_the_account_and_its_failure(
    autojump_clock, binance
) -> None:
    """Each that waited for a failed one asked again: a lost network used up the weight of openings."""
    binance.rest[CONFIG] = lambda _: (503, "")
    failed: list[ExchangeError] = []

    async def read(symbol: str) -> None:
        try:
            await account.positions_of(symbol)
        except ExchangeError as error:
            failed.append(error)

    async with binance.account() as account:
        async with trio.open_nursery() as nursery:
            for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
                nursery.start_soon(read, symbol)
        assert len(binance.called(*CONFIG)) == 2  # an answer that is lost is asked for once more
        assert len(failed) == 3
        binance.rest[CONFIG] = lambda _: (200, one_way_config())
        await account.positions_of("BTCUSDT")

    assert len(binance.called(*CONFIG)) == 3


async def test_an_exit_asks_about_an_unknown_account_itself(autojump_clock, binance) -> None:
    """What an opening has asked may still wait for its turn."""

    async def late_config(_: Params) -> Answer:
        await trio.sleep(1)
        return 200, one_way_config()

    binance.rest[CONFIG] = late_config
    async with binance.account() as account, trio.open_nursery() as nursery:
        nursery.start_soon(account.positions_of, "BTCUSDT")
        await trio.sleep(0.5)
        nursery.start_soon(partial(account.positions_of, "ETHUSDT", for_exit=True))

    assert len(binance.called(*CONFIG)) == 2


async def test_flat_rows_of_the_other_mode_in_an_answer_are_left_out(autojump_clock, binance) -> None:
    flat = [position_row(side=side, amount="0.000", updateTime=0) for side in ("LONG", "SHORT")]
    binance.rest[RISK] = lambda _: (200, [*flat, position_row()])
    async with binance.account() as account:
        (row,) = await account.positions_of("BTCUSDT")

    assert row.leg == Leg("BTCUSDT")


async def test_a_lagging_read_does_not_undo_what_the_stream_told(autojump_clock, binance) -> None:
    """An answer that leaves a position out is older than an event of a moment ago."""
    view = AccountView()
    opened = CLOSED["a"]["P"][0] | {"pa": "0.5", "ep": "100"}
    async with binance.account() as account, account.private_stream() as events:
        now = binance.clock.wall_ms()
        await binance.push(CLOSED | {"T": now, "a": {"B": [], "P": [opened], "m": "ORDER"}})
        view.apply_positions(await anext(events))
        view.apply_positions(await account.positions_of("BTCUSDT"))
        soon = view.size(Leg("BTCUSDT"))
        await trio.sleep(READS_LAG_S_MAX + 0.1)
        view.apply_positions(await account.positions_of("BTCUSDT"))
        later = view.size(Leg("BTCUSDT"))

    assert (soon, later) == (Decimal("0.5"), 0)


async def test_the_last_of_several_sizes_of_one_millisecond_is_known_once_no_read_can_lag(
    autojump_clock, binance
) -> None:
    """It looked like the first one told again, for ever: a hedged leg could not be closed."""
    view, leg = AccountView(), Leg("BTCUSDT")
    row = CLOSED["a"]["P"][0] | {"ep": "100"}
    async with binance.account() as account, account.private_stream() as events:
        now = binance.clock.wall_ms()
        for size in ("0.2", "0.5", "0.2"):
            await binance.push(CLOSED | {"T": now, "a": {"B": [], "P": [row | {"pa": size}], "m": "ORDER"}})
            view.apply_positions(await anext(events))
        binance.rest[RISK] = lambda _: (200, [position_row(amount="0.2", updateTime=now)])
        sizes = []
        for wait_s in (0.0, READS_LAG_S_MAX - 0.1, 0.2):
            await trio.sleep(wait_s)
            view.apply_positions(await account.positions_of("BTCUSDT"))
            sizes.append(view.size(leg))
        binance.rest[RISK] = lambda _: (200, [position_row(amount="0.5", updateTime=now)])
        view.apply_positions(await account.positions_of("BTCUSDT"))

    assert sizes == [Decimal("0.5"), Decimal("0.5"), Decimal("0.2")]
    assert view.size(leg) == Decimal("0.2")


async def test_a_read_that_agrees_brings_the_leverage_however_it_is_dated(autojump_clock, binance) -> None:
    view = AccountView()
    opened = CLOSED["a"]["P"][0] | {"pa": "0.5", "ep": "100"}
    async with binance.account() as account, account.private_stream() as events:
        now = binance.clock.wall_ms()
        await binance.push(CLOSED | {"T": now, "a": {"B": [], "P": [opened], "m": "ORDER"}})
        view.apply_positions(await anext(events))
        binance.rest[RISK] = lambda _: (200, [position_row(updateTime=now - 1)])

        view.apply_positions(await account.positions_of("BTCUSDT"))

    assert view.leverages == {"BTCUSDT": Decimal(10)}


async def test_a_refused_position_mode_has_the_mode_read_again(autojump_clock, binance) -> None:
    refusal = {"code": -4061, "msg": "Order's position side does not match user's setting."}
    binance.rest["POST", "/fapi/v1/order"] = lambda _: (400, refusal)
    async with binance.account() as account:
        await account.positions_of("BTCUSDT")
        binance.rest[CONFIG] = lambda _: (200, one_way_config(dualSidePosition=True))
        with pytest.raises(RequestRejected) as caught:
            await account.orders.place(CLOSE)
        rows = await account.positions_of("BTCUSDT")

    assert caught.value.refusal is Refusal.POSITION_MODE
    assert [row.leg.position_idx for row in rows] == [HEDGE_LONG, HEDGE_SHORT]


async def test_settings_are_read_once_while_a_stream_is_live(autojump_clock, binance) -> None:
    binance.rest[RISK] = lambda _: (200, [position_row()])
    async with binance.account() as account, account.private_stream():
        for _ in range(3):
            await account.snapshot()

    assert len(binance.called(*CONFIG)) == 1
    assert len(binance.called("GET", "/fapi/v1/symbolConfig")) == 1
    assert len(binance.called(*RISK)) == 3


async def test_an_order_is_found_by_our_id_or_well_formed_not_found(autojump_clock, binance) -> None:
    path = ("GET", "/fapi/v1/order")
    async with binance.account() as account:
        binance.rest[path] = lambda _: (200, order_row(ID, avgPrice="100.25"))
        found = await account.find_order(CLOSE.leg, ID)
        binance.rest[path] = lambda _: (400, {"code": -2013, "msg": "Order does not exist."})
        missing = await account.find_order(CLOSE.leg, ID)
        binance.rest[path] = lambda _: (200, order_row("another"))
        with pytest.raises(MalformedMessage):
            await account.find_order(CLOSE.leg, ID)
        for answer in ((404, ""), (500, ""), (400, {"code": -9, "msg": ""})):
            binance.rest[path] = lambda _, answer=answer: answer
            with pytest.raises(OutcomeUnknown):
                await account.find_order(CLOSE.leg, ID)

    assert found is not None
    assert (found.state, found.average_price) == (OrderState.FILLED, Decimal("100.25"))
    assert missing is None
    assert binance.called(*path)[0].params["origClientOrderId"] == ID


async def test_a_leverage_is_whole_and_must_be_the_one_that_was_asked(autojump_clock, binance) -> None:
    leg = Leg("BTCUSDT")
    async with binance.account() as account:
        binance.rest[LEVERAGE] = lambda asked: (
            200,
            {"leverage": int(asked["leverage"]), "symbol": "BTCUSDT"},
        )
        await account.set_leverage(leg, Decimal("7.0"))
        binance.rest[LEVERAGE] = lambda asked: (200, {"leverage": 5})
        with pytest.raises(RequestRejected):
            await account.set_leverage(leg, Decimal(7))
        with pytest.raises(RequestRejected):
            await account.set_leverage(leg, Decimal("2.5"))

    assert [call.params["leverage"] for call in binance.called(*LEVERAGE)] == ["7", "7"]


async def test_a_refused_timestamp_of_a_read_is_put_right_at_once(autojump_clock, binance) -> None:
    binance.skew_ms = 3000
    answers: list[tuple[int, Any]] = [(400, {"code": -1021, "msg": "outside of the recvWindow"}), (200, [])]
    binance.rest[RISK] = lambda _: answers.pop(0)
    async with binance.account() as account:
        await account.snapshot()

    first, second = binance.called(*RISK)
    assert int(second.params["timestamp"]) - int(first.params["timestamp"]) == pytest.approx(3000, abs=10)


async def test_what_fails_is_raised_bare(autojump_clock, binance) -> None:
    binance.rest[RISK] = lambda _: (401, {"code": -2015, "msg": "Invalid API-key"})
    async with binance.account() as account:
        with pytest.raises(RequestRejected) as caught:
            await account.snapshot()

    assert caught.value.refusal is Refusal.AUTH


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("nautilus_docderived_http_positions_v2_hedge.json", {HEDGE_LONG: 20, HEDGE_SHORT: -10}),
        ("nautilus_docderived_http_positions_v2_one_way.json", {0: 0}),
    ],
)
def test_recorded_rows(name: str, sizes: dict[int, int]) -> None:
    folder = os.environ.get("COPYTRADER_RECORDINGS")
    if not folder:
        pytest.skip("COPYTRADER_RECORDINGS does not name a folder of recorded frames")
    rows = json.loads((Path(folder) / "binance" / name).read_text())

    found = [parse_position(row, read_at_ms=7) for row in rows]

    assert {row.leg.position_idx: row.size for row in found if row} == sizes
    assert all(
        row.seq == (raw["updateTime"] or (7 if row.size else 0))
        for row, raw in zip(found, rows, strict=True)
        if row
    )


async def test_an_absence_hides_no_row_that_is_told_later(autojump_clock, binance) -> None:
    """Dated by a guess, what a lagging read left out stayed flat until it was traded again."""
    view = AccountView()
    opened_ms = binance.clock.wall_ms() + 100
    async with binance.account() as account:
        await trio.sleep(3)
        view.apply_positions(await account.positions_of("BTCUSDT"))
        unseen = view.size(Leg("BTCUSDT"))
        binance.rest[RISK] = lambda _: (200, [position_row(updateTime=opened_ms)])
        view.apply_positions(await account.positions_of("BTCUSDT"))

    assert (unseen, view.size(Leg("BTCUSDT"))) == (0, Decimal("0.5"))


async def test_what_was_taken_for_gone_is_believed_again_when_it_can_no_longer_be_stale(
    autojump_clock, binance
) -> None:
    view, sizes = AccountView(), []
    held = [position_row(updateTime=binance.clock.wall_ms())]
    binance.rest[LEVERAGE] = lambda _: (200, {"leverage": 10, "symbol": "BTCUSDT"})
    async with binance.account() as account:
        for rows, wait_s in ((held, 6.0), ([], 0.1), (held, 6.0), (held, 6.0), ([], 0.1)):
            await account.set_leverage(Leg("BTCUSDT"), Decimal(10))
            binance.rest[RISK] = lambda _, rows=rows: (200, rows)
            view.apply_positions(await account.positions_of("BTCUSDT"))
            sizes.append(str(view.size(Leg("BTCUSDT"))))
            await trio.sleep(wait_s)

    assert sizes == ["0.5", "0", "0", "0.5", "0"]
