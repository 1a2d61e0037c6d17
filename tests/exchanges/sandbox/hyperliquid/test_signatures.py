"""Who signed: the sheet's vectors, the official signer, and everything that makes another signer of one."""

from typing import Any

import attrs
import eth_account
import pytest
from hyperliquid.utils.signing import sign_l1_action
from trio.testing import MockClock

from exchanges.sandbox.hyperliquid.actions import Undeserializable, parse_request
from exchanges.sandbox.hyperliquid.nonces import Nonces
from exchanges.sandbox.hyperliquid.signing import NOBODY, address_of, connection_id, signer_of
from tests.exchanges.sandbox.hyperliquid.client import SUB, World, cloid, order

KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"
VAULT = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
EXPIRY = 1763800005000
ORDER = {
    "type": "order",
    "orders": [order(True, "0.00123", "97123", c="0x1234567890abcdef1234567890abcdef")],
    "grouping": "na",
}
SIGNATURE = {
    "r": "0x13cecd71f9d09f43c1653507325f5e8bc71a790054e36c9024c7262d7bc5d5e7",
    "s": "0x6317367804b5016dcedc5a73ce4fb9fb48b53531d2b33d4a11bac67b8a8c0d43",
    "v": 27,
}
BODY = {"action": ORDER, "nonce": 1763800000000, "signature": SIGNATURE}


def signed(action: dict[str, Any], *, sent: dict[str, Any] | None = None) -> str:
    """Return who signed, when one action was signed and another one sent."""
    wallet = eth_account.Account.from_key(KEY)
    signature = sign_l1_action(wallet, action, None, 5, None, False)
    return signer_of(parse_request({"action": sent or action, "nonce": 5, "signature": signature}), "testnet")


@pytest.mark.parametrize(
    ("vault", "expiry", "digest"),
    [
        (None, None, "7460d0fcd1e4eecaeb4fbe2e63f68c1f0944823629a389ca4e7bdce60d5e10ac"),
        (VAULT, None, "4fc98de20846ba32b0cc9eecfbd72a037f4ea7fa77f414f00e3f8f1de01868c4"),
        (None, EXPIRY, "5673d4225696b101d86e7bc0d961f0722c6b8c4bf56387a1b46efcef567a5708"),
        (VAULT, EXPIRY, "6e8b2a35ec703028fa8f3ef4389c2c3c3d31d0591199411e26e7f7c81813b886"),
    ],
)
def test_the_hash_of_the_worked_example(vault: str | None, expiry: int | None, digest: str) -> None:
    request = parse_request({**BODY, "vaultAddress": vault, "expiresAfter": expiry})

    assert connection_id(request).hex() == digest


def test_the_signer_of_the_worked_example_on_either_network() -> None:
    request = parse_request(BODY)

    assert signer_of(request, "mainnet") == ADDRESS == address_of(KEY)
    assert signer_of(request, "testnet") != ADDRESS


@pytest.mark.parametrize(
    "action",
    [
        ORDER,
        {"type": "order", "orders": [order(tif="Gtc"), order(False, "1", "0.5")], "grouping": {"p": 9}},
        {"type": "cancel", "cancels": [{"a": 0, "o": 2**40}]},
        {"type": "cancelByCloid", "cancels": [{"asset": 3, "cloid": cloid(9)}], "f": True},
        {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 7},
        {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": -5_000_000},
        {"type": "scheduleCancel"},
        {"type": "scheduleCancel", "time": EXPIRY},
        {"type": "noop"},
    ],
)
def test_what_the_official_signer_signs_is_its_own(action: dict[str, Any]) -> None:
    assert signed(action) == ADDRESS


@pytest.mark.parametrize(
    ("signs", "sends"),
    [
        ({"p": "100.0"}, {"p": "100.0"}),
        ({"s": "1e-5"}, {"s": "1e-5"}),
        ({"c": cloid(0xABC).upper().replace("0X", "0x")},) * 2,
        ({"s": "0.01"}, {"s": "0.02"}),
        ({"r": False}, {"r": True}),
    ],
)
def test_what_is_rebuilt_otherwise_was_signed_by_another(
    signs: dict[str, Any], sends: dict[str, Any]
) -> None:
    def of(change: dict[str, Any]) -> dict[str, Any]:
        return {"type": "order", "orders": [{**order(), **change}], "grouping": "na"}

    assert signed(of(signs), sent=of(sends)) != ADDRESS


def test_the_order_of_keys_counts_where_it_is_hashed_and_not_in_the_body() -> None:
    backwards = {**ORDER, "orders": [dict(reversed(ORDER["orders"][0].items()))]}

    assert signed(backwards) != ADDRESS
    assert signed(ORDER, sent=backwards) == ADDRESS


def test_no_signature_is_nobodys() -> None:
    request = parse_request(BODY)
    broken = [{"v": v} for v in (0, 26, 31, 300)] + [{"r": 0}, {"s": 2**256 - 1}]

    assert {signer_of(attrs.evolve(request, **change), "mainnet") for change in broken} == {NOBODY}


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {**BODY, "action": {"type": "withdraw3"}},
        {**BODY, "action": {"type": {}}},
        {**BODY, "nonce": "5"},
        {**BODY, "nonce": True},
        {**BODY, "nonce": 2**70},
        {**BODY, "signature": {"r": 1, "s": "0x1", "v": 27}},
        {**BODY, "vaultAddress": "0x12"},
        {**BODY, "action": {**ORDER, "orders": [{**order(), "p": 5}]}},
        {**BODY, "action": {**ORDER, "orders": [{**order(), "s": "NaN"}]}},
        {**BODY, "action": {**ORDER, "orders": [{**order(), "t": {"limit": {"tif": "Fok"}}}]}},
        {**BODY, "action": {**ORDER, "orders": [{**order(), "c": "0x12"}]}},
        {**BODY, "action": {**ORDER, "grouping": "x"}},
    ],
)
def test_what_is_no_request_is_not_looked_at(body: object) -> None:
    with pytest.raises(Undeserializable):
        parse_request(body)


