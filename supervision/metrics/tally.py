"""Counts what the bus tells (R19). It outlives the actor that reads the bus, so that counters never go back.

Labels come from closed sets: venues, stages, states, reasons; followers' names only where needed.
"""

from collections.abc import Callable, Collection
from contextlib import suppress

import trio
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from actors.bus import Gap, Published
from actors.events import (
    AlertTold,
    CopyFinished,
    DriftFound,
    DriftResolved,
    FollowerBarred,
    FollowerStateChanged,
    ForeignPositionSeen,
    FrameUnreadable,
    KeyAccepted,
    KeyRefused,
    MasterChangeSeen,
    MasterStreamChanged,
    OrderMoved,
    RiskLimitBreached,
    TroubleMet,
)
from model.order import OrderState
from supervision.events import (
    AccountQuarantined,
    AccountRecovered,
    ActorCrashed,
    ActorHung,
    ActorStarted,
    SupervisorExhausted,
)

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10)
RESOLVE_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 300)
POOL_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
UNKNOWN_MAX = 10_000
AT_WORK = frozenset({"ready", "paused", "close_only", "stream_live"})
"""States that a follower tells only while its stream is live."""

disable_created_metrics()  # type: ignore[no-untyped-call]


class Tally:
    """Every counter and histogram, in a registry of its own."""

    def __init__(self, *, version: str, master_exchange: str, exchange_of: Callable[[str], str]) -> None:
        """Count from nothing; ``exchange_of`` names a follower's venue, "" for one that is gone."""
        self.registry = CollectorRegistry(auto_describe=False)
        self.seq = 0
        """Of the newest event that was counted."""
        self._master_exchange = master_exchange
        self._exchange_of = exchange_of
        self._unknown: dict[str, float] = {}
        self._causes: dict[str, str] = {}
        self._live: dict[str, bool] = {}
        self._named: set[str] = set()
        """Of whom something is told that has to end with them."""
        self._findings: dict[tuple[str, str, int], str] = {}
        ProcessCollector(registry=self.registry)
        self._build(version)

    def _build(self, version: str) -> None:
        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(name, words, labels, registry=self.registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(name, words, labels, registry=self.registry)

        def histogram(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, words, labels, buckets=buckets, registry=self.registry)

        gauge("build_info", "1, labelled with the version.", "version").labels(version).set(1)
        self.latency = histogram(
            "copy_latency_seconds",
            "Of live changes. ingest: venue's time to received, pair: received to confirmed, both of the "
            "master; claim, decide, submit, ack: each since the step before; end_to_end: received to ack; "
            "fill: received to the last fill.",
            LATENCY_BUCKETS,
            "exchange",
            "stage",
        )
        self.changes = counter("master_changes_total", "Confirmed changes of master legs.", "change_class")
        self.copies = counter(
            "copy_intents_total", "Copies that have an outcome.", "exchange", "result", "reason"
        )
        self.orders = counter("copy_orders_total", "Orders that came into a state.", "exchange", "state")
        self.unknown = gauge("copy_unknown_orders", "Orders whose outcome the venue has not told yet.")
        self.resolve = histogram(
            "copy_unknown_resolve_seconds", "How long orders stayed unknown.", RESOLVE_BUCKETS, "exchange"
        )
        self.connected = gauge("ws_connected", "1 while the private stream is live.", "stream")
        self.reconnects = counter("ws_reconnects_total", "Streams that were lost.", "stream")
        self.restarts = counter(
            "actor_restarts_total", "Incarnations after the first, by what ended the last.", "actor", "cause"
        )
        self.exhausted = counter("supervisor_exhausted_total", "Windows that were spent.", "supervisor")
        self.quarantined = gauge("account_quarantined", "1 while a follower is out of service.", "account")
        self.keys = gauge("key_refused", "1 while a key must not be used.", "account")
        self.limits = counter("limit_breaches_total", "Broken limits of followers.", "account", "limit")
        self.findings = gauge("audit_findings", "Findings that are told and not resolved.", "kind")
        self.alerts = counter("alerts_told_total", "What people were told.", "kind", "severity")
        self.foreign = counter(
            "foreign_positions_total", "Positions seen that are not the engine's.", "account"
        )
        self.frames = counter("frames_unreadable_total", "Frames that could not be read.", "account")
        self.troubles = counter("troubles_total", "Trouble that went on long enough to be told.", "where")
        self.pool_wait = histogram(
            "db_pool_wait_seconds", "From asking to having a connection to the ledger.", POOL_BUCKETS
        )
        self.commit = histogram(
            "db_query_seconds", "Group commits, from having a connection to all answers.", POOL_BUCKETS
        )
        self.dropped = counter("events_dropped_total", "Events that a reader was too slow for.", "reader")

    @property
    def unknown_orders(self) -> int:
        """How many orders the events leave without an outcome."""
        return len(self._unknown)

    def take(self, item: Published | Gap) -> None:
        """Count one event."""
        if isinstance(item, Gap):
            self.dropped.labels("metrics").inc(item.count)
            return
        self.seq = item.seq
        event = item.event
        match event:
            case OrderMoved():
                self._order(event)
            case CopyFinished():
                self._copy(event)
            case MasterChangeSeen():
                self._change(event)
            case MasterStreamChanged(live=live):
                self._stream("master", live=live)
            case FollowerStateChanged(follower=name, state=state):
                self._stream(name, live=state in AT_WORK)
                if state in AT_WORK and name in self._named:
                    self.quarantined.labels(name).set(0)  # it was barred, and has been put right
            case ForeignPositionSeen(follower=name):
                self.foreign.labels(name).inc()
            case KeyAccepted(account=name):
                self._mark(self.keys, name, on=False)
            case KeyRefused(account=name):
                self._mark(self.keys, name, on=True)
            case RiskLimitBreached(follower=name, limit=limit):
                self.limits.labels(name, limit).inc()
            case AlertTold(kind=kind, severity=severity):
                self.alerts.labels(kind, severity).inc()
            case DriftFound() | DriftResolved():
                self._finding(event)
            case FrameUnreadable(account=name):
                self.frames.labels(name).inc()
            case TroubleMet(where=where):
                self.troubles.labels(where).inc()
            case _:
                self._supervision(event)

    def _supervision(self, event: object) -> None:
        match event:
            case ActorCrashed(name=name, expected=expected):
                if self._causes.get(name) != "hung":
                    self._causes[name] = "trouble" if expected else "crash"
            case ActorHung(name=name):
                self._causes[name] = "hung"
            case ActorStarted(name=name, generation=generation):
                cause = self._causes.pop(name, "asked")
                if generation > 1:
                    self.restarts.labels(name, cause).inc()
            case SupervisorExhausted(name=name):
                self.exhausted.labels(name).inc()
            case AccountQuarantined(name=name):
                self._mark(self.quarantined, name.removeprefix("account:"), on=True)
            case AccountRecovered(name=name):
                self._mark(self.quarantined, name.removeprefix("account:"), on=False)
            case FollowerBarred(follower=name):
                self._mark(self.quarantined, name, on=True)

    def _finding(self, event: DriftFound | DriftResolved) -> None:
        """A finding is told again when it has moved, perhaps as another kind: a leg has one at a time."""
        leg = (event.follower, event.symbol, event.position_idx)
        before = self._findings.pop(leg, None)
        if before is not None:
            self.findings.labels(before).dec()
        if isinstance(event, DriftFound):
            self._findings[leg] = event.kind.value
            self.findings.labels(event.kind.value).inc()

    def _order(self, event: OrderMoved) -> None:
        exchange = self._exchange_of(event.follower)
        self.orders.labels(exchange, event.state.value).inc()
        if event.state is OrderState.UNKNOWN:
            if len(self._unknown) < UNKNOWN_MAX:
                self._unknown[event.client_order_id] = trio.current_time()
            return
        since = self._unknown.pop(event.client_order_id, None)
        if since is not None:
            self.resolve.labels(exchange).observe(trio.current_time() - since)

    def _copy(self, event: CopyFinished) -> None:
        reason = "" if event.reason is None else event.reason.value
        self.copies.labels(event.exchange, event.state.value, reason).inc()
        if event.caught_up:
            return  # it would tell how long somebody was away
        steps = (
            ("claim", event.received_to_claimed_ms),
            ("decide", event.received_to_decided_ms),
            ("submit", event.received_to_sent_ms),
            ("ack", event.received_to_acknowledged_ms),
        )
        before: float | None = 0.0
        for stage, at in steps:
            if at is not None and before is not None:
                self._observe(event.exchange, stage, at - before)
            before = at
        for stage, at in (
            ("end_to_end", event.received_to_acknowledged_ms),
            ("fill", event.received_to_filled_ms),
        ):
            if at is not None:
                self._observe(event.exchange, stage, at)

    def _change(self, event: MasterChangeSeen) -> None:
        change = event.change
        self.changes.labels(change.change_class.value).inc()
        if not change.from_snapshot and not change.caught_up:
            exchange = self._master_exchange
            self._observe(exchange, "ingest", float(change.received_at_ms - change.venue_time_ms))
            self._observe(exchange, "pair", float(event.waited_ms))

    def _observe(self, exchange: str, stage: str, ms: float) -> None:
        self.latency.labels(exchange, stage).observe(max(ms, 0.0) / 1000)

    def _stream(self, name: str, *, live: bool) -> None:
        if self._live.get(name, False) and not live:
            self.reconnects.labels(name).inc()
        self._live[name] = live
        self.connected.labels(name).set(live)

    def _mark(self, gauge: Gauge, name: str, *, on: bool) -> None:
        self._named.add(name)
        gauge.labels(name).set(on)

    def forget(self, keep: Collection[str]) -> None:
        """Drop what is told of followers that are gone: their series must not stand still for ever."""
        for name in (self._named | self._live.keys()) - {"master", *keep}:
            self._named.discard(name)
            self._live.pop(name, None)
            for gauge in (self.connected, self.quarantined, self.keys):
                with suppress(KeyError):
                    gauge.remove(name)
