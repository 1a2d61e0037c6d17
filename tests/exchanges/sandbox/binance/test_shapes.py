"""What the sandbox says has the keys of what the venue was recorded, or is documented, to say."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from tests.exchanges.sandbox.binance.client import World

FOLDER = os.environ.get("COPYTRADER_RECORDINGS", "")
recordings = pytest.mark.skipif(not FOLDER, reason="COPYTRADER_RECORDINGS names no folder of recordings")


def words(*lines: str) -> set[str]:
    return {word for line in lines for word in line.split()}


ORDER_EVENT = words("s c S o f q p ap sp x X i l z L n N T t b a m R wt ot ps cp rp pP si ss V pm gtd er")
"""As recorded in May 2026; ``er`` came in October 2025."""
POSITION_EVENT = words("s pa ep cr up mt iw ps ma bep")
PLACED = words(
    "orderId symbol status clientOrderId price origQty executedQty cumQty timeInForce type",
    "reduceOnly closePosition side positionSide stopPrice workingType priceProtect origType",
    "priceMatch selfTradePreventionMode goodTillDate updateTime",
)
"""Of the answer to a new order since July 2026: no average price, no value."""
POSITION = words(
    "symbol positionSide positionAmt entryPrice breakEvenPrice markPrice unRealizedProfit",
    "liquidationPrice isolatedMargin notional marginAsset isolatedWallet initialMargin maintMargin",
    "positionInitialMargin openOrderInitialMargin adl bidNotional askNotional updateTime",
)
BALANCE = words(
    "accountAlias asset balance crossWalletBalance crossUnPnl availableBalance",
    "maxWithdrawAmount marginAvailable updateTime",
)
PREMIUM = words(
    "symbol markPrice indexPrice estimatedSettlePrice lastFundingRate interestRate nextFundingTime time"
)


def recorded(name: str) -> Any:
    return json.loads((Path(FOLDER) / "binance" / name).read_text())


async def events_of(world: World) -> dict[str, Any]:
    """Return the newest event of each kind after a trade and a change of leverage."""
    async with world.user_stream() as stream:
        await world.place()
        await world.ask("POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": 19})
        return {frame["e"]: frame for frame in await stream.frames()}


def types_of(row: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in row.items()}


@recordings
async def test_events_have_the_keys_and_types_that_were_recorded(
    world: World, autojump_clock: MockClock
) -> None:
    account, order, leverage, _ = recorded("unicornfy_ws_user_2021-04.json")
    lite = recorded("nautilus_ws_trade_lite_2024-09.json")
    ours = await events_of(world)

    assert types_of(ours["TRADE_LITE"]) == types_of(lite)
    assert types_of(ours["ACCOUNT_CONFIG_UPDATE"]) == types_of(leverage)
    assert types_of(ours["ACCOUNT_CONFIG_UPDATE"]["ac"]) == types_of(leverage["ac"])
    for event, part in ((account, "a"), (order, "o")):
        found = ours[event["e"]]
        assert types_of(found) == types_of(event)
        # Fields were added since 2021; none has gone, or is of another type.
        assert types_of(event[part]).items() <= types_of(found[part]).items()
    theirs, mine = account["a"], ours["ACCOUNT_UPDATE"]["a"]
    assert types_of(theirs["P"][0]).items() <= types_of(mine["P"][0]).items()
    assert types_of(theirs["B"][0]).items() <= types_of(mine["B"][0]).items()


@recordings
async def test_rows_have_the_keys_and_types_that_were_recorded(
    world: World, autojump_clock: MockClock
) -> None:
    await world.place()
    (trade,) = await world.get("/fapi/v1/userTrades", symbol="BTCUSDT")
    (position,) = await world.get("/fapi/v2/positionRisk", symbol="BTCUSDT")
    theirs = recorded("nautilus_docderived_http_positions_v2_one_way.json")[0]

    assert types_of(trade) == types_of(recorded("nautilus_http_user_trades_2022-02.json")[0])
    assert types_of(theirs).items() <= types_of(position).items()


async def test_events_and_answers_have_the_fields_of_2026(world: World, autojump_clock: MockClock) -> None:
    events = await events_of(world)
    placed = await world.place()
    (position,) = await world.get("/fapi/v3/positionRisk")
    (balance,) = await world.get("/fapi/v3/balance")
    premium = await world.send("GET", "/fapi/v1/premiumIndex?symbol=BTCUSDT", key="")

    assert set(events["ORDER_TRADE_UPDATE"]["o"]) == ORDER_EVENT
    assert set(events["ACCOUNT_UPDATE"]["a"]["P"][0]) == POSITION_EVENT
    assert set(events["ACCOUNT_UPDATE"]["a"]["B"][0]) == {"a", "wb", "cw", "bc"}
    assert set(placed) == PLACED
    assert set(position) == POSITION
    assert set(balance) == BALANCE
    assert set(premium.body) == PREMIUM
