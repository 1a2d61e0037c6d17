"""Small builders for sandbox tests."""

from decimal import Decimal

from exchanges.sandbox import Account, OrderIntent, SandboxVenue, TimeInForce
from exchanges.sandbox.events import VenueEvent
from model.leg import Side

BTC = "BTCUSDT"


def make_venue(**settings: object) -> SandboxVenue:
    """A venue with one one-way account ``m`` of 10,000 USDT and one hedged, ``h``."""
    venue = SandboxVenue(**settings)  # type: ignore[arg-type]
    venue.add_account("m", api_key="mk", api_secret="ms", equity=Decimal(10_000))
    venue.add_account("h", api_key="hk", api_secret="hs", equity=Decimal(10_000), hedge=True)
    return venue


def make_intent(side: Side, quantity: str, price: str | None = None, **fields: object) -> OrderIntent:
    """A market order, or a limit (good till cancelled unless told otherwise) with a price."""
    if price is not None:
        fields.setdefault("time_in_force", TimeInForce.GTC)
    return OrderIntent(
        symbol=BTC,
        side=side,
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        **fields,  # type: ignore[arg-type]
    )


def buy(quantity: str, price: str | None = None, **fields: object) -> OrderIntent:
    """A buy of BTCUSDT."""
    return make_intent(Side.BUY, quantity, price, **fields)


def sell(quantity: str, price: str | None = None, **fields: object) -> OrderIntent:
    """A sell of BTCUSDT."""
    return make_intent(Side.SELL, quantity, price, **fields)


def listen(venue: SandboxVenue) -> list[VenueEvent]:
    """Collect what the venue says from now on."""
    events: list[VenueEvent] = []
    venue.subscribe(events.append)
    return events


def held(account: Account) -> dict[int, str]:
    """The legs of BTCUSDT that hold something, as text."""
    return {leg.position_idx: str(leg.size.normalize()) for leg in account.legs(BTC) if leg.size}
