"""Reads and settings of one account, its venue's catalogue, marks and clock, by REST."""

import json
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from exchanges.errors import (
    MalformedMessage,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestNotSent,
    RequestRejected,
)
from model.instrument import InstrumentStatus
from model.leg import Leg, PositionMode, Side
from model.order import OrderState
from tests.exchanges.bybit import samples
from tests.exchanges.bybit.scripted import KEYS, Drop, Scripted, no, ok
from tests.exchanges.fakes import serving

D = Decimal
LEG = Leg("SOLUSDT", 0)
POSITIONS, WALLET = "/v5/position/list", "/v5/account/wallet-balance"
RISK = "/v5/market/risk-limit"
REALTIME, HISTORY, FILLS = "/v5/order/realtime", "/v5/order/history", "/v5/execution/list"
LEVERAGE = "/v5/position/set-leverage"
EMPTY = {"list": [], "nextPageCursor": "", "category": "linear"}


def page(*rows: object, cursor: str = "") -> dict[str, object]:
    return {"list": list(rows), "nextPageCursor": cursor}


async def test_a_snapshot_reads_every_page_and_the_wallet(autojump_clock: MockClock) -> None:
    bybit = Scripted(
        rest={
            POSITIONS: [
                ok(page(samples.position(), cursor="a%3Db%26c")),
                ok(page(samples.position(symbol="XRPUSDT"), samples.position(symbol="BTCUSDT-27MAR26"))),
            ],
            WALLET: [ok(page(samples.wallet()))],
        }
    )
    async with bybit.account() as account:
        snapshot = await account.snapshot()

    assert [row.leg.symbol for row in snapshot.positions] == ["SOLUSDT", "XRPUSDT"]
    assert snapshot.wallet.wallet_balance == D("11.47724524")
    assert snapshot.wallet.venue_time_ms == 1759432560950
    assert [request.query for request in bybit.asked(POSITIONS)] == [
        "category=linear&settleCoin=USDT&limit=200",
        "category=linear&settleCoin=USDT&limit=200&cursor=a%3Db%26c",
    ]


async def test_what_a_snapshot_fails_with_is_not_in_a_group(autojump_clock: MockClock) -> None:
    bybit = Scripted(rest={POSITIONS: [ok(EMPTY)], WALLET: [no(10003)]})
    async with bybit.account() as account:
        with pytest.raises(RequestRejected) as refused:
            await account.snapshot()

    assert refused.value.refusal is Refusal.AUTH


async def test_a_row_that_cannot_be_read_spoils_the_snapshot(autojump_clock: MockClock) -> None:
    rows = page(samples.position(), samples.position(size="?"))
    bybit = Scripted(rest={POSITIONS: [ok(rows)], WALLET: [ok(page(samples.wallet()))]})
    async with bybit.account() as account:
        with pytest.raises(MalformedMessage):
            await account.snapshot()


async def test_a_cursor_that_never_ends_is_malformed(autojump_clock: MockClock) -> None:
    numbers = iter(range(10_000))
    bybit = Scripted(
        rest={
            POSITIONS: [lambda query: ok(page(samples.position(), cursor=f"c{next(numbers)}"))],
            WALLET: [ok(page(samples.wallet()))],
        }
    )
    async with bybit.account() as account:
        with pytest.raises(MalformedMessage):
            await account.snapshot()


async def test_the_mode_is_told_by_the_rows_of_a_symbol(autojump_clock: MockClock) -> None:
    hedge = [samples.position(positionIdx=i, side="", size="0") for i in (1, 2)]
    bybit = Scripted(rest={POSITIONS: [ok(page(samples.position())), ok(page(*hedge)), ok(EMPTY)]})
    async with bybit.account() as account:
        assert await account.position_mode("SOLUSDT") is PositionMode.ONE_WAY
        assert await account.position_mode("SOLUSDT") is PositionMode.HEDGE
        with pytest.raises(MalformedMessage):
            await account.position_mode("SOLUSDT")


async def test_an_order_is_looked_for_in_three_places(autojump_clock: MockClock) -> None:
    bybit = Scripted(rest={REALTIME: [ok(EMPTY)], HISTORY: [ok(EMPTY)], FILLS: [ok(EMPTY)]})
    async with bybit.account() as account:
        assert await account.find_order(LEG, "ab12") is None

    assert [request.path for request in bybit.http.asked] == [REALTIME, HISTORY, FILLS]
    assert {request.query for request in bybit.http.asked} == {
        "category=linear&symbol=SOLUSDT&orderLinkId=ab12"
    }


