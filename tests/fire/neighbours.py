"""Fifty healthy followers, alone and beside one that hangs and one that crashes again and again."""

from contextlib import suppress
from pathlib import Path

import attrs
import trio
from pykka import ActorDeadError

from actors.messages import CrashNow, GoOn
from exchanges.sandbox import FaultKind
from supervision.events import AccountQuarantined, ActorHung
from supervision.supervisor import State
from tests.world import Cast, World, open_world

HEALTHY = tuple(Cast(name=f"well{number:02}", equity="1000000") for number in range(50))
DEAF, STUCK, LOOPING = "deaf", "stuck", "looping"
"""Its venue never answers its orders; its receive loop waits for ever; it crashes whenever it lives."""
ILL = tuple(Cast(name=it, equity="1000000") for it in (DEAF, STUCK, LOOPING))
ONE_WAY_S = 0.05
STEPS = ("0.2", "0.2", "-0.1", "-0.3") * 3
EVERY_S = 6.0


@attrs.define
class Neighbours:
    """What the healthy ones did, and what was told of the others."""

    copied_s: list[float] = attrs.field(factory=list)
    """From a trade to the order of one healthy follower."""
    hung: list[str] = attrs.field(factory=list)
    quarantined: list[str] = attrs.field(factory=list)
    touched: list[str] = attrs.field(factory=list)
    unknown: int = 0
    """Orders of the deaf one without an outcome, as its status says."""
    state: State | None = None


async def watch(directory: Path, *, beside: bool) -> Neighbours:
    """Let fifty copy twelve trades, alone or beside those that are ill."""
    seen = Neighbours()
    cast = (*HEALTHY, *(ILL if beside else ()))
    async with open_world(directory, *cast, master_equity="1000000") as world:
        world.venue.faults.add(FaultKind.DELAY_REQUEST, seconds=ONE_WAY_S)
        async with trio.open_nursery() as nursery:
            if beside:
                _make_ill(world, nursery)
            for step in STEPS:
                await _copy(world, step, seen)
            if beside:
                await world.until(lambda: bool(world.seen(ActorHung)))
                seen.unknown = (await world.status(DEAF)).unknown_orders
                seen.state = world.engine.root.state_of(f"account:{LOOPING}")
            nursery.cancel_scope.cancel()
        seen.hung = [it.name for it in world.seen(ActorHung)]
        seen.quarantined = [it.name for it in world.seen(AccountQuarantined)]
        tree = world.engine.root.describe()
        for member in HEALTHY:
            node = tree.find(f"follower:{member.name}")
            if node is None or node.generation != 1:
                seen.touched.append(member.name)
    return seen


def _make_ill(world: World, nursery: trio.Nursery) -> None:
    house = world.house(DEAF)
    house.core.faults.add(FaultKind.LOSE_REQUEST, account=DEAF, endpoint="*order*")
    stuck = world.engine.root._nodes[f"follower:{STUCK}"]._life._actor  # type: ignore[attr-defined]
    stuck.on_receive = _wait_for_ever
    world.engine.followers[STUCK].tell(GoOn())
    nursery.start_soon(_crash_again, world)


async def _wait_for_ever(message: object) -> None:
    await trio.sleep_forever()


async def _crash_again(world: World) -> None:
    while True:
        with suppress(ActorDeadError):
            world.engine.followers[LOOPING].tell(CrashNow("a drill"))
        await trio.sleep(1.0)


async def _copy(world: World, step: str, seen: Neighbours) -> None:
    traded_at = trio.current_time()
    world.trade("BTCUSDT", step)
    size = world.size("master")
    await world.until(lambda: all(world.size(it.name) == size for it in HEALTHY))
    rows = [world.venue.ledger.of(it.name)[-1] for it in HEALTHY]
    seen.copied_s += [row.arrived_at - traded_at for row in rows]
    await trio.sleep_until(traded_at + EVERY_S)
