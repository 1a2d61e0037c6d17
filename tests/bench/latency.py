"""From the master's frame to the last follower's order, against the floor in the same run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from tests.bench.accounts import BARE, FOLLOWER, MASTER_EXCHANGE
from tests.bench.figures import Figure, percentile, spread
from tests.bench.link import Process, started

STEPS = ("0.1", "0.1", "-0.1", "-0.1")
"""The master opens, adds, takes off and closes."""
FACTOR_MAX, ROOM_MS = 3.0, 5.0
UNTOLD = ("order", "snapshot")
REST_S = 0.05
"""Between two events: the venue has nothing left to do."""


@attrs.define
class Latency:
    """What one run with one number of followers showed; milliseconds, seconds of CPU."""

    followers: int
    ledger: str
    exchange: str = MASTER_EXCHANGE
    """Where the followers are."""
    floor_ms: list[float] = attrs.field(factory=list)
    last_ms: list[float] = attrs.field(factory=list)
    done_ms: list[float] = attrs.field(factory=list)
    cpu_s: float = 0.0
    copies: int = 0
    transactions: int = 0
    silent: int = 0
    """Copies that sent no order in time."""
    orderless: dict[str, int] = attrs.field(factory=dict)
    """Why copies sent none, warm-up included."""
    requests: dict[str, int] = attrs.field(factory=dict)
    faultless: bool = False

    @property
    def who(self) -> str:
        """Who copied, in words; the master's venue goes without saying."""
        where = "" if self.exchange == MASTER_EXCHANGE else f" on {self.exchange.capitalize()}"
        return f"{self.followers} followers{where}"

    @property
    def floor(self) -> float:
        """p50 of the floor's last order, milliseconds."""
        return percentile(self.floor_ms, 0.5)

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a copy, from its first to its last step."""
        return self.cpu_s * 1e6 / self.copies

    def figures(self) -> list[Figure]:
        """Return the figures of section 8."""
        p50, goal = percentile(self.last_ms, 0.5), max(FACTOR_MAX * self.floor, self.floor + ROOM_MS)
        return [
            Figure(
                what=f"floor, last of {self.who} (p50 / p99)",
                value=spread(self.floor_ms),
                note=f"{len(self.floor_ms)} events",
            ),
            Figure(
                what=f"copy, last of {self.who}, {self.ledger} (p50 / p99)",
                value=f"{spread(self.last_ms)} = {p50 / self.floor:.1f} x floor",
                goal=f"p50 <= {goal:.1f} ms",
                met=p50 <= goal,
                note=f"{len(self.last_ms)} events; outcome recorded after {spread(self.done_ms)}; "
                f"{self.cpu_us:.0f} us CPU a copy; "
                f"{self.transactions / len(self.last_ms):.1f} commits an event",
            ),
        ]

    def copied(self) -> Figure:
        """Return whether everybody sent an order for every event, once."""
        return Figure(
            what=f"no copy left out, no order taken twice ({self.who}, {self.ledger})",
            value=f"{self.silent} of {self.copies} copies left out",
            goal="0",
            met=not self.silent and self.faultless,
            note=", ".join(f"{n} x {reason}" for reason, n in self.orderless.items()),
        )

    def calls(self) -> Figure:
        """Return exchange calls a copy; periodic snapshots (R21) belong to none and are named apart."""
        own = {what: n for what, n in self.requests.items() if what.startswith(FOLLOWER)}
        snapshots = sum(n for what, n in own.items() if what.endswith("snapshot"))
        calls = (sum(own.values()) - snapshots) / self.copies
        others = {what.removeprefix(FOLLOWER).strip(): n for what, n in own.items() if n}
        told = ", ".join(f"{n} {what}" for what, n in sorted(others.items()) if what not in UNTOLD)
        return Figure(
            what=f"exchange calls a copy, leverage unchanged ({self.who})",
            value=f"{calls:.3f}",
            goal="1",
            met=calls == 1,
            note=f"{self.copies} copies; {snapshots} periodic snapshot reads beside them"
            + (f"; other than orders: {told}" if told else ""),
        )


async def measure(
    followers: int,
    ledger: str,
    url: str,
    directory: str,
    *,
    events: int,
    exchange: str = MASTER_EXCHANGE,
) -> Latency:
    """Run floor, copier and floor again on one venue; a warm-up round of each is not counted.

    ``exchange`` is where the followers and the floor's accounts are; the master stays where it is.
    """
    found = Latency(followers, ledger, exchange)
    async with started(
        "tests.bench.venue", followers=followers, bare=followers, one_way_s=0.0, exchange=exchange
    ) as venue:
        await _floor(found, venue, (events + 1) // 2)
        await _copies(found, venue, url, directory, events)
        await _floor(found, venue, events // 2)
        found.faultless = await venue.ask("faultless")
    return found


async def _floor(found: Latency, venue: Process, events: int) -> None:
    async with started(
        "tests.bench.floor", ports=venue.ready, exchange=found.exchange, count=found.followers
    ) as floor:
        for number in range(len(STEPS) + events):
            step = STEPS[number % len(STEPS)]
            await floor.ask("prepare", side="Sell" if step[0] == "-" else "Buy", quantity=step.strip("-"))
            seen = await venue.ask("event", quantity=step, kind=BARE, accounts=found.followers)
            await trio.sleep(REST_S)
            if number >= len(STEPS):
                found.floor_ms.append(seen["last_ms"])
        await _flatten(venue, len(STEPS) + events)


async def _flatten(venue: Process, done: int) -> None:
    """Let the master finish its round, so that whoever comes next finds it flat."""
    while done % len(STEPS):
        await venue.ask("trade", quantity=STEPS[done % len(STEPS)])
        done += 1


@asynccontextmanager
async def copier_of(
    venue: Process,
    followers: int,
    url: str,
    directory: str,
    *,
    mirror: bool = True,
    exchange: str = MASTER_EXCHANGE,
) -> AsyncIterator[Process]:
    """Run an engine on the venue; it is ready."""
    arguments = {"ports": venue.ready, "exchange": exchange, "count": followers}
    arguments |= {"ledger": url, "directory": directory, "mirror": mirror}
    async with started("tests.bench.copier", **arguments) as copier:
        yield copier


async def _copies(found: Latency, venue: Process, url: str, directory: str, events: int) -> None:
    async with copier_of(venue, found.followers, url, directory, exchange=found.exchange) as copier:
        for step in STEPS:
            await _event(found, venue, copier, step)
        found.last_ms, found.done_ms, found.cpu_s = [], [], 0.0
        found.copies = found.silent = found.transactions = 0
        before = await venue.ask("counts")
        for number in range(events):
            await _event(found, venue, copier, STEPS[number % len(STEPS)])
        after = await venue.ask("counts")
        found.orderless = await copier.ask("orderless")
        found.requests = {what: n - before.get(what, 0) for what, n in after.items()}
    await _flatten(venue, events)


async def _event(found: Latency, venue: Process, copier: Process, step: str) -> None:
    await copier.ask("begin")
    seen = await venue.ask("event", quantity=step, kind=FOLLOWER, accounts=found.followers)
    done = await copier.ask("finished", copies=found.followers)
    spent = await copier.ask("spent")
    found.last_ms.append(seen["last_ms"])
    found.done_ms.append((done["finished_ns"] - seen["written_ns"]) / 1e6)
    found.copies += found.followers
    found.silent += seen["silent"]
    found.cpu_s += spent["cpu_s"]
    found.transactions += int(spent["transactions"])
    await trio.sleep(REST_S)
