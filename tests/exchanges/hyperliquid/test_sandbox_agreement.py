"""What our validation lets through the sandbox's venue takes; what it refuses we had refused before (R9)."""

from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from exchanges.clock import TrioClock
from exchanges.hyperliquid.catalogue import Asset, parse_catalogue
from exchanges.hyperliquid.signing import Agent
from exchanges.hyperliquid.wire import format_order
from exchanges.sandbox import SandboxVenue, build_venue
from exchanges.sandbox.hyperliquid import HyperliquidSandbox, describe_wallet, hyperliquid_description
from model.leg import Leg, PositionMode, Side
from model.order import OrderRequest
from model.validation import OrderDraft, check_order

D = Decimal
NOTHING_THERE = "could not immediately match"


class Venue:
    """A sandbox that is asked without a network, and our reading of its catalogue."""

    def __init__(self) -> None:
        wallet = describe_wallet("m", D(10) ** 12)
        self.core: SandboxVenue = build_venue(hyperliquid_description([wallet]), clock=FixedClock())
        self.face = HyperliquidSandbox(self.core)
        self.agent = Agent(wallet.api_secret, chain="testnet")
        answer = self.face.queries.answer({"type": "metaAndAssetCtxs"})
        self.assets: dict[str, Asset] = dict(parse_catalogue(answer).assets)
        self._nonce = self.core.now_ms()

    def hold(self, symbol: str, size: Decimal) -> None:
        """Bring the position to a size."""
        delta = size - self.core.account("m").size(symbol)
        if delta:
            self.core.trade("m", symbol, delta)

    def answer(self, draft: OrderDraft, asset: Asset) -> str:
        """Send the draft as our client would; return "taken", or the venue's words."""
        self._nonce += 1
        assert draft.price is not None
        request = OrderRequest(
            client_order_id=f"{self._nonce:032x}",
            leg=draft.leg,
            side=draft.side,
            quantity=draft.quantity,
            price=draft.price,
            reduce_only=draft.reduce_only,
        )
        action = format_order(request, asset=asset.index, price=draft.price)
        replies: list[Any] = []
        body = self.agent.sign(action, self._nonce)
        self.face.requests.act(body, via="/exchange", arrived_ns=0, done=replies.append)
        (reply,) = replies
        assert reply.body["status"] == "ok", reply
        (status,) = reply.body["response"]["data"]["statuses"]
        words = str(status.get("error", "taken"))
        return "taken" if NOTHING_THERE in words else words


class FixedClock(TrioClock):
    """Time stands: nothing here waits."""

    def wall_ms(self) -> int:
        return 1_790_000_000_000


VENUE = Venue()


@st.composite
def drafts(draw: st.DrawFn) -> tuple[OrderDraft, Decimal]:
    """An order near the rules' edges, and the position that it meets."""
    symbol = draw(st.sampled_from(sorted(VENUE.assets)))
    instrument = VENUE.assets[symbol].instrument
    mark, lot = VENUE.core.mark(symbol), instrument.lot_size
    held = draw(st.integers(-40, 40)) * draw(st.sampled_from([lot, lot * 100, lot * 10_000]))
    around = draw(st.sampled_from([abs(held), instrument.min_notional / mark // lot * lot, lot, lot * 5000]))
    quantity = max(lot / 10, around + draw(st.integers(-3, 3)) * draw(st.sampled_from([lot, lot / 10])))
    if draw(st.booleans()):
        quantity = max(lot, quantity // lot * lot)
    price = mark * (1 + D(draw(st.integers(-2000, 2000))) / 10_000)
    digits = draw(st.integers(2, 9))
    price = D(f"{price:.{digits}g}")
    side = draw(st.sampled_from(list(Side)))
    reduces = held * side.sign < 0 and quantity <= abs(held) and draw(st.booleans())
    draft = OrderDraft(
        leg=Leg(symbol),
        side=side,
        quantity=quantity,
        price=price,
        reduce_only=reduces,
        opens=not reduces,
        closes_all=held + quantity * side.sign == 0,
    )
    return draft, held


@given(drafts())
def test_the_venue_takes_what_we_let_through(drawn: tuple[OrderDraft, Decimal]) -> None:
    draft, held = drawn
    asset = VENUE.assets[draft.leg.symbol]
    VENUE.hold(draft.leg.symbol, held)

    verdict = check_order(
        draft, asset.instrument, mark=VENUE.core.mark(draft.leg.symbol), mode=PositionMode.ONE_WAY
    )
    answer = VENUE.answer(draft, asset)

    # Ours is stricter: it keeps 5 % above the minimum, and 20 % below the maximum value.
    assert answer == "taken" or verdict is not None, (draft, held, answer)


def test_orders_are_both_taken_and_refused_by_both() -> None:
    """The agreement above would also hold between two who refuse everything."""
    asset = VENUE.assets["BTC"]

    def draft(quantity: str, price: str) -> OrderDraft:
        return OrderDraft(
            leg=Leg("BTC"),
            side=Side.BUY,
            quantity=D(quantity),
            price=D(price),
            reduce_only=False,
            opens=True,
            closes_all=False,
        )

    def both(order: OrderDraft) -> tuple[bool, bool]:
        verdict = check_order(order, asset.instrument, mark=D(60000), mode=PositionMode.ONE_WAY)
        return verdict is None, VENUE.answer(order, asset) == "taken"

    VENUE.hold("BTC", D(0))
    assert both(draft("0.01", "60100")) == (True, True)
    assert both(draft("0.00001", "60100")) == (False, False)
    assert both(draft("0.000011", "60100")) == (False, False)
    assert both(draft("0.01", "60100.5")) == (False, False)
    assert both(draft("500", "60100")) == (False, False)


@pytest.mark.parametrize("moved_to", ["0", "-0.01", "0.004"])
def test_a_reduction_races_with_what_else_moves_the_position(moved_to: str) -> None:
    """Let through by us for what was held, refused by the venue for what is held by then."""
    draft = OrderDraft(
        leg=Leg("BTC"),
        side=Side.SELL,
        quantity=D("0.01"),
        price=D(59500),
        reduce_only=True,
        opens=False,
        closes_all=True,
    )
    VENUE.hold("BTC", D(moved_to))

    assert (
        check_order(draft, VENUE.assets["BTC"].instrument, mark=D(60000), mode=PositionMode.ONE_WAY) is None
    )
    assert VENUE.answer(draft, VENUE.assets["BTC"]).startswith("Reduce only order would increase position")
