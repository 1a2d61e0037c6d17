"""Signed bodies against the official client and the published vectors."""

import json
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils import signing as official
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.errors import Refusal, RequestRejected
from exchanges.hyperliquid.signing import Agent, action_hash, parse_address
from exchanges.hyperliquid.wire import format_leverage, format_order
from model.amounts import format_decimal
from model.leg import Leg, Side
from model.order import OrderRequest

KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
NONCE = 1763800000000
EXPIRY = 1763800005000

WORKED = {
    "type": "order",
    "orders": [
        {
            "a": 0,
            "b": True,
            "p": "97123",
            "s": "0.00123",
            "r": False,
            "t": {"limit": {"tif": "Ioc"}},
            "c": "0x1234567890abcdef1234567890abcdef",
        }
    ],
    "grouping": "na",
}

ACTIONS: list[dict[str, Any]] = [
    WORKED,
    {"type": "noop"},
    {"type": "updateLeverage", "asset": 110000, "isCross": False, "leverage": 25},
    {"type": "cancel", "cancels": [{"a": 3, "o": 321519065621}]},
    {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": "0x" + "0" * 32}]},
    {"type": "scheduleCancel", "time": 1763800009999},
    {"type": "updateIsolatedMargin", "asset": 5, "isBuy": True, "ntli": -1_000_000},
]


def official_signature(
    action: Any, nonce: int, *, vault: str | None, expires: int | None, mainnet: bool
) -> dict[str, Any]:
    wallet = Account.from_key(KEY)
    signed: dict[str, Any] = official.sign_l1_action(wallet, action, vault, nonce, expires, mainnet)
    return signed


def same_numbers(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """The official client drops leading zeros of r and s."""
    return all(int(ours[key], 16) == int(theirs[key], 16) for key in "rs") and ours["v"] == theirs["v"]


@pytest.mark.parametrize(
    ("vault", "expires", "expected"),
    [
        (None, None, "7460d0fcd1e4eecaeb4fbe2e63f68c1f0944823629a389ca4e7bdce60d5e10ac"),
        (VAULT, None, "4fc98de20846ba32b0cc9eecfbd72a037f4ea7fa77f414f00e3f8f1de01868c4"),
        (None, EXPIRY, "5673d4225696b101d86e7bc0d961f0722c6b8c4bf56387a1b46efcef567a5708"),
        (VAULT, EXPIRY, "6e8b2a35ec703028fa8f3ef4389c2c3c3d31d0591199411e26e7f7c81813b886"),
    ],
)
def test_an_action_hashes_to_the_worked_example(
    vault: str | None, expires: int | None, expected: str
) -> None:
    assert action_hash(WORKED, NONCE, vault=vault, expires_after_ms=expires).hex() == expected


def test_a_signature_is_the_worked_example() -> None:
    body = Agent(KEY, chain="mainnet").sign(WORKED, NONCE)

    assert body == {
        "action": WORKED,
        "nonce": NONCE,
        "signature": {
            "r": "0x13cecd71f9d09f43c1653507325f5e8bc71a790054e36c9024c7262d7bc5d5e7",
            "s": "0x6317367804b5016dcedc5a73ce4fb9fb48b53531d2b33d4a11bac67b8a8c0d43",
            "v": 27,
        },
    }
    testnet = Agent(KEY, chain="testnet").sign(WORKED, NONCE)["signature"]
    assert testnet["r"] == "0x7f9f6357ee4980421b8316b1eb1f54854e52a1a2cfbeaab597ce487c6a6d6320"


@pytest.mark.parametrize("chain", ["mainnet", "testnet"])
@pytest.mark.parametrize("expires", [None, EXPIRY])
@pytest.mark.parametrize("vault", [None, VAULT])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action["type"]))
def test_signatures_are_the_official_clients(
    action: dict[str, Any], vault: str | None, expires: int | None, chain: str
) -> None:
    body = Agent(KEY, chain=chain).sign(action, NONCE, vault=vault, expires_after_ms=expires)

    mainnet = chain == "mainnet"
    theirs = official_signature(action, NONCE, vault=vault, expires=expires, mainnet=mainnet)
    assert same_numbers(body["signature"], theirs)
    assert (body.get("vaultAddress"), body.get("expiresAfter")) == (vault, expires)
    recovered = official.recover_agent_or_user_from_l1_action(
        json.loads(json.dumps(action)), body["signature"], vault, NONCE, expires, mainnet
    )
    assert recovered.lower() == ADDRESS


