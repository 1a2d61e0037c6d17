"""A net with an unheard leg is allowed while its frames are lost and not found, and no longer."""

from decimal import Decimal as D

import trio
from trio.testing import MockClock

from exchanges.sandbox import FaultKind
from exchanges.sandbox.faults import Faults
from tests.simulation.hands import HANDS
from tests.simulation.run import simulate
from tests.simulation.schedule import make_schedule
from tests.simulation.unheard import UnheardLegs

MASTER = "master"


def test_a_net_that_lacks_a_lost_change_is_no_violation() -> None:
    """A short leg opened, its frame was malformed; the long leg opened and was copied 0.2 s before it."""
    assert not simulate(make_schedule(6000297, hands=tuple(HANDS))).violations


async def test_a_leg_counts_as_it_was_while_its_lost_change_may_not_be_found(
    autojump_clock: MockClock,
) -> None:
    legs, faults = UnheardLegs(MASTER), Faults()
    legs.watch(faults)
    faults.add(FaultKind.DROP_FRAME, account=MASTER)
    await trio.sleep(1)
    legs.note("ETHUSDT", 2, D("-0.6"))
    faults.strike(FaultKind.DROP_FRAME, account=MASTER, topic="position")
    await trio.sleep(1)
    legs.note("ETHUSDT", 1, D("0.2"))
    while_unheard = legs.nets("ETHUSDT")
    await trio.sleep(15)

    assert while_unheard == {D("0"), D("0.2")}
    assert legs.nets("ETHUSDT") == set()


async def test_a_change_whose_frames_came_is_heard(autojump_clock: MockClock) -> None:
    legs, faults = UnheardLegs(MASTER), Faults()
    legs.watch(faults)
    faults.add(FaultKind.DROP_FRAME)
    await trio.sleep(1)
    legs.note("ETHUSDT", 2, D("-0.6"))
    await trio.sleep(1)
    faults.strike(FaultKind.DROP_FRAME, account="alice", topic="position")
    faults.strike(FaultKind.DROP_FRAME, account=MASTER, topic="position")
    legs.note("ETHUSDT", 1, D("0.2"))

    assert legs.nets("ETHUSDT") == {D("-0.6")}, "only the leg that changed at the harm is unheard"
