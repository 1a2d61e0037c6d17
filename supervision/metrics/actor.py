"""The metrics as an actor of the edge: it may die and come back without touching trading (R3)."""

import math
from collections.abc import Awaitable, Callable

import trio
from prometheus_client import Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from actors.bus import Bus
from actors.messages import MasterStatus
from actors.runtime import TrioActor
from exchanges.http import REQUESTS
from supervision.engine import Engine
from supervision.metrics.census import ROUND_S, Census
from supervision.metrics.http import Answer, PageServer
from supervision.metrics.page import print_registry, print_samples
from supervision.metrics.tally import Tally
from supervision.metrics.times import LedgerTimes, Times
from supervision.redaction import REDACTOR
from supervision.service.observation import LAG_S_MAX, Health, Observation
from supervision.settings.engine import ListenAddress

CAPACITY = 50_000
TIMES_PER_TURN = 200
TIMES_EVERY_S = 1.0
PAGE_AGE_S_MAX = 1.0
READY_AGE_S_MAX = 5.0


class Metrics(TrioActor):
    """Serves /metrics, /healthz and /readyz. ``tally``, ``census`` and ``times`` outlive it."""

    def __init__(
        self,
        *,
        listen: ListenAddress,
        engine: Engine,
        bus: Bus,
        tally: Tally,
        census: Census,
        times: LedgerTimes,
        lag_s: Callable[[], float],
        observe: Callable[[], Awaitable[Observation]],
        period_s: float = ROUND_S,
    ) -> None:
        super().__init__()
        self._listen = listen
        self._engine = engine
        self._bus = bus
        self._tally = tally
        self._census = census
        self._times = times
        self._lag_s = lag_s
        self._observe = observe
        self._period_s = period_s
        self._page = _Kept(self._print, PAGE_AGE_S_MAX)
        self._ready = _Kept(self._judge, READY_AGE_S_MAX)
        self.server = PageServer(
            {"/metrics": self._page.get, "/healthz": self._live, "/readyz": self._ready.get}
        )
        self.port = 0
        """Where it listens."""

    async def on_start(self) -> None:
        """Listen. Raises: OSError when the port cannot be had."""
        self.nursery.start_soon(self._read_bus)
        self.nursery.start_soon(self._take_times, self._times.waits, self._tally.pool_wait)
        self.nursery.start_soon(self._take_times, self._times.commits, self._tally.commit)
        self.nursery.start_soon(self._go_round)
        self.port = await self.nursery.start(self.server.serve, self._listen.host, self._listen.port)

    async def on_receive(self, message: object) -> object:
        """Nothing is sent here: a message is a bug in its sender."""
        raise TypeError(f"Metrics does not know {message!r}")

    async def _read_bus(self) -> None:
        """Count from where the last incarnation ended; one event a turn, so that it never holds copies up."""
        with self._bus.subscribe(capacity=CAPACITY, from_seq=self._tally.seq + 1) as subscription:
            async for item in subscription:
                self._tally.take(item)

    async def _take_times(self, times: Times, histogram: Histogram) -> None:
        while True:
            taken = times.take(TIMES_PER_TURN)
            for seconds in taken:
                histogram.observe(seconds)
            await trio.sleep(0 if len(taken) == TIMES_PER_TURN else TIMES_EVERY_S)

    async def _go_round(self) -> None:
        while True:
            await self._census.go_round(self._engine, period_s=self._period_s)
            self._tally.forget({*self._engine.followers, *self._engine.barred})

    # Pages

    async def _print(self) -> Answer:
        census, tally = self._census, self._tally
        # After a restart followers know of unknown orders that no event of this life told of.
        tally.unknown.set(max(tally.unknown_orders, census.unknown_orders))
        pieces = [
            await print_registry(tally.registry),
            await self._print_engine(),
            await self._print_alerts(),
            await print_samples(
                "copy_drift_ratio",
                "|position - target| / |target|, of what the engine opened.",
                ("account", "symbol"),
                (((name, symbol), ratio) for name, symbol, ratio in census.drifts()),
            ),
            await print_samples(
                "copy_exposure_worst_case",
                "USDT held at the mark, openings without a known outcome counted as filled.",
                ("account",),
                (((name,), exposure) for name, exposure in census.exposures()),
            ),
            await print_samples(
                "http_requests",
                "REST requests by path and answer.",
                ("exchange", "endpoint", "outcome"),
                ((key, float(count)) for key, count in list(REQUESTS.items())),
                counts=True,
            ),
            await print_samples(
                "rate_limit_used_ratio",
                "Share of a request budget of our address that is taken; 1 is all of it.",
                ("exchange", "bucket"),
                (
                    ((exchange, bucket), ratio)
                    for exchange, venue in self._engine.parts.venues.items()
                    for bucket, ratio in venue.budgets_used().items()
                ),
            ),
            await print_samples(
                "ws_last_message_age_seconds",
                "Since a private stream last spoke, as of the last round of questions.",
                ("stream",),
                (((name,), age_s) for name, age_s in census.stream_ages()),
            ),
            await print_samples(
                "copy_paused",
                "1 for followers that are paused or close only.",
                ("scope",),
                (((name,), 1.0) for name in census.held_back()),
            ),
        ]
        return Answer(body=b"".join(pieces), kind=CONTENT_TYPE_LATEST)

    async def _print_engine(self) -> bytes:
        census = self._census
        ledger, master = census.ledger, census.master
        single = (
            ("loop_lag_seconds", "How late the event loop ran just now.", self._lag_s()),
            ("db_up", "1 while the ledger's lease is held.", float(ledger is not None and ledger.lease_held)),
            ("master_reconciled", "1 while the master's legs are known.", float(_reconciled(master))),
            ("master_state_age_seconds", "Since the master's newest word.", _age_s(master)),
            ("bus_events_dropped", "Events that slow readers lost, all together.", float(self._bus.dropped)),
        )
        pieces = [await print_samples(name, words, (), [((), value)]) for name, words, value in single]
        commits = [((), float(0 if ledger is None else ledger.transactions))]
        pieces.append(
            await print_samples("db_transactions", "Group commits of copies.", (), commits, counts=True)
        )
        for name, words, label, values in (
            ("followers", "How many followers are in each state.", "state", census.states),
            ("inbox_depth", "The deepest mailbox by kind of actor.", "actor", census.inboxes),
            ("actor_heartbeat_age_seconds", "The longest silence by kind.", "actor", census.silences),
            ("clock_offset_seconds", "Venue's clock minus ours.", "exchange", self._engine.clock_offsets()),
        ):
            samples = [((key,), float(value)) for key, value in values.items()]
            pieces.append(await print_samples(name, words, (label,), samples))
        return b"".join(pieces)

    async def _print_alerts(self) -> bytes:
        channels = self._census.channels()
        firing = [((severity,), float(count)) for severity, count in self._census.alerts_firing().items()]
        queued = [((it.name,), float(it.queued)) for it in channels]
        sent = [((it.name, "delivered"), float(it.delivered)) for it in channels]
        sent += [((it.name, "dropped"), float(it.dropped)) for it in channels]
        failing = [((it.name,), float(it.failures)) for it in channels]
        return b"".join(
            [
                await print_samples("alerts_firing", "Alerts that fire.", ("severity",), firing),
                await print_samples("alerts_queued", "Messages that wait.", ("channel",), queued),
                await print_samples("alerts_failing", "Failures in a row.", ("channel",), failing),
                await print_samples(
                    "alerts_sent", "Messages, since the start.", ("channel", "result"), sent, counts=True
                ),
            ]
        )

    async def _live(self) -> Answer:
        lag_s = self._lag_s()
        if lag_s >= LAG_S_MAX:
            return Answer(status=503, body=f"event loop {lag_s:.1f} s late\n".encode())
        return Answer(body=b"live\n")

    async def _judge(self) -> Answer:
        seen = await self._observe()
        words = [seen.health.value, *seen.problems]
        status = 200 if seen.health is Health.READY else 503
        text = REDACTOR.text("".join(f"{word}\n" for word in words))
        return Answer(status=status, body=text.encode("utf-8", "backslashreplace"))


class _Kept:
    """A page that is made at most once in a while, however often and by however many it is asked for."""

    def __init__(self, make: Callable[[], Awaitable[Answer]], age_s_max: float) -> None:
        self._make = make
        self._age_s_max = age_s_max
        self._lock = trio.Lock()
        self._kept: tuple[float, Answer] | None = None

    async def get(self) -> Answer:
        """Return the page, made now or a moment ago."""
        async with self._lock:
            if self._kept is None or trio.current_time() - self._kept[0] >= self._age_s_max:
                answer = await self._make()
                self._kept = (trio.current_time(), answer)
            return self._kept[1]


def _age_s(master: MasterStatus | None) -> float:
    return math.nan if master is None or master.heard_age_s is None else master.heard_age_s


def _reconciled(master: object) -> bool:
    return bool(getattr(master, "reconciled", False))
