"""Positions equal the sum of fills, and no money is made or lost in the books."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchanges.sandbox.position import Position, position_margin
from tests.exchanges.sandbox.factories import BTC, make_venue

LOTS = st.integers(-50, 50).filter(bool).map(lambda n: Decimal(n) / 1000)
PRICES = st.integers(1, 2_000_000).map(lambda n: Decimal(n) / 10)
FILLS = st.lists(st.tuples(LOTS, PRICES), min_size=1, max_size=30)


@given(FILLS)
def test_profit_is_what_the_fills_moved(fills):
    position = Position(symbol=BTC, position_idx=0)
    mark = Decimal("31234.5")

    profits = [position.apply(quantity, price)[1] for quantity, price in fills]

    assert position.size == sum(quantity for quantity, _ in fills)
    moved = sum(-quantity * price for quantity, price in fills) + position.size * mark
    assert abs(sum(profits) + position.unrealised(mark) - moved) < Decimal("1e-30")


@given(FILLS)
def test_closed_parts_are_what_shrank(fills):
    position = Position(symbol=BTC, position_idx=0)

    for quantity, price in fills:
        before = position.size
        closed, _ = position.apply(quantity, price)

        opposite = before * quantity < 0
        assert closed == (min(abs(before), abs(quantity)) if opposite else 0)
        assert bool(position.cost) == bool(position.size)


@given(st.lists(st.tuples(st.sampled_from(["m", "h"]), st.booleans(), LOTS, PRICES), min_size=1, max_size=20))
def test_equity_changes_by_profit_and_fees_only(trades):
    venue = make_venue()
    for name in ("m", "h"):
        venue.deposit(name, Decimal(10**9))
    start = {name: venue.balance(name).equity for name in ("m", "h")}

    for name, second_leg, quantity, price in trades:
        idx = 0 if name == "m" else 1 + second_leg
        if idx and quantity * (1 if idx == 1 else -1) < 0:
            continue  # opening side only: closing is held to the position elsewhere
        venue.trade(name, BTC, quantity, price=price, position_idx=idx)

    for name in ("m", "h"):
        account = venue.account(name)
        moved = sum(-fill.signed_quantity * fill.price - fill.fee for fill in account.fills)
        value = sum(leg.size * venue.mark(BTC) for leg in account.legs(BTC))
        assert abs(venue.balance(name).equity - start[name] - moved - value) < Decimal("1e-25")
        for leg in account.legs(BTC):
            filled = [f.signed_quantity for f in account.fills if f.position_idx == leg.position_idx]
            assert leg.size == sum(filled)


def test_margin_is_the_recorded_one():
    position = Position(symbol="SOLUSDT", position_idx=0)
    position.apply(Decimal("0.2"), Decimal("233.02"))
    fee_with_tax = Decimal("0.00055") * Decimal("1.18")

    margin = position_margin(position, Decimal("233.029"), Decimal(10), fee_with_tax, Decimal("0.005"))

    ours = margin.initial, margin.maintenance, margin.initial_by_mark, margin.maintenance_by_mark
    recorded = "4.6876214", "0.2602414", "4.68780139", "0.26025039"
    for value, text in zip(ours, recorded, strict=True):
        assert abs(value - Decimal(text)) < Decimal("1e-8")


def test_a_short_pays_more_to_close_at_bankruptcy():
    position = Position(symbol=BTC, position_idx=0)
    position.apply(Decimal(-1), Decimal(1000))

    margin = position_margin(position, Decimal(1000), Decimal(10), Decimal("0.001"), Decimal("0.005"))

    assert margin.initial == 100 + Decimal("1.1")
