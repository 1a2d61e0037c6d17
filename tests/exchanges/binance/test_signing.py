"""What we sign is what Binance's own client signs."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.binance.signing import Signer
from exchanges.binance.wire import format_leverage, format_order
from exchanges.port import Credentials
from model.amounts import format_decimal
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, Side
from model.order import OrderRequest

DOC_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
DOC_KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
TIME_MS = 1795340000123
CLOSE = (
    ("symbol", "ETHUSDT"),
    ("side", "SELL"),
    ("type", "MARKET"),
    ("quantity", "0.250"),
    ("reduceOnly", "true"),
    ("newClientOrderId", "cp_7f3a-000001"),
    ("newOrderRespType", "RESULT"),
)

sdk = pytest.importorskip("binance_common.utils", reason="the official client is not installed")


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(Credentials(api_key=DOC_KEY, api_secret=DOC_SECRET))


def test_the_published_vector(signer: Signer) -> None:
    payload = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
        "&recvWindow=5000&timestamp=1591702613943"
    )

    assert signer.sign(payload) == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


def test_rest_vectors(signer: Signer) -> None:
    close = signer.query(CLOSE, timestamp_ms=TIME_MS, window_ms=3000)
    bare = signer.query((), timestamp_ms=TIME_MS, window_ms=3000)

    assert close.endswith("&signature=97a8937e11d31a858cc798f392422c07b48324cfdb7f4e94903d2578a4165684")
    assert bare.endswith("&signature=e206d23b9a0a12efba4d99782727b0cb4b5adb496182f8d1ccc5145b53ffc6b9")


def test_the_vector_of_order_entry_by_websocket(signer: Signer) -> None:
    request = json.loads(signer.request("7", "order.place", CLOSE, timestamp_ms=TIME_MS, window_ms=3000))

    assert (request["id"], request["method"]) == ("7", "order.place")
    assert request["params"]["signature"] == (
        "76aad81d1473edd899da87035c5ddf065e84f97cb031d83c792e438db84d87f9"
    )
    assert request["params"]["timestamp"] == TIME_MS  # an integer: decimals are texts, integers are not


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12)
decimals = st.decimals(min_value="0.00000001", max_value="99999999", places=8).map(lambda d: format(d, "f"))


@given(symbol=texts, quantity=decimals, price=decimals, time_ms=st.integers(1, 2**53))
def test_any_rest_query_equals_the_official_client_s(symbol, quantity, price, time_ms) -> None:
    signer = Signer(Credentials(api_key=DOC_KEY, api_secret=DOC_SECRET))
    params = (("symbol", symbol), ("quantity", quantity), ("price", price))

    ours = signer.query(params, timestamp_ms=time_ms, window_ms=2500)

    theirs = sdk.encoded_string(dict(params) | {"recvWindow": 2500, "timestamp": time_ms})
    assert ours == f"{theirs}&signature={sdk.hmac_hashing(DOC_SECRET, theirs)}"


@given(symbol=texts, quantity=decimals, price=decimals, time_ms=st.integers(1, 2**53))
def test_any_request_by_websocket_equals_the_official_client_s(symbol, quantity, price, time_ms) -> None:
    signer = Signer(Credentials(api_key=DOC_KEY, api_secret=DOC_SECRET))
    params = (("symbol", symbol), ("quantity", quantity), ("price", price))

    ours = json.loads(signer.request("1", "order.place", params, timestamp_ms=time_ms, window_ms=2500))

    config = type("Config", (), {"api_key": DOC_KEY, "api_secret": DOC_SECRET, "private_key": None})
    asked = dict(params) | {"recvWindow": 2500, "timestamp": time_ms}
    assert ours["params"] == dict(sdk.websocket_api_signature(config, asked))


def make_order(leg: Leg, side: Side, *, reduce_only: bool, price: str | None) -> OrderRequest:
    return OrderRequest(
        client_order_id="0123456789abcdef0123456789abcdef",
        leg=leg,
        side=side,
        quantity=Decimal("0.250"),
        price=None if price is None else Decimal(price),
        reduce_only=reduce_only,
    )


ORDERS = [
    make_order(Leg("ETHUSDT", ONE_WAY), Side.BUY, reduce_only=False, price="2500.10"),
    make_order(Leg("ETHUSDT", ONE_WAY), Side.SELL, reduce_only=True, price=None),
    make_order(Leg("ETHUSDT", HEDGE_LONG), Side.BUY, reduce_only=False, price="2500"),
    make_order(Leg("ETHUSDT", HEDGE_LONG), Side.SELL, reduce_only=True, price=None),
    make_order(Leg("ETHUSDT", HEDGE_SHORT), Side.SELL, reduce_only=False, price="1E+3"),
    make_order(Leg("ETHUSDT", HEDGE_SHORT), Side.BUY, reduce_only=True, price=None),
]


def sent_by_the_client(call: Callable[[Any], object]) -> tuple[str, int]:
    """Return the query that the official client makes of a call, caught at its session, and its time."""
    from binance_common.configuration import ConfigurationRestAPI
    from binance_sdk_derivatives_trading_usds_futures.rest_api import DerivativesTradingUsdsFuturesRestAPI

    caught: list[str] = []

    def catch(session: Any, request: Any, **_: Any) -> None:
        caught.append(request.url)
        raise ConnectionResetError

    client = DerivativesTradingUsdsFuturesRestAPI(
        ConfigurationRestAPI(api_key=DOC_KEY, api_secret=DOC_SECRET, base_path="http://x.test", retries=0)
    )
    with patch("requests.Session.send", catch), pytest.raises(ConnectionResetError):
        call(client)
    query = caught[0].partition("?")[2]
    return query, int(dict(parse_qsl(query))["timestamp"])


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order.leg}-{order.side.name}")
@settings(max_examples=25, deadline=None)
@given(quantity=decimals, price=decimals)
def test_an_order_is_the_official_clients_byte_for_byte(order, quantity, price) -> None:
    order = attrs.evolve(
        order, quantity=Decimal(quantity), price=None if order.price is None else Decimal(price)
    )
    params = dict(format_order(order))

    theirs, time_ms = sent_by_the_client(
        lambda client: client.new_order(
            symbol=order.leg.symbol,
            side=order.side.name,
            type="MARKET" if order.price is None else "LIMIT",
            quantity=format_decimal(order.quantity),
            price=None if order.price is None else format_decimal(order.price),
            time_in_force=None if order.price is None else "IOC",
            position_side=params.get("positionSide"),
            reduce_only=params.get("reduceOnly"),
            new_client_order_id=order.client_order_id,
            new_order_resp_type="RESULT",
            recv_window=3000,
        )
    )

    signer = Signer(Credentials(api_key=DOC_KEY, api_secret=DOC_SECRET))
    assert signer.query(format_order(order), timestamp_ms=time_ms, window_ms=3000) == theirs


def test_a_leverage_is_the_official_clients_byte_for_byte(signer: Signer) -> None:
    theirs, time_ms = sent_by_the_client(
        lambda client: client.change_initial_leverage(symbol="ETHUSDT", leverage=7, recv_window=5000)
    )

    ours = format_leverage("ETHUSDT", Decimal("7.00"))
    assert signer.query(ours, timestamp_ms=time_ms, window_ms=5000) == theirs


def test_a_signer_prints_no_secret(signer: Signer) -> None:
    assert DOC_SECRET not in repr(signer)
    assert DOC_KEY not in repr(signer)
