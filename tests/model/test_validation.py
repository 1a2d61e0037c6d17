"""What venue and follower allow (R9)."""

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.instrument import LeverageTier
from model.leg import Leg, PositionMode, Side
from model.reasons import Reason
from model.settings import Limits
from model.validation import (
    Exposure,
    OrderDraft,
    cap_by_limits,
    check_order,
    is_symbol_allowed,
    leverage_for,
    maximum_order,
    minimum_order,
    venue_leverage_max,
)
from tests.model.factories import BTC, NOTHING_ELSE, make_instrument

TIERS = (
    LeverageTier(notional_max=Decimal(1000), leverage_max=Decimal(50)),
    LeverageTier(notional_max=Decimal(5000), leverage_max=Decimal(20)),
)
notionals = st.decimals("0", "10000", places=2)


def make_draft(**others: Any) -> OrderDraft:
    """Return an opening of 1 BTC at 100 in one-way mode."""
    facts: dict[str, Any] = {
        "leg": BTC,
        "side": Side.BUY,
        "quantity": Decimal(1),
        "price": Decimal(100),
        "reduce_only": False,
        "opens": True,
        "closes_all": False,
    }
    return OrderDraft(**facts | others)


def make_close(**others: Any) -> OrderDraft:
    """Return a market order that reduces a long by 1 BTC."""
    return make_draft(**{"side": Side.SELL, "price": None, "reduce_only": True, "opens": False} | others)


def verdict(draft: OrderDraft, *, hedge: bool = False, mark: str | None = "100", **instrument: Any) -> Any:
    """Return the reason why a draft is refused."""
    mode = PositionMode.HEDGE if hedge else PositionMode.ONE_WAY
    found = check_order(
        draft, make_instrument(**instrument), mark=None if mark is None else Decimal(mark), mode=mode
    )
    return None if found is None else found.reason


@pytest.mark.parametrize(
    ("draft", "instrument", "reason"),
    [
        (make_draft(), {}, None),
        (make_draft(quantity=Decimal("0.0015")), {}, Reason.ROUNDED_TO_ZERO),
        (make_draft(quantity=Decimal(0)), {}, Reason.ROUNDED_TO_ZERO),
        (make_draft(quantity=Decimal(-1)), {}, Reason.ROUNDED_TO_ZERO),
        (make_draft(), {"min_quantity": Decimal(2)}, Reason.BELOW_MIN_QUANTITY),
        (make_draft(quantity=Decimal(1001)), {}, Reason.ABOVE_MAX_QUANTITY),
        (make_draft(quantity=Decimal(501)), {}, None),
        (make_close(quantity=Decimal(501)), {}, Reason.ABOVE_MAX_QUANTITY),
        (make_draft(quantity=Decimal(1001)), {"max_quantity": Decimal(0)}, None),
        (make_draft(price=Decimal("100.05")), {}, Reason.PRICE_UNKNOWN),
        (make_draft(price=Decimal(0)), {}, Reason.PRICE_UNKNOWN),
        (make_draft(quantity=Decimal("0.049")), {}, Reason.BELOW_MIN_NOTIONAL),
        (make_draft(quantity=Decimal("0.05")), {}, None),
        (make_close(quantity=Decimal("0.049")), {}, None),
        (
            make_close(quantity=Decimal("0.049")),
            {"min_notional_exempts_reductions": False},
            Reason.BELOW_MIN_NOTIONAL,
        ),
        (
            make_close(quantity=Decimal("0.049"), closes_all=True),
            {"min_notional_exempts_reductions": False},
            None,
        ),
        (make_draft(reduce_only=True), {}, Reason.POSITION_MODE_MISMATCH),
        (make_close(reduce_only=False), {}, Reason.POSITION_MODE_MISMATCH),
    ],
)
def test_steps_minimum_maximum_and_flags(draft: OrderDraft, instrument: Any, reason: Reason | None) -> None:
    assert verdict(draft, **instrument) is reason


def test_the_minimum_notional_holds_at_the_lower_of_mark_and_limit() -> None:
    sell = make_draft(side=Side.SELL, quantity=Decimal("0.05"), price=Decimal("99.9"))

    assert verdict(sell) is Reason.BELOW_MIN_NOTIONAL
    assert (
        verdict(make_draft(quantity=Decimal("0.05"), price=Decimal(101)), mark="99.9")
        is Reason.BELOW_MIN_NOTIONAL
    )
    assert (
        verdict(make_close(quantity=Decimal("0.001")), mark=None, min_notional_exempts_reductions=False)
        is None
    )


@pytest.mark.parametrize("idx", [0, 1, 2])
@pytest.mark.parametrize("hedge", [False, True])
@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("opens", [False, True])
def test_leg_side_and_mode_must_fit(idx: int, hedge: bool, side: Side, opens: bool) -> None:
    make = make_draft if opens else make_close
    opening_side = {1: Side.BUY, 2: Side.SELL}.get(idx, side)
    fits = (idx != 0) is hedge and (idx == 0 or opens is (side is opening_side))

    found = verdict(make(leg=Leg("BTCUSDT", idx), side=side), hedge=hedge)

    assert found is (None if fits else Reason.POSITION_MODE_MISMATCH)


