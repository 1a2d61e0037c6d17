"""Rows and frames as the venue sends them, small; tests change one key at a time."""

from typing import Any

Json = dict[str, Any]


def execution(**changes: Any) -> Json:
    return {
        "category": "linear",
        "symbol": "SOLUSDT",
        "closedSize": "0",
        "execId": "3fb94d67",
        "execPrice": "233.02",
        "execQty": "0.2",
        "execType": "Trade",
        "orderId": "373b6927",
        "orderLinkId": "ab12",
        "side": "Buy",
        "execTime": "1759432560940",
        "isMaker": False,
        "seq": 227170130491,
    } | changes


def position(**changes: Any) -> Json:
    return {
        "positionIdx": 0,
        "symbol": "SOLUSDT",
        "side": "Buy",
        "size": "0.2",
        "entryPrice": "233.02",
        "leverage": "10",
        "markPrice": "233.029",
        "positionIM": "4.6876214",
        "updatedTime": "1759432560942",
        "category": "linear",
        "seq": 227170130491,
    } | changes


def order(**changes: Any) -> Json:
    return {
        "category": "linear",
        "symbol": "SOLUSDT",
        "orderId": "373b6927",
        "orderLinkId": "ab12",
        "side": "Buy",
        "positionIdx": 0,
        "orderStatus": "Filled",
        "cancelType": "UNKNOWN",
        "rejectReason": "EC_NoError",
        "avgPrice": "233.02",
        "qty": "0.2",
        "cumExecQty": "0.2",
        "createdTime": "1759432560940",
        "updatedTime": "1759432560942",
    } | changes


def wallet(**changes: Any) -> Json:
    coin = {
        "coin": "USDT",
        "equity": "11.47904524",
        "walletBalance": "11.47724524",
        "unrealisedPnl": "0.0018",
        "totalOrderIM": "0",
        "totalPositionIM": "4.6876214",
        "bonus": "0",
        "locked": "0",
    }
    return {"accountType": "UNIFIED", "totalAvailableBalance": "6.79608275", "coin": [coin]} | changes


def instrument(symbol: str = "SOLUSDT", **changes: Any) -> Json:
    return {
        "symbol": symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": symbol[:-4],
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {
            "maxOrderQty": "1190.000",
            "minOrderQty": "0.001",
            "qtyStep": "0.001",
            "maxMktOrderQty": "500.000",
            "minNotionalValue": "5",
        },
    } | changes


def frame(topic: str, *rows: Any) -> Json:
    return {"topic": topic, "id": "1_x_1", "creationTime": 1759432560944, "data": list(rows)}


def answer(result: Any, code: int = 0, text: str = "OK") -> Json:
    return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": 1759432560950}
