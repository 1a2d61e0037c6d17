"""Ready-made orders for the floor, as each venue takes them: signed before the clock starts."""

import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache

import attrs

from exchanges.binance.signing import Signer as BinanceSigner
from exchanges.bybit.signing import Signer as BybitSigner
from exchanges.hyperliquid.signing import Agent
from exchanges.hyperliquid.wire import format_order
from exchanges.port import OrderRequest
from model.leg import Leg, Side
from tests.bench.accounts import SYMBOL, credentials

LOGIN_LIFE_MS = 8_000
WINDOW_MS = 60_000
FAR = {"Buy": Decimal(100_000), "Sell": Decimal(30_000)}
"""Limits on the far side of every price of the bench."""


@attrs.frozen(kw_only=True)
class Craft:
    """How orders reach one venue by WebSocket."""

    path: str
    order: Callable[[str, str, str, str], str]
    """Of an account, with an id, a side (Buy, Sell) and a quantity: the message."""
    login: Callable[[str], str] = lambda _: ""
    """What an account says first, "" where every order is signed."""
    shares_socket: bool = False
    """All accounts' orders leave by one, as the engine's do there."""


def bybit_login(name: str) -> str:
    """Return the message that authenticates a socket of Bybit."""
    arguments = BybitSigner(credentials(name)).session(_now_ms() + LOGIN_LIFE_MS)
    return json.dumps({"op": "auth", "args": arguments})


def _on_bybit(name: str, order_id: str, side: str, quantity: str) -> str:
    order = {"category": "linear", "symbol": SYMBOL, "side": side, "orderType": "Market"}
    order |= {"qty": quantity, "positionIdx": 0, "reduceOnly": False, "orderLinkId": order_id}
    header = {"X-BAPI-TIMESTAMP": str(_now_ms()), "X-BAPI-RECV-WINDOW": "5000"}
    # As compact as the engine writes it.
    message = {"reqId": order_id, "header": header, "op": "order.create", "args": [order]}
    return json.dumps(message, separators=(",", ":"))


def _on_binance(name: str, order_id: str, side: str, quantity: str) -> str:
    params = [("symbol", SYMBOL), ("side", side.upper()), ("type", "MARKET"), ("quantity", quantity)]
    params += [("newClientOrderId", order_id), ("newOrderRespType", "RESULT")]
    signer = BinanceSigner(credentials(name, "binance"))
    return signer.request(order_id, "order.place", params, timestamp_ms=_now_ms(), window_ms=WINDOW_MS)


def _on_hyperliquid(name: str, order_id: str, side: str, quantity: str) -> str:
    order = OrderRequest(
        leg=Leg("BTC"),
        side=Side.BUY if side == "Buy" else Side.SELL,
        quantity=Decimal(quantity),
        price=FAR[side],
        reduce_only=False,
        client_order_id=order_id.zfill(32),
    )
    body = _agent(name).sign(format_order(order, asset=0, price=FAR[side]), _now_ms())
    message = {"method": "post", "id": int(order_id), "request": {"type": "action", "payload": body}}
    return json.dumps(message, separators=(",", ":"))


@cache
def _agent(name: str) -> Agent:
    return Agent(credentials(name, "hyperliquid").api_secret, chain="testnet")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


CRAFTS: Mapping[str, Craft] = {
    "bybit": Craft(path="/v5/trade", order=_on_bybit, login=bybit_login),
    "binance": Craft(path="/ws-fapi/v1", order=_on_binance),
    "hyperliquid": Craft(path="/ws", order=_on_hyperliquid, shares_socket=True),
}