amounts = st.decimals(min_value="0.00000001", max_value="99999999", places=8, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(
    price=amounts,
    quantity=amounts,
    buys=st.booleans(),
    reduces=st.booleans(),
    asset=st.integers(0, 300),
    client_id=st.binary(min_size=16, max_size=16),
    nonce=st.integers(1, 2**63),
)
def test_any_order_is_formatted_and_signed_as_the_official_client_does(
    price: Decimal, quantity: Decimal, buys: bool, reduces: bool, asset: int, client_id: bytes, nonce: int
) -> None:
    order = OrderRequest(
        client_order_id=client_id.hex(),
        leg=Leg("ANY"),
        side=Side.BUY if buys else Side.SELL,
        quantity=quantity,
        price=price,
        reduce_only=reduces,
    )

    action = format_order(order, asset=asset, price=price)

    theirs = official.order_wires_to_order_action(
        [
            official.order_request_to_order_wire(
                {
                    "coin": "ANY",
                    "is_buy": buys,
                    "sz": 1.0,
                    "limit_px": 1.0,
                    "order_type": {"limit": {"tif": "Ioc"}},
                    "reduce_only": reduces,
                    "cloid": official.Cloid.from_str("0x" + client_id.hex()),
                },
                asset,
            )
        ]
    )
    # The official client takes floats; what it would write of these decimals is compared apart.
    theirs["orders"][0] |= {"p": wire_text(price), "s": wire_text(quantity)}
    assert list(action) == list(theirs)
    assert list(action["orders"][0]) == list(theirs["orders"][0])
    assert action == theirs
    ours = Agent(KEY, chain="mainnet").sign(action, nonce)["signature"]
    assert same_numbers(ours, official_signature(theirs, nonce, vault=None, expires=None, mainnet=True))
    signer = official.recover_agent_or_user_from_l1_action(action, ours, None, nonce, None, True)
    assert signer.lower() == ADDRESS


def wire_text(value: Decimal) -> str:
    """Return what float_to_wire does, without its float."""
    return f"{value.normalize():f}"


@settings(deadline=None)
@given(st.decimals(min_value="0.001", max_value="99999", places=5, allow_nan=False))
def test_amounts_are_written_as_the_official_client_writes_them(value: Decimal) -> None:
    assert format_decimal(value) == official.float_to_wire(float(value))


def test_the_leverage_action_has_the_official_order_of_keys() -> None:
    action = format_leverage(asset=7, is_cross=True, leverage=3)

    assert list(action.items()) == [
        ("type", "updateLeverage"),
        ("asset", 7),
        ("isCross", True),
        ("leverage", 3),
    ]


@pytest.mark.parametrize("key", ["", "0x", "12", KEY + "0", "g" * 64, "0" * 64, "f" * 64])
def test_what_is_no_key_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(RequestRejected) as refused:
        Agent(key, chain="mainnet")

    assert refused.value.refusal is Refusal.AUTH
    assert len(key) < 8 or key not in repr(refused.value)


def test_an_agent_shows_its_address_and_never_its_key() -> None:
    agent = Agent(KEY[2:].upper(), chain="mainnet")

    assert agent.address == ADDRESS
    assert KEY[2:] not in repr(agent)


def test_addresses_go_in_lower_case_into_the_hash() -> None:
    assert parse_address("0x" + VAULT[2:].upper()) == VAULT
    with pytest.raises(ValueError):
        parse_address(VAULT[2:])
    with pytest.raises(ValueError):
        parse_address(VAULT + "0")
