"""A real engine process under steady trades for real minutes, looked at from outside."""

import json
import os
import random
import socket
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import attrs
import httpx
import trio

from tests.bench.figures import Figure
from tests.crashes.books import sandbox_bugs, sent_twice, wait_converged
from tests.crashes.process import EngineProcess, command, running
from tests.crashes.storm import Storm
from tests.crashes.town import MASTER, Town, build_town, serve_town
from tests.soak.series import Series

READY_S_MAX = 60.0
CONVERGED_S_MAX = 60.0
WARM_UP_SHARE = 1 / 3
"""Of the time. In 20 min every bounded memory fills: 10,000 fills and 5,000 orders of the master, say."""
WARM_EVERY_S = 0.16
WARM_FILLS = 2
TRADE_EVERY_S = 2.0
DROP_EVERY_S = 120.0
LOSSES, LOSS_EVERY_S = 3, 30.0
"""As soon as it is warm the whole network is lost so often: then nothing that one lost socket needs for a
moment, a Hyperliquid account's 2,000 newest fills say, is the most that was ever needed."""
LOOK_EVERY_S = 5.0
PAGE_EVERY = 12
"""The metrics are read with every so many looks."""
RSS_MB_PER_H_MAX = 1.0
SLACK = {"open files": 4, "threads": 1, "trio tasks": 8, "actors": 0, "metric series": 12}
"""How far the medians of the second and of the last quarter may be apart."""
PAGE = "http://127.0.0.1:{port}/metrics"
TABLES = ("changes", "copies", "orders", "holdings", "drifts", "meta", "requests", "alerts", "alert_messages")
KINDS = (None, "private", "trade", "rest", "public")
MB = 1_000_000


