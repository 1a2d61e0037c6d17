"""Each venue's sandbox without a network: orders go through our codec, and through the face's own reading."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import attrs

from exchanges.binance.catalogue import parse_instrument as parse_binance_instrument
from exchanges.binance.catalogue import parse_tiers as parse_binance_tiers
from exchanges.binance.wire import format_order as format_binance_order
from exchanges.bybit import wire as bybit_wire
from exchanges.bybit.catalogue import parse_instrument as parse_bybit_instrument
from exchanges.bybit.catalogue import parse_tiers
from exchanges.hyperliquid.catalogue import Asset, parse_catalogue
from exchanges.hyperliquid.market import market_bound
from exchanges.hyperliquid.signing import Agent
from exchanges.hyperliquid.wire import format_order as format_hyperliquid_order
from exchanges.sandbox import Listing, SandboxVenue, build_venue, describe_account
from exchanges.sandbox.binance import BinanceSandbox, binance_description
from exchanges.sandbox.binance.codes import ANSWERS as BINANCE_ANSWERS
from exchanges.sandbox.binance.codes import VenueError as BinanceError
from exchanges.sandbox.binance.market import Market
from exchanges.sandbox.bybit import params as bybit_params
from exchanges.sandbox.bybit.codes import VenueError
from exchanges.sandbox.bybit.market import instrument_row, risk_limit_rows
from exchanges.sandbox.description import SandboxDescription
from exchanges.sandbox.hyperliquid import HyperliquidSandbox, describe_wallet, hyperliquid_description
from exchanges.sandbox.ledger import LedgerRow
from exchanges.sandbox.refusals import Reason, Refused
from model.instrument import Instrument
from model.order import OrderRequest

D = Decimal
SYMBOL = "BTCUSDT"
NOW_MS = 1_790_000_000_000


class FixedClock:
    """Time stands: nothing here waits."""

    def wall_ms(self) -> int:
        return NOW_MS


class VenueAtHand(Protocol):
    """One account ``m`` at one venue that lists one symbol, and our reading of its catalogue."""

    core: SandboxVenue
    instrument: Instrument

    def send(self, order: OrderRequest) -> Reason | None:
        """Send an order as our client would; return why it was refused, None when it was taken."""


def _why(core: SandboxVenue, order: OrderRequest, answer: object) -> Reason | None:
    """Return what the core made of the order that arrived last."""
    rows: Sequence[LedgerRow] = core.ledger.since(max(0, len(core.ledger) - 1))
    assert rows, f"it never arrived: {answer}"
    assert rows[0].client_order_id.endswith(order.client_order_id), f"it never arrived: {answer}"
    return rows[0].refused.reason if rows[0].refused else None


class Bybit:
    """Bybit, one-way or hedged."""

    def __init__(self, listing: Listing, mark: Decimal, *, equity: Decimal, hedge: bool = False) -> None:
        account = describe_account("m", equity, hedge=hedge)
        self.core = build_venue(
            SandboxDescription(accounts=(account,), listings=(listing,), prices={listing.symbol: mark}),
            clock=FixedClock(),
        )
        row = json.loads(json.dumps(instrument_row(listing, 1)))
        found = parse_bybit_instrument(row)
        assert found is not None
        tiers = parse_tiers(json.loads(json.dumps(risk_limit_rows(listing))))
        self.instrument = attrs.evolve(found, tiers=tiers[listing.symbol])

    def send(self, order: OrderRequest) -> Reason | None:
        try:
            intent = bybit_params.order_intent(json.loads(bybit_wire.format_order(order)))
            self.core.place("m", intent, via="/v5/order/create")
        except (Refused, VenueError) as refused:
            return _why(self.core, order, refused)
        return _why(self.core, order, None)


class Binance:
    """Binance, one-way or hedged."""

    def __init__(self, listing: Listing, mark: Decimal, *, equity: Decimal, hedge: bool = False) -> None:
        account = describe_account("m", equity, hedge=hedge)
        description = binance_description([account])
        listed = attrs.evolve(description, listings=(listing,), prices={listing.symbol: mark})
        self.core = build_venue(listed, clock=FixedClock())
        self._face, market = BinanceSandbox(self.core), Market(self.core)
        (row,) = json.loads(json.dumps(market.exchange_info({})))["symbols"]
        found = parse_binance_instrument(row)
        assert found is not None
        tiers = parse_binance_tiers(json.loads(json.dumps(market.brackets({}))))[listing.symbol]
        most = max(tier.leverage_max for tier in tiers)
        self.instrument = attrs.evolve(found, tiers=tiers, max_leverage=most)

    def send(self, order: OrderRequest) -> Reason | None:
        try:
            params = dict(format_binance_order(order))
            self._face.desk.place(self.core.account("m"), params, via="POST /fapi/v1/order", arrived_ns=0)
        except BinanceError as refused:
            # The face itself refuses what does not suit the account's mode.
            if refused.code == BINANCE_ANSWERS[Reason.POSITION_IDX][0]:
                return Reason.POSITION_IDX
            return _why(self.core, order, refused)
        return _why(self.core, order, None)


class Hyperliquid:
    """Hyperliquid: signed actions, and limits for market orders."""

    def __init__(self, listing: Listing, mark: Decimal, *, equity: Decimal, hedge: bool = False) -> None:
        assert not hedge
        wallet = describe_wallet("m", equity)
        description = hyperliquid_description([wallet])
        self.core = build_venue(description, clock=FixedClock())
        self.core.add_listing(listing, mark)
        self._face = HyperliquidSandbox(self.core)
        self._agent = Agent(wallet.api_secret, chain="testnet")
        self._nonce = NOW_MS
        answer = json.loads(json.dumps(self._face.queries.answer({"type": "metaAndAssetCtxs"})))
        self._asset: Asset = parse_catalogue(answer).assets[listing.symbol]
        self.instrument = self._asset.instrument

    def send(self, order: OrderRequest) -> Reason | None:
        self._nonce += 1
        price = order.price
        if price is None:
            price = market_bound(self.core.mark(order.leg.symbol), order.side, self.instrument)
        action = format_hyperliquid_order(order, asset=self._asset.index, price=price)
        replies: list[Any] = []
        body = json.loads(json.dumps(self._agent.sign(action, self._nonce)))
        self._face.requests.act(body, via="/exchange", arrived_ns=0, done=replies.append)
        return _why(self.core, order, replies)