async def test_an_order_is_found_in_the_history(autojump_clock: MockClock) -> None:
    other = samples.order(orderLinkId="cd")
    bybit = Scripted(rest={REALTIME: [ok(page(other))], HISTORY: [ok(page(other, samples.order()))]})
    async with bybit.account() as account:
        report = await account.find_order(LEG, "ab12")

    assert report is not None
    assert (report.state, report.filled) == (OrderState.FILLED, D("0.2"))


async def test_an_order_of_which_only_fills_are_known_is_not_missing(autojump_clock: MockClock) -> None:
    fill, more = samples.execution(), samples.execution(execId="2", execQty="0.6", execPrice="237.02")
    bybit = Scripted(rest={REALTIME: [ok(EMPTY)], HISTORY: [ok(EMPTY)], FILLS: [ok(page(fill, fill, more))]})
    async with bybit.account() as account:
        report = await account.find_order(LEG, "ab12")

    assert report is not None
    assert report.side is Side.BUY
    assert (report.state, report.filled, report.average_price) == (
        OrderState.ACCEPTED,
        D("0.8"),
        D("236.02"),
    )


@pytest.mark.parametrize("path", [REALTIME, HISTORY, FILLS])
@pytest.mark.parametrize("reply", [no(10016), no(10006), no(99), ok({}), (502, {}, b"<html>"), Drop()])
async def test_an_answer_that_is_none_is_no_evidence(
    autojump_clock: MockClock, path: str, reply: object
) -> None:
    rest = {REALTIME: [ok(EMPTY)], HISTORY: [ok(EMPTY)], FILLS: [ok(EMPTY)]} | {path: [reply]}
    async with Scripted(rest=rest).account() as account:  # type: ignore[arg-type]
        with pytest.raises((OutcomeUnknown, RequestNotSent, MalformedMessage)):
            await account.find_order(LEG, "ab12")


async def test_a_read_that_was_lost_is_asked_for_once_more(autojump_clock: MockClock) -> None:
    bybit = Scripted(rest={POSITIONS: [Drop(), ok(page(samples.position())), Drop()]})
    async with bybit.account() as account:
        assert len(await account.positions_of("SOLUSDT")) == 1
        with pytest.raises(OutcomeUnknown):
            await account.positions_of("SOLUSDT")

    assert len(bybit.asked(POSITIONS)) == 4


async def test_leverage_that_is_set_already_is_success(autojump_clock: MockClock) -> None:
    bybit = Scripted(rest={LEVERAGE: [no(110043), ok({}), no(110013)]})
    async with bybit.account() as account:
        await account.set_leverage(LEG, D("7.50"))
        await account.set_leverage(LEG, D(10))
        with pytest.raises(RequestRejected) as refused:
            await account.set_leverage(LEG, D(200))

    assert refused.value.refusal is Refusal.LEVERAGE
    sent = bybit.asked(LEVERAGE)[0]
    assert json.loads(sent.body) == {
        "category": "linear",
        "symbol": "SOLUSDT",
        "buyLeverage": "7.5",
        "sellLeverage": "7.5",
    }
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["x-bapi-api-key"] == "key"


async def test_a_rate_limit_holds_its_pool_back_until_the_reset(autojump_clock: MockClock) -> None:
    headers = {"X-Bapi-Limit-Reset-Timestamp": str(1759432560950 + 400)}
    bybit = Scripted(rest={POSITIONS: [no(10006, **headers), ok(page(samples.position()))]}, paced=True)
    async with bybit.account() as account:
        with pytest.raises(RateLimited) as refused:
            await account.positions_of("SOLUSDT")
        await account.positions_of("SOLUSDT")

    assert refused.value.retry_after_s == pytest.approx(0.4)
    assert trio.current_time() == pytest.approx(0.4)


async def test_a_blocked_address_asks_nothing_for_ten_minutes(autojump_clock: MockClock) -> None:
    bybit = Scripted(rest={POSITIONS: [(403, {}, b"access too frequent")]}, paced=True)
    async with bybit.account() as account:
        for _ in range(3):
            with pytest.raises(RateLimited) as refused:
                await account.positions_of("SOLUSDT")
        assert len(bybit.http.asked) == 1
        assert refused.value.retry_after_s > 500


async def test_reads_keep_to_the_budget_of_their_key(autojump_clock: MockClock) -> None:
    bybit = Scripted(rest={POSITIONS: [ok(page(samples.position()))]}, paced=True)
    async with bybit.account() as account, trio.open_nursery() as nursery:
        for _ in range(120):
            nursery.start_soon(account.positions_of, "SOLUSDT")

    assert 2.0 < trio.current_time() < 3.0
    assert len(bybit.http.asked) == 120


