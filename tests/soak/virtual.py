"""A whole engine through a day of virtual time, with everything that happens in a day."""

import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from pykka import ActorRegistry

from actors.notifier import Notifier
from model.ledger.backup import backup_ledger
from model.ledger.bulk import run_sql
from model.ledger.retention import KEEP_MS
from supervision.alerting import make_notifier_desk
from supervision.engine import EngineParts
from supervision.metrics import Census, Tally
from supervision.settings import NotifySettings
from tests.soak.memory import holdings
from tests.soak.trading import UNITS, Trader
from tests.soak.yesteryear import COPIES, DAY_MS, FOLLOWER, plant_old_copies
from tests.supervision.alerts.house import FakeChannel
from tests.world import Cast, World, fixed_ratio, mirror, open_world

HOUR_S = 3_600.0
QUIET_S = 120.0
"""At the end of an hour nothing is traded: what was in hand is let go of."""
BACKUP_EVERY = 6
EVENTS_KEPT = 500
CAST = tuple(
    Cast(
        name=f"{venue[:2]}{number}",
        venue=venue,
        equity="1000000",
        hedge=bool(number) and venue != "hyperliquid",
        settings={"sizing": sizing},
    )
    for venue in ("bybit", "binance", "hyperliquid")
    for number, sizing in enumerate((fixed_ratio("0.5"), mirror("0.4")))
)


@attrs.define
class Day:
    """What was seen at the end of every hour."""

    hours: list[Counter[str]] = attrs.field(factory=list)
    machine: list[Counter[str]] = attrs.field(factory=list)
    rows: list[Counter[str]] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    rss_mb: list[float] = attrs.field(factory=list)
    changes: int = 0
    drops: int = 0
    beats: int = 0
    backups: int = 0
    purged: int = 0
    orders: list[int] = attrs.field(factory=list)
    """How many the venues have seen by the end of every hour."""
    took_s: float = 0.0


async def live(directory: Path, hours: int, seed: int, tell: Callable[[str], None]) -> Day:
    """Let an engine copy for so many hours of virtual time."""
    day, began = Day(), time.monotonic()
    channel = FakeChannel()
    async with open_world(
        directory, *CAST, master_equity="1000000", make_parts=partial(_parts, channel), start=False
    ) as world:
        world.events = deque(maxlen=EVENTS_KEPT)  # type: ignore[assignment]
        plant_old_copies(world.store, now_ms=world.clock.wall_ms())
        await world.start_engine()
        await world.ready()
        trader = Trader(world, random.Random(seed))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_count, world)
            for number in range(hours):
                await trader.hour(number, HOUR_S - QUIET_S)
                await trio.sleep(QUIET_S)
                await _look(day, world, number, directory)
                tell(f"{number + 1} h: {trader.changes} changes, {day.rss_mb[-1]:.0f} MB, {day.problems}")
            nursery.cancel_scope.cancel()
        await world.settled()
        day.problems += [f"{it} arrived twice" for it in world.sent_twice()]
        day.changes, day.drops = trader.changes, trader.drops
        day.purged = COPIES - _old_rows(world)
        await world.stop_engine()
    day.beats = channel.titles.count("The engine is alive")
    day.problems += [f"{it} outlives the engine" for it in ActorRegistry.get_all()]
    day.took_s = time.monotonic() - began
    return day


def _parts(channel: FakeChannel, **given: Any) -> EngineParts:
    desk = make_notifier_desk(
        NotifySettings(),
        bus=given["bus"],
        ledger=given["ledger"],
        clock=given["clock"],
        channels=(channel,),
        summary=_well,
    )
    return EngineParts(**given, make_notifier=partial(Notifier, desk=desk))


async def _well() -> str:
    await trio.lowlevel.checkpoint()
    return "It is ready."


async def _count(world: World) -> None:
    """Count and ask round as the metrics do: their labels live as long as the process."""
    engine = world.engine
    tally = Tally(
        version="soak", master_exchange="bybit", exchange_of=lambda name: engine.settings_of(name).exchange
    )
    census = Census()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tally, engine.parts.bus, tally)
        while True:
            await census.go_round(engine)
            tally.forget({*engine.followers})


async def _tally(bus: Any, tally: Tally) -> None:
    with bus.subscribe() as subscription:
        async for item in subscription:
            tally.take(item)


async def _look(day: Day, world: World, number: int, directory: Path) -> None:
    await world.settled()
    for member in CAST:
        for symbol in UNITS:
            legs = world.account(member.name).legs(world.house(member.name).own_symbol(symbol))
            if any(leg.size for leg in legs):
                day.problems.append(f"hour {number + 1}: {member.name} holds {legs}, the master nothing")
    if number % BACKUP_EVERY == BACKUP_EVERY - 1:
        backup_ledger(world.store.database, directory / f"backup-{number}.db")
        day.backups += 1
    day.hours.append(holdings())
    day.machine.append(_machine(world))
    day.rows.append(_rows(world))
    day.rss_mb.append(_rss_mb())
    day.orders.append(sum(len(house.core.ledger) for house in world.houses))


def _old_rows(world: World) -> int:
    with world.store.unit(write=False) as connection:
        ((left,),) = run_sql(connection, f"SELECT count(*) FROM copies WHERE follower = '{FOLLOWER}'")
        return int(left)


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _machine(world: World) -> Counter[str]:
    """Count what a machine runs out of; pools of REST open and close up to four connections an account."""
    pooled = sum(len(it.server.connections(kind="rest")) for it in world.houses)
    return Counter(
        {
            "trio tasks": trio.lowlevel.current_statistics().tasks_living - pooled,
            "threads": threading.active_count(),
            "actors": len(ActorRegistry.get_all()),
            "open files": len(list(Path("/proc/self/fd").iterdir())),
            "WebSockets": sum(len(it.server.connections()) for it in world.houses) - pooled,
        }
    )


def _rows(world: World) -> Counter[str]:
    """Return how many rows each table has, and of the copies how many are too old to be there."""
    tables = ("changes", "copies", "orders", "holdings", "drifts", "meta", "requests", "alerts")
    old_ms = world.clock.wall_ms() - KEEP_MS
    questions = {it: f"SELECT count(*) FROM {it}" for it in (*tables, "alert_messages")}
    with world.store.unit(write=False) as connection:
        counted = {it: next(iter(run_sql(connection, asked)))[0] for it, asked in questions.items()}
        overdue = f"SELECT count(*) FROM copies WHERE claimed_at_ms < {old_ms - DAY_MS // 24}"
        counted["copies too old"] = next(iter(run_sql(connection, overdue)))[0]
    return Counter(counted)
