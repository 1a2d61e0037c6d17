"""Where venues differ about the same order: the venue core keeps each one's rule."""

from decimal import Decimal

import attrs
import pytest

from exchanges.sandbox import DEFAULT_LISTINGS, Listing, Reason, Refused, Rulebook, SandboxVenue, TimeInForce
from exchanges.sandbox.faults import FaultKind
from exchanges.sandbox.listing import price_step
from tests.exchanges.sandbox.factories import BTC, buy, held, make_venue, sell

D = Decimal
STRICT = Rulebook(cuts_reductions=False, exempts_reductions=False, moves_to_band=False)


def strict_venue(**changes: object) -> SandboxVenue:
    """A venue whose BTC counts significant figures and has a minimum of 10."""
    listing = attrs.evolve(DEFAULT_LISTINGS[0], min_notional=D(10), lot_size=D("0.00001"), **changes)
    listing = attrs.evolve(listing, min_quantity=D("0.00001"))
    return make_venue(listings=[listing], rulebook=STRICT)


def refusal(venue: SandboxVenue, intent: object) -> Reason | None:
    """Return why an order is refused, None when it is taken."""
    try:
        venue.place("m", intent)  # type: ignore[arg-type]
    except Refused as refused:
        return refused.reason
    return None


def test_a_reduction_larger_than_its_position_is_cut_or_refused() -> None:
    strict, lenient = strict_venue(), make_venue()
    for venue in (strict, lenient):
        venue.place("m", buy("0.01"))

    assert refusal(strict, sell("0.02", reduce_only=True)) is Reason.REDUCE_ONLY
    assert refusal(strict, sell("0.01", reduce_only=True)) is None
    assert refusal(lenient, sell("0.02", reduce_only=True)) is None
    assert held(strict.account("m")) == held(lenient.account("m")) == {}


@pytest.mark.parametrize("reduce_only", [True, False])
def test_below_the_minimum_only_what_closes_everything_is_taken(reduce_only: bool) -> None:
    venue = strict_venue()
    venue.place("m", buy("0.0002"))
    venue.trade("m", BTC, D("-0.00005"))

    assert refusal(venue, sell("0.0001", reduce_only=reduce_only)) is Reason.NOTIONAL_BELOW_MIN
    assert refusal(venue, sell("0.00015", reduce_only=reduce_only)) is None
    assert held(venue.account("m")) == {}


def test_an_order_has_a_most_value() -> None:
    venue = strict_venue(max_notional=D(1000))

    assert refusal(venue, buy("0.01", "61000")) is None
    assert refusal(venue, buy("0.02", "61000")) is Reason.NOTIONAL_ABOVE_MAX


def test_a_limit_beyond_the_band_is_moved_or_refused() -> None:
    strict, lenient = strict_venue(), make_venue()

    far = buy("0.01", "70000", time_in_force=TimeInForce.IOC)
    assert refusal(strict, far) is Reason.PRICE_BAND
    assert refusal(strict, sell("0.01", "70000")) is Reason.PRICE_BAND
    assert refusal(lenient, far) is None


@pytest.mark.parametrize(
    ("price", "step"),
    [("60000.5", "1"), ("123456", "1"), ("1234.5", "0.1"), ("12.345", "0.001"), ("0.0012", "0.0001")],
)
def test_significant_figures_make_the_step_and_integers_are_always_taken(price: str, step: str) -> None:
    listing: Listing = attrs.evolve(DEFAULT_LISTINGS[0], tick_size=D("0.0001"), price_digits=5)

    assert price_step(listing, D(price)) == D(step)


def test_in_the_window_after_an_upgrade_only_post_only_orders_are_taken() -> None:
    venue = make_venue()
    venue.faults.add(FaultKind.POST_ONLY_WINDOW, count=2)

    assert refusal(venue, buy("0.01")) is Reason.POST_ONLY_WINDOW
    assert refusal(venue, buy("0.01", "50000", time_in_force=TimeInForce.POST_ONLY)) is None
    assert refusal(venue, buy("0.01", "50000")) is Reason.POST_ONLY_WINDOW
    assert refusal(venue, buy("0.01")) is None


def test_a_fill_knows_what_was_held_before_it() -> None:
    venue = make_venue()
    venue.place("m", buy("0.02"))
    venue.place("m", sell("0.05"))

    assert [fill.size_before for fill in venue.account("m").fills] == [D(0), D("0.02")]
