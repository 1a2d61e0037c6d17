"""What a leg moved by, and whether our own fills of just before a start explain it (R11)."""

from decimal import Decimal

import pytest

from actors.last_fills import _explain
from model.copy import OrderRecord
from model.leg import Leg, Side
from model.order import OrderState


def filled(side: Side, quantity: str) -> OrderRecord:
    return OrderRecord(
        client_order_id="a1",
        copy_id="c1",
        part=0,
        attempt=0,
        leg=Leg("BTCUSDT"),
        side=side,
        quantity=Decimal(quantity),
        price=None,
        reduce_only=False,
        state=OrderState.FILLED,
        filled=Decimal(quantity),
    )


FILLS = [filled(Side.BUY, "0.5"), filled(Side.SELL, "0.2"), filled(Side.SELL, "0.1")]


@pytest.mark.parametrize("moved", ["-0.1", "-0.3", "0.2"])
def test_a_read_from_before_the_newest_fills_explains_the_move_by_them(moved: str) -> None:
    assert _explain(FILLS, Decimal(moved))


@pytest.mark.parametrize("moved", ["0", "-0.2", "0.5", "0.1", "-0.05"])
def test_any_other_move_is_somebody_elses(moved: str) -> None:
    """An order without a known outcome may have made it: it is not lost while the position says otherwise."""
    assert not _explain(FILLS, Decimal(moved))
