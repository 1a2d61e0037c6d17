"""What a leg moved by, and whether our own fills of just before a start explain it (R11)."""

from decimal import Decimal
from typing import Any, cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.follower_desk import FollowerDesk
from actors.last_fills import _explain, confirm_fills
from model.account import PositionReport
from model.copy import OrderRecord
from model.leg import Leg, Side
from model.leg_book import flat_row
from model.order import OrderReport, OrderState

BTC = Leg("BTCUSDT")


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


@attrs.define
class Gateway:
    """Knows one order, which filled in the first millisecond."""

    async def find_order(self, leg: Leg, client_order_id: str) -> OrderReport:
        return OrderReport(
            leg=leg,
            client_order_id=client_order_id,
            order_id="o1",
            state=OrderState.FILLED,
            filled=Decimal("0.5"),
            average_price=None,
            venue_time_ms=1,
        )


def holding(size: str, *, at_ms: int) -> PositionReport:
    return attrs.evolve(flat_row(BTC, -1, at_ms), size=Decimal(size))


@pytest.mark.parametrize("is_shown_first", [True, False])
async def test_what_an_exit_moves_meanwhile_is_nobody_elses(
    autojump_clock: MockClock, is_shown_first: bool
) -> None:
    """It was shown before it had settled, or after: what was compared from then on was off by it."""
    nobody = cast(Any, None)
    desk = FollowerDesk(
        settings=nobody,
        gateway=cast(Any, Gateway()),
        board=nobody,
        ledger=nobody,
        bus=nobody,
        clock=nobody,
        max_open_age_s=5.0,
        symbols=nobody,
    )
    desk.read_at = 0.0
    desk.take_positions([holding("0.5", at_ms=2)])
    baseline = desk.baseline(BTC.symbol)
    desk.unknown_orders[BTC.symbol] += 1  # another one: has it come?
    desk.placing[BTC.symbol] += 1
    ends = [
        lambda: desk.take_positions([holding("0", at_ms=3)]),
        lambda: desk.note_fill(BTC, Decimal("-0.5")),
    ]
    first, second = ends if is_shown_first else reversed(ends)
    first()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: confirm_fills(desk, [filled(Side.BUY, "0.5")], left={}))
        await trio.sleep(1)
        second()
        desk.placing[BTC.symbol] -= 1
        desk.tell_news()

    assert not desk.moved_by_others(BTC.symbol, baseline)
