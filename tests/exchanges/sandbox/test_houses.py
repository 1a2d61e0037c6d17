"""Venues side by side: one world's prices, each venue's own names, a port for each."""

from decimal import Decimal
from functools import partial

import attrs
import pytest
import trio

from exchanges.sandbox import Listing, SandboxDescription, SandboxVenue, describe_account
from exchanges.sandbox.houses import KINDS, build_houses
from exchanges.sandbox.hyperliquid import HyperliquidServer
from exchanges.sandbox.mirror import PriceMirror
from exchanges.sandbox.rehearsal import run_rehearsal

D = Decimal


def venue(*symbols: str) -> SandboxVenue:
    listings = [
        Listing(
            symbol=symbol,
            lot_size=D(1),
            min_quantity=D(1),
            max_quantity=D(1000),
            max_market_quantity=D(1000),
            tick_size=D("0.000001"),
        )
        for symbol in symbols
    ]
    return SandboxVenue(listings=listings, prices=dict.fromkeys(symbols, D(2)))


def test_prices_follow_under_the_venues_own_names() -> None:
    leader, other = venue("1000PEPEUSDT", "AVAXUSDT"), venue("kPEPE", "XRP")
    mirror = PriceMirror(leader, other)
    leader.set_price("1000PEPEUSDT", D("0.0123"))
    leader.set_price("AVAXUSDT", D(30))

    assert other.prices() == {"kPEPE": D("0.0123"), "XRP": D(2)}
    assert (mirror.name_of("1000PEPEUSDT"), mirror.name_of("AVAXUSDT")) == ("kPEPE", None)


def test_a_contract_of_another_multiple_has_another_price() -> None:
    leader, other = venue("1000TURBOUSDT"), venue("TURBO")
    PriceMirror(leader, other)
    leader.set_price("1000TURBOUSDT", D("2.5"))

    assert other.mark("TURBO") == D("0.0025")


def test_a_sub_account_is_its_owners() -> None:
    describe = KINDS["hyperliquid"].describe
    owner = describe("owner", D(1), seed=1, hedge=False)
    described = describe("sub", D(500), seed=1, hedge=False)
    sub = attrs.evolve(described, api_secret=owner.api_secret, owner="owner")
    kind = KINDS["hyperliquid"]
    core, server = kind.open(kind.describe_venue((owner, sub), 0), None)

    assert isinstance(server, HyperliquidServer)
    assert server.face.directory.role(sub.api_key) == {
        "role": "subAccount",
        "data": {"master": owner.api_key},
    }
    assert core.account("sub").wallet == D(500)
    assert kind.keys(sub) == {"account": sub.api_key, "agent_key": owner.api_secret}


def test_hyperliquid_has_no_hedge_mode() -> None:
    with pytest.raises(ValueError, match="no hedge mode"):
        KINDS["hyperliquid"].describe("x", D(1), seed=1, hedge=True)


async def test_a_rehearsal_serves_every_venue_and_walks(nursery) -> None:
    bybit = SandboxDescription(accounts=(describe_account("m", D(1000)),), prices={"BTCUSDT": D(100)})
    houses = build_houses({"bybit": bybit, "hyperliquid": KINDS["hyperliquid"].describe_venue((), 0)})
    endpoints = await nursery.start(partial(run_rehearsal, houses, walk_period_s=0.01))
    with trio.fail_after(5):
        while houses["bybit"].core.mark("BTCUSDT") == 100:
            await trio.sleep(0.01)
        answers = [
            await _first_line(endpoints["bybit"]["rest"], "GET /v5/market/time"),
            await _first_line(endpoints["hyperliquid"]["rest"], "GET /nothing"),
        ]
    nursery.cancel_scope.cancel()

    assert [answer.split()[1] for answer in answers] == ["200", "404"]
    assert houses["hyperliquid"].core.mark("BTC") == houses["bybit"].core.mark("BTCUSDT")
    assert endpoints["hyperliquid"]["ws"].endswith("/ws")
    assert len({urls["rest"] for urls in endpoints.values()}) == 2


async def _first_line(address: str, request: str) -> str:
    stream = await trio.open_tcp_stream("127.0.0.1", int(address.rsplit(":", 1)[1]))
    async with stream:
        await stream.send_all(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return (await stream.receive_some()).decode().splitlines()[0]