def test_minimum_and_maximum_are_whole_lots() -> None:
    odd = make_instrument(
        lot_size=Decimal("0.3"), min_quantity=Decimal("0.5"), max_market_quantity=Decimal(1)
    )

    assert minimum_order(odd, None) == Decimal("0.6")
    assert minimum_order(odd, Decimal(7)) == Decimal("0.9")  # 5 of notional are 0.714
    assert maximum_order(odd, market=True) == Decimal("0.9")
    assert maximum_order(attrs.evolve(odd, max_market_quantity=Decimal(0)), market=True) is None


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({}, None),
        ({"deny": frozenset({"BTCUSDT"})}, Reason.SYMBOL_DENIED),
        ({"deny": frozenset({"BTC"})}, Reason.SYMBOL_DENIED),
        ({"allow": frozenset({"ETHUSDT"})}, Reason.SYMBOL_NOT_ALLOWED),
        ({"allow": frozenset({"BTCUSDT"})}, None),
        ({"allow": frozenset({"BTC"})}, None),
    ],
)
def test_lists_hold_for_either_spelling(limits: Any, reason: Reason | None) -> None:
    assert is_symbol_allowed(Limits(**limits), ("BTCUSDT", "BTC")) is reason


@given(notionals, notionals, notionals, notionals)
def test_what_is_allowed_fits_every_limit_and_wastes_no_lot(
    per_symbol: Decimal, total: Decimal, of_symbol: Decimal, other: Decimal
) -> None:
    limits = Limits(max_notional_per_symbol=per_symbol, max_notional=total)
    exposure = Exposure(notional_of_symbol=of_symbol, notional_total=of_symbol + other, positions_open=2)
    instrument, mark, wanted = make_instrument(tiers=TIERS), Decimal(37), Decimal(200)

    allowed, reason = cap_by_limits(wanted, mark, limits, exposure, instrument)

    room = max(Decimal(0), min(per_symbol - of_symbol, total - of_symbol - other, Decimal(5000)))
    assert allowed * mark <= room or (allowed == wanted and wanted * mark <= room)
    assert allowed == wanted or (allowed + instrument.lot_size) * mark > room
    assert (reason is None) is (allowed == wanted)


def test_the_limit_that_binds_most_is_named() -> None:
    limits = Limits(max_notional_per_symbol=Decimal(500), max_notional=Decimal(400))

    assert cap_by_limits(Decimal(10), Decimal(100), limits, NOTHING_ELSE, make_instrument()) == (
        4,
        Reason.LIMIT_NOTIONAL,
    )
    assert cap_by_limits(Decimal(4), Decimal(100), limits, NOTHING_ELSE, make_instrument()) == (4, None)
    big = cap_by_limits(Decimal(100), Decimal(100), Limits(), NOTHING_ELSE, make_instrument(tiers=TIERS))
    assert big == (50, Reason.LEVERAGE_TIER)


@pytest.mark.parametrize(
    ("master", "cap", "notional", "current", "expected"),
    [
        ("10", None, 100, None, "10"),
        ("10", None, 100, "10", "10"),
        ("10", "5", 100, None, "5"),
        ("80", None, 100, None, "50"),  # the venue's first tier
        ("80", None, 1001, None, "20"),
        ("80", None, 9999, None, "20"),
        ("7.777", None, 100, None, "7.77"),  # steps of 0.01
        ("0.4", None, 100, None, "1"),
        (None, None, 100, None, None),
        (None, None, 100, "12", None),
        (None, None, 100, "60", "50"),  # more than the venue grants
        (None, "5", 100, "4", None),
        (None, "5", 100, "12", "5"),
        (None, "5", 100, None, "5"),
        ("0", "5", 100, "4", None),
    ],
)
def test_leverage_is_the_least_of_three(
    master: str | None, cap: str | None, notional: int, current: str | None, expected: str | None
) -> None:
    def amount(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    found = leverage_for(
        amount(master),
        Limits(max_leverage=amount(cap)),
        make_instrument(tiers=TIERS),
        Decimal(notional),
        current=amount(current),
    )

    assert found == amount(expected)


def test_no_tier_grants_more_than_the_instrument() -> None:
    low = make_instrument(tiers=TIERS, max_leverage=Decimal(25))

    assert leverage_for(Decimal(80), Limits(), low, Decimal(100)) == 25
    assert leverage_for(Decimal(80), Limits(), make_instrument(), Decimal(100)) == 80


def test_leverage_is_rounded_down_to_the_venues_step() -> None:
    whole = make_instrument(leverage_step=Decimal(1))

    assert leverage_for(Decimal("12.9"), Limits(), whole, Decimal(1)) == 12


def test_a_leverage_that_is_as_high_as_it_may_be_stays() -> None:
    limits = Limits(max_leverage=Decimal(5))

    def set_to(current: str) -> Decimal | None:
        return leverage_for(None, limits, make_instrument(), Decimal(1), current=Decimal(current))

    assert [set_to(it) for it in ("5", "5.01")] == [None, Decimal(5)]


def test_a_tier_holds_up_to_its_notional() -> None:
    tiers = tuple(
        LeverageTier(notional_max=Decimal(most), leverage_max=Decimal(leverage))
        for most, leverage in ((1_000, 50), (100_000, 20))
    )
    tiered = make_instrument(tiers=tiers)

    assert [venue_leverage_max(tiered, Decimal(at)) for at in ("1000", "1000.01", "100001")] == [50, 20, 20]