def test_nonces_are_taken_once_within_a_window_of_time_and_of_the_hundred_highest() -> None:
    nonces, now = Nonces(), 1_000_000_000_000

    assert nonces.take("a", now, now) == ""
    assert "duplicate nonce" in nonces.take("a", now, now)
    assert nonces.take("b", now, now) == ""
    assert nonces.take("a", now - 5, now) == ""
    assert nonces.take("a", now - 2 * 86_400_000, now) != ""
    assert nonces.take("a", now + 86_400_000, now) != ""
    assert [nonces.take("a", now + n, now) for n in range(1, 101)] == [""] * 100
    assert "too low" in nonces.take("a", now - 4, now)
    assert nonces.take("a", now + 500, now) == ""


async def test_agents_act_until_they_expire_and_strangers_never(
    world: World, autojump_clock: MockClock
) -> None:
    directory, agent = world.server.face.directory, eth_account.Account.from_key(KEY).address
    action = {"type": "noop"}
    stranger = await world.act(action, key=KEY)
    directory.approve_agent("m", agent, name="second", valid_until_ms=world.clock.wall_ms() + 60_000)
    approved, role = await world.act(action, key=KEY), directory.role(ADDRESS)
    listed = await world.info("extraAgents")
    world.clock.ahead_ms += 120_000
    expired = await world.act(action, key=KEY)

    assert stranger == {"status": "err", "response": f"User or API Wallet {ADDRESS} does not exist."}
    assert approved == {"status": "ok", "response": {"type": "default"}}
    assert role == {"role": "agent", "data": {"user": world.address()}}
    assert [(row["name"], row["address"]) for row in listed] == [("second", ADDRESS)]
    assert expired == stranger
    assert directory.role(ADDRESS) == {"role": "missing"}
    assert (await world.act(action))["status"] == "ok"


async def test_an_approval_of_the_same_name_replaces_the_agent_before(
    world: World, autojump_clock: MockClock
) -> None:
    world.server.face.directory.approve_agent("m", ADDRESS)

    assert (await world.act({"type": "noop"}, key=KEY))["status"] == "ok"
    assert "does not exist" in (await world.act({"type": "noop"}))["response"]


async def test_a_sub_account_is_named_as_a_vault_and_only_its_masters_agents_act_for_it(
    world: World, autojump_clock: MockClock
) -> None:
    world.server.face.directory.open_sub_account(
        "s", master="m", address=SUB, equity=world.venue.account("m").wallet
    )

    (status,) = await world.order(order(), vault=SUB)
    other = await world.act({"type": "noop"}, key=world.venue.account("n").api_secret, vault=SUB)
    master = await world.act({"type": "noop"}, vault=world.address())

    assert status["filled"]["totalSz"] == "0.01"
    assert (str(world.venue.account("s").size("BTC")), world.venue.account("m").size("BTC")) == ("0.01", 0)
    assert other == {"status": "err", "response": "Vault may not perform this action."}
    assert master == {"status": "err", "response": f"Vault not registered: {world.address()}"}
    assert world.server.face.directory.role(SUB) == {
        "role": "subAccount",
        "data": {"master": world.address()},
    }
    assert [row["name"] for row in await world.info("subAccounts")] == ["s"]
    world.server.face.directory.make_vault("s")
    assert world.server.face.directory.role(SUB) == {"role": "vault"}


async def test_the_same_body_never_acts_twice_and_a_late_one_not_at_all(
    world: World, autojump_clock: MockClock
) -> None:
    action = {"type": "order", "orders": [order()], "grouping": "na"}
    body = world.sign(action)
    first, second = await world.post("/exchange", body), await world.post("/exchange", body)
    late = await world.act(action, expires=world.clock.wall_ms() - 1)

    assert '"filled"' in first[1]
    assert f"duplicate nonce {body['nonce']}" in second[1]
    assert late["status"] == "err"
    assert "expired" in late["response"]
    assert len(world.venue.ledger) == 1


async def test_an_account_that_never_had_money_does_nothing(world: World, autojump_clock: MockClock) -> None:
    world.server.face.directory.open_sub_account(
        "s", master="m", address=SUB, equity=0 * world.venue.account("m").wallet
    )

    answer = await world.act({"type": "noop"}, vault=SUB)

    assert answer["response"].startswith("Must deposit before performing actions.")