async def test_the_catalogue_has_every_page_and_what_is_being_delisted(autojump_clock: MockClock) -> None:
    def listed(query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if query["status"] == "Delivering":
            return ok(page(samples.instrument("OLDUSDT", status="Delivering")))
        if query["status"] == "PreLaunch":
            return no(10001, "params error: status")
        if "cursor" in query:
            return ok(page(samples.instrument("BUSDT"), {"symbol": "BROKEN"}))
        return ok(
            page(
                samples.instrument("AUSDT"), samples.instrument("AUSDC", settleCoin="USDC"), cursor="next%3D1"
            )
        )

    bybit = Scripted(rest={"/v5/market/instruments-info": [listed]})
    async with serving(bybit.network, rest=bybit.http.serve):
        found = await bybit.venue().instruments()

    assert set(found) == {"AUSDT", "BUSDT", "OLDUSDT"}
    assert found["OLDUSDT"].status is InstrumentStatus.REDUCE_ONLY
    assert found["AUSDT"].tick_size == D("0.10")


def tier(symbol: str, notional: str, leverage: str) -> dict[str, object]:
    return {"id": 1, "symbol": symbol, "riskLimitValue": notional, "maxLeverage": leverage}


async def test_leverage_tiers_come_with_the_second_reading_page_by_page(autojump_clock: MockClock) -> None:
    """A start waits for the first one; a symbol of which one tier cannot be read has none."""

    def risks(query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if "cursor" in query:
            return ok(
                page(tier("BUSDT", "1000", "25.5"), tier("CUSDT", "9", "1"), tier("CUSDT", "much", "2"))
            )
        return ok(page(tier("AUSDT", "400", "20"), tier("AUSDT", "200", "50.00"), cursor="next%3D1"))

    listed = [samples.instrument(symbol) for symbol in ("AUSDT", "BUSDT", "CUSDT")]
    bybit = Scripted(
        rest={"/v5/market/instruments-info": [ok(page(*listed))], RISK: [no(10006), risks, risks, no(10016)]}
    )
    venue = bybit.venue()
    async with serving(bybit.network, rest=bybit.http.serve):
        first = await venue.instruments()
        assert bybit.asked(RISK) == []
        refused = await venue.instruments()
        found = await venue.instruments()
        fresh = await venue.instruments()
        assert len(bybit.asked(RISK)) == 3
        await trio.sleep(3_600)
        kept = await venue.instruments()

    assert first["AUSDT"].tiers == refused["AUSDT"].tiers == ()
    assert found == fresh == kept
    assert [(it.notional_max, it.leverage_max) for it in found["AUSDT"].tiers] == [
        (D(200), D(50)),
        (D(400), D(20)),
    ]
    assert [(it.notional_max, it.leverage_max) for it in found["BUSDT"].tiers] == [(D(1000), D("25.5"))]
    assert found["CUSDT"].tiers == ()
    assert len(bybit.asked(RISK)) > 3


async def test_all_marks_at_once(autojump_clock: MockClock) -> None:
    rows = [
        {"symbol": "AUSDT", "markPrice": "1.5"},
        {"symbol": "BUSDT", "markPrice": ""},
        {"symbol": "CPERP", "markPrice": "3"},
        {"symbol": "DUSDT", "markPrice": "-1"},
    ]
    bybit = Scripted(rest={"/v5/market/tickers": [ok(page(*rows))]})
    async with serving(bybit.network, rest=bybit.http.serve):
        assert await bybit.venue().read_marks() == {"AUSDT": D("1.5")}


async def test_the_clock_offset_is_the_venues_time_against_the_middle_of_the_question(
    autojump_clock: MockClock,
) -> None:
    bybit = Scripted(rest={POSITIONS: [ok(page(samples.position()))]})
    venue = bybit.venue()
    account = venue.account(KEYS)
    nano = str((1_750_000_000_000 + 1_200) * 1_000_000)
    bybit.rest["/v5/market/time"] = [ok({"timeSecond": "1750000001", "timeNano": nano})]
    async with serving(bybit.network, rest=bybit.http.serve):
        offset_ms = await venue.clock_offset_ms()
        await account.positions_of("SOLUSDT")

    assert offset_ms == 1_200
    assert bybit.asked(POSITIONS)[0].headers["x-bapi-timestamp"] == "1750000001200"
