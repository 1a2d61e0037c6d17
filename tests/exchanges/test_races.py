"""Orders that were right when they were decided, and are refused for what happened on the way (R9, R10).

These are the races that no validation can know; each venue has its own word for them, which our codecs read.
"""

from collections.abc import Callable
from decimal import Decimal

import attrs
import pytest

from exchanges.sandbox import DEFAULT_LISTINGS, ListingStatus
from exchanges.sandbox.binance import BINANCE_LISTINGS
from exchanges.sandbox.hyperliquid import HYPERLIQUID_LISTINGS
from exchanges.sandbox.refusals import Reason
from model.follower import decide
from model.leg import ONE_WAY, Leg
from model.order import OrderRequest
from model.settings import FollowerSettings, Limits, Sizing, SizingMode
from tests.exchanges.test_decisions import Case, goal_of, set_leverage, situation_of
from tests.exchanges.venues_at_hand import Binance, Bybit, Hyperliquid, VenueAtHand
from tests.model.factories import make_change

D = Decimal
MARK = D(60_000)
EQUITY = D(10_000)


def open_venue(name: str) -> VenueAtHand:
    """Return a venue that lists bitcoin as it usually does."""
    if name == "hyperliquid":
        return Hyperliquid(HYPERLIQUID_LISTINGS[0], MARK, equity=EQUITY)
    if name == "binance":
        return Binance(BINANCE_LISTINGS[0], MARK, equity=EQUITY)
    return Bybit(DEFAULT_LISTINGS[0], MARK, equity=EQUITY)


def symbol_of(venue: VenueAtHand) -> str:
    return venue.instrument.symbol


def closed_by_hand(venue: VenueAtHand) -> None:
    venue.core.close_position("m", symbol_of(venue))


def turned_by_hand(venue: VenueAtHand) -> None:
    size = venue.core.account("m").size(symbol_of(venue))
    venue.core.trade("m", symbol_of(venue), -2 * size)


def mark_fell(venue: VenueAtHand) -> None:
    venue.core.set_price(symbol_of(venue), MARK / 25)


def money_left(venue: VenueAtHand) -> None:
    venue.core.deposit("m", D("0.01") - EQUITY)


def change_listing(venue: VenueAtHand, **changes: object) -> None:
    symbol = symbol_of(venue)
    venue.core.listings[symbol] = attrs.evolve(venue.core.listing(symbol), **changes)  # type: ignore[arg-type]


def market_closed(venue: VenueAtHand) -> None:
    change_listing(venue, status=ListingStatus.CLOSED)


def tiers_shrank(venue: VenueAtHand) -> None:
    change_listing(venue, tiers=((D(100), D(1_000)),))


def lot_grew(venue: VenueAtHand) -> None:
    change_listing(venue, lot_size=D("0.003"), min_quantity=D("0.003"))


def mode_switched(venue: VenueAtHand) -> None:
    closed_by_hand(venue)
    venue.core.account("m").hedge = True


HAPPENED: dict[str, tuple[Callable[[VenueAtHand], None], str, str, Reason]] = {
    # what happened: held before, the master's target, and the venue's reason
    "closed by hand": (closed_by_hand, "0.02", "0", Reason.REDUCE_ONLY),
    "turned by hand": (turned_by_hand, "0.02", "0.01", Reason.REDUCE_ONLY),
    "money left": (money_left, "0", "0.02", Reason.MARGIN),
    "mark fell": (mark_fell, "0", "0.02", Reason.PRICE_BAND),
    "market closed": (market_closed, "0", "0.02", Reason.SYMBOL_CLOSED),
    "tiers shrank": (tiers_shrank, "0", "0.02", Reason.POSITION_CAP),
    "lot grew": (lot_grew, "0", "0.02", Reason.QUANTITY),
    "mode switched": (mode_switched, "0.02", "0.04", Reason.POSITION_IDX),
}
TAKEN = {("bybit", "mark fell"): "a limit beyond the band is moved to it"}


@pytest.mark.parametrize("name", ["bybit", "binance", "hyperliquid"])
@pytest.mark.parametrize("what", HAPPENED)
def test_what_happens_on_the_way_is_refused_for_what_it_is(name: str, what: str) -> None:
    if (name, what) == ("hyperliquid", "mode switched"):
        return  # there is one mode
    happens, held, target, expected = HAPPENED[what]
    venue = open_venue(name)
    symbol = symbol_of(venue)
    if D(held):
        venue.core.trade("m", symbol, D(held))
    change = make_change(
        held, target, leg=Leg("BTCUSDT", ONE_WAY), fill_price=MARK, entry_price=MARK, leverage=D(10)
    )
    case = Case(
        venue=venue,
        leg=Leg(symbol),
        change=change,
        acted_on=D(held),
        settings=FollowerSettings(
            name="alice",
            exchange=name,
            sizing=Sizing(mode=SizingMode.FIXED_RATIO, ratio=D(1)),
            limits=Limits(),
        ),
    )
    decision = decide(goal_of(case), situation_of(case))
    assert set_leverage(case, decision) == ""
    (draft,) = decision.drafts

    happens(venue)
    reason = venue.send(
        OrderRequest(
            client_order_id="ab" * 16,
            leg=draft.leg,
            side=draft.side,
            quantity=draft.quantity,
            price=draft.price,
            reduce_only=draft.reduce_only,
        )
    )

    assert reason is (None if (name, what) in TAKEN else expected)
