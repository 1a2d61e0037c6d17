"""What scenarios of the auditor share: hands on a follower's account, and words that never reach it."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import trio

from actors.events import DriftFound, DriftResolved
from actors.messages import AuditReport, DescribeAudit, FindingSeen, RunAudit
from exchanges.sandbox.order import Order
from tests.world import World

PASS_S = 15.0


def by_hand(
    world: World, quantity: str, *, name: str = "alice", symbol: str = "BTCUSDT", **how: Any
) -> Order:
    """Trade on a follower's account, as its owner might."""
    house = world.house(name)
    return house.core.trade(name, house.own_symbol(symbol), Decimal(quantity), **how)


def set_leverage(world: World, leverage: str, *, name: str = "alice", symbol: str = "BTCUSDT") -> None:
    """Set a leverage on an account, by its owner's hand."""
    house = world.house(name)
    house.core.set_leverage(name, house.own_symbol(symbol), Decimal(leverage))


@contextmanager
def untold(world: World, name: str = "alice") -> Iterator[None]:
    """Let nothing that Pairing says reach a follower."""
    addresses: Any = world.engine.followers
    kept = addresses.pop(name)
    try:
        yield
    finally:
        addresses[name] = kept


async def audited(world: World, *, preview: bool = False) -> AuditReport:
    """Run a pass over everybody now; return what is wrong after it."""
    auditor = world.engine.address("auditor")
    number = await auditor.ask(RunAudit())
    with trio.fail_after(PASS_S):
        while True:
            report = await auditor.ask(DescribeAudit(preview=preview), timeout_s=10.0)
            assert isinstance(report, AuditReport)
            if report.number >= number:
                return report
            await trio.sleep(0.05)


def only(report: AuditReport) -> FindingSeen:
    """Return the one thing that is wrong."""
    (seen,) = report.findings
    return seen


def found(world: World) -> list[DriftFound]:
    """Return what operators were told of drifts."""
    return world.seen(DriftFound)


def resolved(world: World) -> list[DriftResolved]:
    """Return what operators were told is well again."""
    return world.seen(DriftResolved)
