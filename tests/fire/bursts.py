"""Crashes that come too often: the one is put aside or restarted from above, the others go on."""

from actors.messages import CrashNow
from supervision.events import AccountQuarantined, AccountRecovered, ActorStarted, SupervisorExhausted
from supervision.supervisor import State
from supervision.tree import FOLLOWER_INTENSITY, STREAM_INTENSITY
from tests.fire.drill import CAST, ON_TIME_S, Drills
from tests.fire.targets import MASTER_STREAM
from tests.fire.witness import incarnations, touched

COMES_BACK_S = 90.0
"""Within a second, or after the minute of a quarantine."""


async def quarantine(drills: Drills, name: str) -> list[str]:
    """Crash one follower's stream until it is put aside; return what was wrong about it."""
    world, problems = drills.world, list[str]()
    before = incarnations(world)
    quarantined = len(world.seen(AccountQuarantined))
    await _crash(drills, f"stream:{name}", FOLLOWER_INTENSITY.max_failures)
    await world.until(lambda: len(world.seen(AccountQuarantined)) > quarantined)
    told = [it.name for it in world.seen(AccountQuarantined)[quarantined:]]
    if told != [f"account:{name}"]:
        problems.append(f"quarantined: {told}")
    drills.trade()
    traded_at, others = drills.now(), [it.name for it in CAST if it.name != name]
    await world.until(lambda: all(len(drills.orders_of(it)) == drills.trades for it in others))
    late_s = max(drills.orders_of(it)[-1].arrived_at for it in others) - traded_at
    if late_s > ON_TIME_S:
        problems.append(f"beside {name} in quarantine somebody copied after {late_s:.3f} s")
    problems += [
        f"{it} was touched by the quarantine of {name}"
        for it in touched(before, incarnations(world), but=(f"stream:{name}", f"follower:{name}"))
    ]
    if world.engine.root.state_of(f"account:{name}") is not State.QUARANTINED:
        problems.append(f"{name} is not shown as quarantined")
    await world.until(drills.all_on_target, timeout_s=COMES_BACK_S)
    await world.until(lambda: len(world.seen(AccountRecovered)) > quarantined, timeout_s=COMES_BACK_S)
    return problems


async def escalation(drills: Drills) -> list[str]:
    """Crash the master's stream until its supervisor gives up: that one alone begins anew."""
    world = drills.world
    before = incarnations(world)
    await _crash(drills, MASTER_STREAM, STREAM_INTENSITY.max_failures)
    await world.until(lambda: bool(world.seen(SupervisorExhausted)))
    told = [it.name for it in world.seen(SupervisorExhausted) if not it.quarantined]
    problems = [] if told == ["stream"] else [f"exhausted: {told}"]
    drills.trade()
    await world.until(drills.all_on_target, timeout_s=COMES_BACK_S)
    problems += [
        f"{it} was touched by the end of the master's supervisor"
        for it in touched(before, incarnations(world), but=(MASTER_STREAM,))
    ]
    return problems


async def _crash(drills: Drills, actor: str, times: int) -> None:
    world = drills.world
    for number in range(times):
        lives = _lives(drills, actor)
        world.engine.address(actor).tell(CrashNow("a drill"))
        if number < times - 1:
            await world.until(lambda lives=lives: _lives(drills, actor) > lives)  # type: ignore[misc]


def _lives(drills: Drills, actor: str) -> int:
    return sum(it.name == actor for it in drills.world.seen(ActorStarted))
