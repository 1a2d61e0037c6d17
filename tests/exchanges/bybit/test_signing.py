"""Signatures equal the published vectors and the venue's own SDK."""

import json
from collections.abc import Callable
from decimal import Decimal
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybit._http_manager import generate_signature
from pybit._websocket_stream import _WebSocketManager
from pybit.unified_trading import HTTP
from requests import PreparedRequest, Session

from exchanges.bybit.signing import Signer
from exchanges.bybit.wire import format_leverage, format_order
from exchanges.port import Credentials
from model.amounts import format_decimal
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg, Side
from model.order import OrderRequest

SIGNER = Signer(Credentials(api_key="test_api_key", api_secret="test_secret"))
BODY = (
    '{"category":"linear","symbol":"BTCUSDT","side":"Buy","orderType":"Market","qty":"0.001",'
    '"positionIdx":0,"orderLinkId":"cp-1"}'
)


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            "category=linear&symbol=BTCUSDT",
            "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7",
        ),
        (BODY, "c78a950041f010411f6939bb72bf7994d1ff34c56161f727f0b7e4c60c2172f3"),
        (
            json.dumps(json.loads(BODY)),
            "6cce7682a41e6e199e8facbea0d2ddb89dc687c2ef0aa7add0506b0700298e33",
        ),
        ("", "cfffd774219bfa1d400476f699f830daaedcd3c41faa1dbdda95a8f4dd8170cc"),
    ],
)
def test_requests_are_signed_as_published(payload: str, signature: str) -> None:
    headers = SIGNER.headers(payload, timestamp_ms=1_700_000_000_000, recv_window_ms=5_000)

    assert headers == {
        "X-BAPI-API-KEY": "test_api_key",
        "X-BAPI-TIMESTAMP": "1700000000000",
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": signature,
        "X-BAPI-SIGN-TYPE": "2",
    }


@pytest.mark.parametrize(
    ("expires", "signature"),
    [
        (1_700_000_010_000, "f01084fb6f298f64707f648000637356f4fc4cd484f1eeb04a6e79ae44339d71"),
        (1_700_000_000_000, "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925"),
    ],
)
def test_sessions_are_signed_as_published(expires: int, signature: str) -> None:
    assert SIGNER.session(expires) == ["test_api_key", expires, signature]


@given(
    secret=st.text(min_size=1, max_size=40),
    key=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1),
    payload=st.text(max_size=200),
    timestamp=st.integers(0, 2**45),
    window=st.integers(1, 60_000),
)
def test_requests_are_signed_as_the_sdk_signs_them(
    secret: str, key: str, payload: str, timestamp: int, window: int
) -> None:
    ours = Signer(Credentials(api_key=key, api_secret=secret)).headers(
        payload, timestamp_ms=timestamp, recv_window_ms=window
    )

    assert ours["X-BAPI-SIGN"] == generate_signature(False, secret, f"{timestamp}{key}{window}{payload}")


@given(st.integers(0, 2**45))
def test_sessions_are_signed_as_the_sdk_signs_them(now_ms: int) -> None:
    sdk = _WebSocketManager(
        lambda message: None,
        "test",
        False,
        api_key="test_api_key",
        api_secret="test_secret",
        private_auth_expire=8,
    )
    sdk.ws = mock.Mock()
    with mock.patch("pybit._helpers.generate_timestamp", return_value=now_ms):
        sdk._auth()

    sent = json.loads(sdk.ws.send.call_args.args[0])
    assert sent["args"] == SIGNER.session(now_ms + 8_000)


def test_secrets_are_not_printed() -> None:
    assert "test" not in repr(SIGNER)


def sent_by_pybit(call: Callable[[HTTP], object], time_ms: int, window_ms: int = 3_000) -> PreparedRequest:
    """Return the whole request that the SDK makes of a call, caught at its session."""
    caught: list[PreparedRequest] = []

    def catch(session: Session, request: PreparedRequest, **_: object) -> None:
        caught.append(request)
        raise InterruptedError

    session = HTTP(api_key="test_api_key", api_secret="test_secret", recv_window=window_ms)
    patched = mock.patch("pybit._helpers.generate_timestamp", return_value=time_ms)
    with patched, mock.patch.object(Session, "send", catch), pytest.raises(InterruptedError):
        call(session)
    session.client.close()
    return caught[0]


def assert_same(theirs: PreparedRequest, body: str, time_ms: int, window_ms: int = 3_000) -> None:
    headers = SIGNER.headers(body, timestamp_ms=time_ms, recv_window_ms=window_ms)
    assert theirs.body is not None
    assert body.encode() == (theirs.body if isinstance(theirs.body, bytes) else theirs.body.encode())
    assert {name: str(theirs.headers[name]) for name in headers} == headers


LEGS = (ONE_WAY, HEDGE_LONG, HEDGE_SHORT)
amounts = st.decimals("0.00000001", "99999999", places=8)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("position_idx", LEGS)
@pytest.mark.parametrize("price", [None, "64000.5", "1E+3", "0.00000120"])
@settings(max_examples=20, deadline=None)
@given(quantity=amounts, scale=amounts, time_ms=st.integers(10**12, 2**45), client_id=st.uuids())
def test_an_order_is_the_sdks_byte_for_byte(side, position_idx, price, quantity, scale, time_ms, client_id):
    limit = None if price is None else Decimal(price) * scale
    order = OrderRequest(
        client_order_id=client_id.hex,
        leg=Leg("1000PEPEUSDT", position_idx),
        side=side,
        quantity=quantity,
        price=limit,
        reduce_only=limit is None,
    )

    def place(session: HTTP) -> object:
        kind = {"price": format_decimal(limit), "timeInForce": "IOC"} if limit is not None else {}
        return session.place_order(
            category="linear",
            symbol="1000PEPEUSDT",
            side="Buy" if side is Side.BUY else "Sell",
            orderType="Market" if limit is None else "Limit",
            qty=format_decimal(quantity),
            positionIdx=position_idx,
            reduceOnly=limit is None,
            orderLinkId=client_id.hex,
            **kind,
        )

    assert_same(sent_by_pybit(place, time_ms), format_order(order), time_ms)


@settings(max_examples=20, deadline=None)
@given(leverage=st.decimals("1", "200", places=2), time_ms=st.integers(10**12, 2**45))
def test_a_leverage_is_the_sdks_byte_for_byte(leverage: Decimal, time_ms: int) -> None:
    text = format_decimal(leverage)

    def change(session: HTTP) -> object:
        return session.set_leverage(category="linear", symbol="BTCUSDT", buyLeverage=text, sellLeverage=text)

    assert_same(sent_by_pybit(change, time_ms), format_leverage("BTCUSDT", leverage), time_ms)