@attrs.define(kw_only=True)
class Watch:
    """Looks at one engine process."""

    engine: EngineProcess
    pulses: Path
    port: int
    found: dict[str, Series] = attrs.field(factory=lambda: defaultdict(Series))
    rows: list[dict[str, int]] = attrs.field(factory=list)

    async def look_for(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Look every few seconds, for so many."""
        began, number = trio.current_time(), 0
        while (at := trio.current_time() - began) < seconds and self.engine.is_alive:
            self._look(at)
            if number % PAGE_EVERY == 0:
                await self._read_page(at)
                self.rows.append(_rows(self.engine.town.directory / "ledger.db"))
                tell(f"{at:.0f} s: {self.found['RSS'].values[-1]:.1f} MB, {self.rows[-1]['copies']} copies")
            number += 1
            await trio.sleep(LOOK_EVERY_S)

    def _look(self, at: float) -> None:
        place = Path("/proc") / str(self.engine.process.pid)
        pages = int((place / "statm").read_text().split()[1])
        self.found["RSS"].add(at, pages * os.sysconf("SC_PAGE_SIZE") / MB)
        self.found["open files"].add(at, len(list((place / "fd").iterdir())))
        pulse = json.loads(self.pulses.read_text().splitlines()[-1])
        self.found["trio tasks"].add(at, pulse["tasks"])
        self.found["threads"].add(at, pulse["threads"])
        self.found["actors"].add(at, pulse["actors"])

    async def _read_page(self, at: float) -> None:
        async with httpx.AsyncClient() as client:
            page = await client.get(PAGE.format(port=self.port))
        self.found["metric series"].add(at, sum(not it.startswith("#") for it in page.text.splitlines()))


async def soak(directory: Path, minutes: float, tell: Callable[[str], None]) -> list[Figure]:
    """Let an engine copy for so long; return what it held all the time."""
    town, port = build_town(directory), _free_port()
    pulses = directory / "pulses"
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_town, town, "sqlite:///ledger.db")
        with town.config.open("a") as config:
            config.write(f'\n[metrics]\nlisten = "127.0.0.1:{port}"\n')
        await command(town, "followers", "apply", str(directory / "followers.toml"), "--offline")
        warm_s = minutes * 60 * WARM_UP_SHARE
        async with running(town, "tests.soak.engine", str(pulses), str(warm_s)) as engine:
            if await engine.wait_ready(READY_S_MAX) is None:
                raise RuntimeError(f"it was never ready: {engine.last_words()}")
            watch = Watch(engine=engine, pulses=pulses, port=port)
            async with trio.open_nursery() as trading:
                trading.start_soon(_trade, Storm(town, random.Random(0)), warm_s)
                trading.start_soon(_drop_sockets, town, random.Random(1), warm_s)
                await watch.look_for(minutes * 60, tell)
                trading.cancel_scope.cancel()
            problems = [] if engine.is_alive else [f"it ended: {engine.last_words()}"]
            problems += await wait_converged(town, CONVERGED_S_MAX)
            problems += [*sent_twice(town), *sandbox_bugs(town)]
        nursery.cancel_scope.cancel()
    return [*_figures(watch, minutes), _judged(problems, town.orders())]


async def _trade(storm: Storm, warm_up_s: float) -> None:
    with trio.move_on_after(warm_up_s):
        while True:
            storm.move(fills=WARM_FILLS)
            await trio.sleep(WARM_EVERY_S)
    while True:
        storm.move()
        await trio.sleep(TRADE_EVERY_S)


async def _drop_sockets(town: Town, chance: random.Random, warm_up_s: float) -> None:
    with trio.move_on_after(warm_up_s):
        await _drop_some(town, chance)
    for _ in range(LOSSES):
        for house in town.houses:
            house.server.drop_connections()
        await trio.sleep(LOSS_EVERY_S)
    await _drop_some(town, chance)


async def _drop_some(town: Town, chance: random.Random) -> None:
    names = (MASTER, *(it.name for it in town.residents))
    while True:
        await trio.sleep(DROP_EVERY_S)
        for house in town.houses:
            house.server.drop_connections(
                account=chance.choice(names), kind=chance.choice(KINDS), reset=chance.random() < 0.5
            )


def _figures(watch: Watch, minutes: float) -> list[Figure]:
    rss = watch.found.pop("RSS")
    slope = rss.second_half().per_hour()
    first, last = rss.medians()
    figures = [
        Figure(
            what=f"RSS of a real engine, second half of {minutes:g} min",
            value=f"{slope:+.2f} MB/h",
            goal=f"< {RSS_MB_PER_H_MAX:g} MB/h",
            met=slope < RSS_MB_PER_H_MAX,
            note=f"median of the 2nd quarter {first:.1f} MB, of the last {last:.1f} MB",
        )
    ]
    for what, series in watch.found.items():
        early, late = series.medians()
        figures.append(
            Figure(
                what=f"{what} (median of the 2nd and of the last quarter)",
                value=f"{early:g} / {late:g}",
                goal=f"apart by at most {SLACK[what]}",
                met=abs(late - early) <= SLACK[what],
                note=f"at most {max(series.values):g}",
            )
        )
    return [*figures, _of_rows(watch.rows)]


def _of_rows(looks: list[dict[str, int]]) -> Figure:
    """Return whether rows come with copies and with nothing else: those stay for 400 days."""
    first, last = looks[len(looks) // 2], looks[-1]
    grown = {table: last[table] - first[table] for table in TABLES}
    copies = max(1, grown["copies"])
    own = ("changes", "copies", "orders")
    strangers = {it: n for it, n in grown.items() if it not in own and n > copies / 100}
    return Figure(
        what="ledger rows that came in the second half",
        value=", ".join(f"{grown[it]} {it}" for it in own),
        goal="no other table grows with them",
        met=not strangers and grown["orders"] <= 2 * copies,
        note=", ".join(f"{last[it]} {it}" for it in TABLES if it not in own),
    )


def _judged(problems: list[str], orders: int) -> Figure:
    return Figure(
        what="followers off target at the end, orders sent twice, errors",
        value=str(len(problems)),
        goal="0",
        met=not problems,
        note="; ".join(problems) or f"{orders} orders",
    )


def _rows(ledger: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as reader:
        return {it: reader.execute(f"SELECT count(*) FROM {it}").fetchone()[0] for it in TABLES}


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
