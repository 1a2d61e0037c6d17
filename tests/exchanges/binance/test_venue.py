"""What accounts share: the catalogue and its tiers, marks, the clock and the budgets."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from exchanges.binance.catalogue import common_step, parse_instrument
from exchanges.binance.clock import VenueClock
from exchanges.binance.limits import AddressLimits, OrderLimits
from exchanges.binance.marks import parse_marks_frame
from exchanges.clock import TrioClock
from exchanges.errors import MalformedMessage, RateLimited, StreamLost
from exchanges.pacing import Urgency
from exchanges.port import Credentials
from model.amounts import is_multiple
from model.instrument import InstrumentStatus
from tests.exchanges.binance.scripted import KEY, SECRET, ScriptedBinance

BTC = json.loads(
    '{"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"BTC",'
    '"quoteAsset":"USDT","marginAsset":"USDT","pricePrecision":2,"quantityPrecision":3,"filters":['
    '{"minPrice":"556.80","tickSize":"0.10","filterType":"PRICE_FILTER","maxPrice":"4529764"},'
    '{"minQty":"0.001","filterType":"LOT_SIZE","stepSize":"0.001","maxQty":"1000"},'
    '{"stepSize":"0.001","maxQty":"120","filterType":"MARKET_LOT_SIZE","minQty":"0.001"},'
    '{"filterType":"MAX_NUM_ORDERS","limit":200},{"notional":"50","filterType":"MIN_NOTIONAL"},'
    '{"multiplierDown":"0.9500","multiplierDecimal":"4","filterType":"PERCENT_PRICE","multiplierUp":"1.05"},'
    '{"filterType":"POSITION_RISK_CONTROL","positionControlSide":"NONE"}]}'
)
BRACKETS = [
    {
        "symbol": "BTCUSDT",
        "brackets": [
            {"bracket": 2, "initialLeverage": 50, "notionalCap": 1000000, "notionalFloor": 50000},
            {"bracket": 1, "initialLeverage": 100, "notionalCap": 50000, "notionalFloor": 0},
        ],
    }
]
INFO, TIERS = ("GET", "/fapi/v1/exchangeInfo"), ("GET", "/fapi/v1/leverageBracket")


@pytest.fixture
async def binance(autojump_clock) -> ScriptedBinance:
    return ScriptedBinance()


def test_an_instrument_of_the_live_catalogue() -> None:
    found = parse_instrument(BTC)

    assert found is not None
    assert (found.lot_size, found.min_quantity, found.tick_size) == (
        Decimal("0.001"),
        Decimal("0.001"),
        Decimal("0.1"),
    )
    assert (found.max_quantity, found.max_market_quantity, found.min_notional) == (1000, 120, 50)
    assert found.min_notional_exempts_reductions
    assert found.price_band == Decimal("0.045")
    assert found.status is InstrumentStatus.TRADING


@pytest.mark.parametrize(
    "change",
    [
        {"contractType": "TRADIFI_PERPETUAL"},
        {"contractType": "CURRENT_QUARTER"},
        {"quoteAsset": "USDC", "marginAsset": "USDC"},
    ],
)
def test_what_is_not_copied_is_not_listed(change: dict[str, str]) -> None:
    assert parse_instrument(BTC | change) is None


@pytest.mark.parametrize("status", ["SETTLING", "PENDING_TRADING", "CLOSE", "SOMETHING_NEW"])
def test_only_trading_is_trading(status: str) -> None:
    found = parse_instrument(BTC | {"status": status})

    assert found is not None
    assert found.status is InstrumentStatus.CLOSED


@given(a=st.decimals("0.0001", "1000", places=4), b=st.decimals("0.0001", "1000", places=4))
def test_a_common_step_suits_both(a: Decimal, b: Decimal) -> None:
    step = common_step(a, b)

    assert is_multiple(step, a)
    assert is_multiple(step, b)
    assert step <= a * b * 10_000


async def test_one_row_that_cannot_be_read_spoils_no_other(autojump_clock, binance) -> None:
    bad: Any = copy.deepcopy(BTC) | {"symbol": "ETHUSDT"}
    bad["filters"][1]["stepSize"] = "0"
    binance.rest[INFO] = lambda _: (200, {"symbols": [bad, BTC, {}, 7]})
    async with binance.serving() as venue:
        assert set(await venue.instruments()) == {"BTCUSDT"}
        for answer in ({"symbols": [bad]}, {"symbols": {}}, [], {}):
            binance.rest[INFO] = lambda _, answer=answer: (200, answer)
            with pytest.raises(MalformedMessage):
                await venue.instruments()


async def test_tiers_appear_once_an_account_could_read_them(autojump_clock, binance) -> None:
    binance.rest[INFO] = lambda _: (200, {"symbols": [BTC]})
    binance.rest[TIERS] = lambda _: (500, "")
    async with binance.serving() as venue:
        listed = await venue.instruments()
        account = venue.account(Credentials(api_key=KEY, api_secret=SECRET))
        await account.snapshot()
        without = listed["BTCUSDT"]
        binance.rest[TIERS] = lambda _: (200, BRACKETS)
        await trio.sleep(61)
        await account.snapshot()
        await account.snapshot()
        await account.aclose()

    assert (without.tiers, without.max_leverage) == ((), 125)
    told = listed["BTCUSDT"]
    assert [(tier.notional_max, tier.leverage_max) for tier in told.tiers] == [(50000, 100), (1000000, 50)]
    assert told.max_leverage == 100
    assert len(binance.called(*TIERS)) == 3  # one, asked twice because it was lost, then one


async def test_marks_by_stream_and_by_rest(autojump_clock, binance) -> None:
    rows = [
        {"e": "markPriceUpdate", "s": "BTCUSDT", "p": "100.5", "st": 1},
        {"s": "BTCUSD_PERP", "p": "1", "st": 2},
    ]
    binance.rest["GET", "/fapi/v1/premiumIndex"] = lambda _: (
        200,
        [{"symbol": "BTCUSDT", "markPrice": "76916.95122464"}, {"symbol": "NEW", "markPrice": "0"}],
    )
    async with binance.serving() as venue:
        read = await venue.read_marks()
        async with venue.marks(frozenset({"BTCUSDT"})) as updates:
            await binance.market[-1].send_message("{nonsense")
            await binance.market[-1].send_message(json.dumps(rows))
            streamed = await anext(updates)
            with pytest.raises(StreamLost):
                await anext(updates)

    assert read == {"BTCUSDT": Decimal("76916.95122464")}
    assert streamed == ("BTCUSDT", Decimal("100.5"))
    assert trio.current_time() == pytest.approx(10, abs=1)


@given(
    value=st.recursive(st.none() | st.integers() | st.text(max_size=4), lambda it: st.lists(it, max_size=3))
)
def test_any_frame_of_marks_is_read_or_refused(value: Any) -> None:
    try:
        parse_marks_frame(json.dumps(value))
    except MalformedMessage:
        return


@given(
    offset=st.integers(-5_000, 5_000),
    trips=st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 9_000)), min_size=1, max_size=12),
)
async def test_the_clock_is_corrected_by_no_more_than_is_proven(
    offset: int, trips: list[tuple[int, int]]
) -> None:
    clock = VenueClock(TrioClock())
    for out, back in trips:
        clock.measured(sent_ms=0, venue_ms=out + offset, received_ms=out + back)
        assert abs(clock.offset_ms) <= abs(offset)
        assert abs(clock.offset_ms - offset) <= out + back


async def test_a_clock_that_was_set_is_believed_anew() -> None:
    clock = VenueClock(TrioClock())
    clock.measured(sent_ms=0, venue_ms=2_000, received_ms=10)
    clock.measured(sent_ms=0, venue_ms=-2_000, received_ms=10)

    assert clock.offset_ms == -2_000


async def test_the_offset_is_what_the_venue_tells(autojump_clock, binance) -> None:
    binance.skew_ms = 700
    async with binance.serving() as venue:
        assert await venue.clock_offset_ms() == pytest.approx(700, abs=2)


async def test_background_reads_leave_weight_for_what_is_needed(autojump_clock) -> None:
    limits = AddressLimits(VenueClock(TrioClock()), paced=True)
    limits.learn_headers({"X-MBX-USED-WEIGHT-1M": "1500"})

    with pytest.raises(RateLimited):
        await limits.pass_request(5, Urgency.READ, 1.0)
    await limits.pass_request(5, Urgency.OPEN, 1.0)
    limits.learn_headers({"X-MBX-USED-WEIGHT-1M": "2000"})
    with pytest.raises(RateLimited):
        await limits.pass_request(5, Urgency.OPEN, 1.0)
    await limits.pass_request(1, Urgency.REDUCE, 1.0)

    assert limits.weight.used == 2001


async def test_a_new_minute_of_the_venue_is_a_new_budget(autojump_clock) -> None:
    clock = TrioClock(epoch_ms=1_750_000_040_000)  # 40 s before a full minute
    limits = AddressLimits(VenueClock(clock), paced=True)
    limits.learn_headers({"X-MBX-USED-WEIGHT-1M": "2400"})
    began = trio.current_time()

    await limits.pass_request(5, Urgency.READ, 60.0)

    left_s = (60_000 - 1_750_000_040_000 % 60_000) / 1000
    assert trio.current_time() - began == pytest.approx(left_s, abs=0.1)


@pytest.mark.parametrize("header", ["-1", "", "many", "٣"])
async def test_counts_that_are_none_change_nothing(autojump_clock, header: str) -> None:
    limits = AddressLimits(VenueClock(TrioClock()), paced=True)
    limits.learn_headers({"X-MBX-USED-WEIGHT-1M": header})

    assert limits.weight.used == 0


async def test_counts_and_limits_of_an_answer_by_websocket(autojump_clock) -> None:
    orders = OrderLimits(VenueClock(TrioClock()), paced=True)
    row = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100, "count": 80}
    orders.learn_limits([row, {"interval": []}, 7, None])

    with pytest.raises(RateLimited):
        await orders.pass_order(Urgency.OPEN)
    await orders.pass_order(Urgency.REDUCE)

    assert orders.windows[10_000].used == 81


async def test_who_waited_for_a_turn_does_not_leave_into_a_stop(autojump_clock) -> None:
    """The stop was looked at before the wait alone."""
    limits = AddressLimits(VenueClock(TrioClock()), paced=True)
    limits.learn_headers({"X-MBX-USED-WEIGHT-1M": "2400"})
    waited: list[RateLimited] = []

    async def wait() -> None:
        try:
            await limits.pass_request(1, Urgency.READ, 100.0)
        except RateLimited as error:
            waited.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(1)
        limits.stopped(RateLimited("too many", exchange="binance", retry_after_s=90.0), 429)

    assert [0 < error.retry_after_s < 90 for error in waited] == [True]
