"""What the bus tells is counted under the promised names, once, whoever reads it again (R19)."""

from collections.abc import Iterable
from typing import Any

import attrs
import pytest
import trio

from actors.bus import Bus, Gap, Published
from actors.events import (
    CopyFinished,
    DriftFound,
    DriftResolved,
    FollowerBarred,
    FollowerStateChanged,
    KeyAccepted,
    KeyRefused,
    MasterChangeSeen,
    MasterStreamChanged,
    OrderMoved,
    RiskLimitBreached,
    TroubleMet,
)
from model.copy import CopyState
from model.finding import Cause, FindingKind
from model.order import OrderState
from model.reasons import Reason
from model.severity import Severity
from supervision.events import (
    AccountQuarantined,
    AccountRecovered,
    ActorCrashed,
    ActorHung,
    ActorStarted,
    SupervisorExhausted,
)
from supervision.metrics import Tally, Times
from tests.model.factories import make_change

COPY = CopyFinished(
    copy_id="c",
    change_id="x",
    follower="alice",
    exchange="binance",
    symbol="BTCUSDT",
    state=CopyState.APPLIED,
    reason=None,
    orders=1,
    caught_up=False,
    received_to_claimed_ms=2.0,
    received_to_decided_ms=3.0,
    received_to_sent_ms=5.0,
    received_to_acknowledged_ms=105.0,
    received_to_filled_ms=155.0,
)


class Counting:
    """A tally and a bus that it has read to its end."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.tally = Tally(version="1.2.3", master_exchange="bybit", exchange_of=lambda name: "binance")

    def tell(self, *events: object) -> None:
        with self.bus.subscribe() as subscription:
            for event in events:
                self.bus.publish(event)
            for item in subscription._queue:
                self.tally.take(item)

    def value(self, name: str, **labels: str) -> float | None:
        return self.tally.registry.get_sample_value(name, labels)

    def stage(self, stage: str, exchange: str = "binance") -> float | None:
        return self.value("copy_latency_seconds_sum", exchange=exchange, stage=stage)


@pytest.fixture
def counting() -> Counting:
    return Counting()


async def test_a_copys_latency_is_split_by_stage_and_venue(counting: Counting) -> None:
    counting.tell(COPY)

    stages = ("claim", "decide", "submit", "ack", "end_to_end", "fill")
    assert [round(counting.stage(stage) or 0, 6) for stage in stages] == [
        *(0.002, 0.001, 0.002, 0.1),
        *(0.105, 0.155),
    ]
    assert counting.value("copy_intents_total", exchange="binance", result="applied", reason="") == 1


async def test_a_copy_that_was_skipped_or_caught_up_tells_no_latency(counting: Counting) -> None:
    never = {f"received_to_{step}_ms": None for step in ("sent", "acknowledged", "filled")}
    counting.tell(
        attrs.evolve(COPY, state=CopyState.SKIPPED, reason=Reason.EXPIRED, **never),
        attrs.evolve(COPY, caught_up=True),
    )

    assert counting.stage("submit") is None
    assert counting.stage("end_to_end") is None
    assert counting.value("copy_intents_total", exchange="binance", result="skipped", reason="expired") == 1
    assert counting.value("copy_latency_seconds_count", exchange="binance", stage="decide") == 1


async def test_a_masters_change_tells_how_long_it_was_on_its_way(counting: Counting) -> None:
    change = make_change("0", "1", venue_time_ms=1_000, received_at_ms=1_040)
    counting.tell(
        MasterChangeSeen(change=change, waited_ms=7),
        MasterChangeSeen(change=attrs.evolve(change, from_snapshot=True), waited_ms=9_000),
    )

    assert counting.stage("ingest", "bybit") == pytest.approx(0.04)
    assert counting.stage("pair", "bybit") == pytest.approx(0.007)
    assert counting.value("master_changes_total", change_class="open") == 2


async def test_an_unknown_order_is_counted_until_the_venue_has_told(
    counting: Counting, autojump_clock: trio.abc.Clock
) -> None:
    moved = OrderMoved(
        copy_id="c", client_order_id="o", follower="alice", symbol="BTCUSDT", state=OrderState.UNKNOWN
    )
    counting.tell(moved)
    assert counting.tally.unknown_orders == 1
    await trio.sleep(4)

    counting.tell(attrs.evolve(moved, state=OrderState.FILLED))

    assert counting.tally.unknown_orders == 0
    assert counting.value("copy_unknown_resolve_seconds_sum", exchange="binance") == pytest.approx(4)
    assert counting.value("copy_orders_total", exchange="binance", state="unknown") == 1
    assert counting.value("copy_orders_total", exchange="binance", state="filled") == 1


def start(name: str, generation: int) -> ActorStarted:
    return ActorStarted(name=name, generation=generation)


def crash(name: str, *, expected: bool = False) -> ActorCrashed:
    return ActorCrashed(name=name, generation=1, error="E", expected=expected)


@pytest.mark.parametrize(
    ("before", "cause"),
    [
        ((crash("pairing"),), "crash"),
        ((crash("pairing", expected=True),), "trouble"),
        ((ActorHung(name="pairing", generation=1, silent_s=15), crash("pairing")), "hung"),
        ((), "asked"),
    ],
)
async def test_restarts_are_counted_by_what_ended_the_last_life(
    counting: Counting, before: Iterable[object], cause: str
) -> None:
    counting.tell(start("pairing", 1), *before, start("pairing", 2))

    assert counting.value("actor_restarts_total", actor="pairing", cause=cause) == 1


async def test_quarantine_streams_and_trouble(counting: Counting) -> None:
    lost = FollowerStateChanged(follower="alice", state="stream_lost")
    counting.tell(
        SupervisorExhausted(name="account:bob", failures=5, period_s=60, error="E", quarantined=True),
        AccountQuarantined(name="account:bob", error="E", retry_s=60),
        AccountQuarantined(name="account:carol", error="E", retry_s=60),
        AccountRecovered(name="account:carol", by_operator=True),
        MasterStreamChanged(live=False),
        MasterStreamChanged(live=True),
        MasterStreamChanged(live=True, detail="snapshot failed"),
        FollowerStateChanged(follower="alice", state="ready"),
        *(lost, lost),
        TroubleMet(where="ledger", what="away"),
    )

    value = counting.value
    assert value("account_quarantined", account="bob") == 1
    assert value("account_quarantined", account="carol") == 0
    assert value("supervisor_exhausted_total", supervisor="account:bob") == 1
    assert (value("ws_connected", stream="master"), value("ws_connected", stream="alice")) == (1, 0)
    assert (value("ws_reconnects_total", stream="master"), value("ws_reconnects_total", stream="alice")) == (
        None,
        1,
    )
    assert value("troubles_total", where="ledger") == 1

    counting.tally.forget([])

    assert (value("ws_connected", stream="master"), value("ws_connected", stream="alice")) == (1, None)


def drift(kind: FindingKind, *, again: bool = False) -> DriftFound:
    return DriftFound(
        follower="alice",
        exchange="bybit",
        symbol="BTCUSDT",
        position_idx=0,
        kind=kind,
        cause=next(iter(Cause)),
        severity=Severity.WARNING,
        expected="1",
        actual="2",
        deviation_pct="100",
        reason=None,
        again=again,
        repaired=False,
    )


async def test_findings_limits_and_keys_that_need_an_operator(counting: Counting) -> None:
    first, *_, last = FindingKind
    counting.tell(
        drift(first),
        drift(last, again=True),
        KeyRefused(account="alice", why=("may withdraw",), may_reduce=True),
        KeyRefused(account="bob", why=("may withdraw",), may_reduce=True),
        KeyAccepted(account="bob"),
        RiskLimitBreached(follower="alice", limit="daily_loss", allowed="0.1", equity="1", measured_from="2"),
    )
    value = counting.value
    assert (value("audit_findings", kind=first.value), value("audit_findings", kind=last.value)) == (0, 1)
    assert (value("key_refused", account="alice"), value("key_refused", account="bob")) == (1, 0)
    assert value("limit_breaches_total", account="alice", limit="daily_loss") == 1

    counting.tell(
        DriftResolved(follower="alice", exchange="bybit", symbol="BTCUSDT", position_idx=0, kind=last)
    )

    assert value("audit_findings", kind=last.value) == 0


async def test_what_is_told_of_a_follower_ends_with_it_and_a_bar_with_its_return(counting: Counting) -> None:
    counting.tell(
        FollowerBarred(follower="alice", why="no key"),
        FollowerBarred(follower="bob", why="no key"),
        KeyRefused(account="bob", why=("may withdraw",), may_reduce=False),
        KeyRefused(account="master", why=("may withdraw",), may_reduce=False),
        FollowerStateChanged(follower="alice", state="ready"),
    )
    assert counting.value("account_quarantined", account="alice") == 0
    assert counting.value("account_quarantined", account="bob") == 1

    counting.tally.forget(["alice"])

    assert counting.value("account_quarantined", account="alice") == 0
    assert counting.value("account_quarantined", account="bob") is None
    assert counting.value("key_refused", account="bob") is None
    assert counting.value("key_refused", account="master") == 1


async def test_a_gap_is_counted_and_the_place_in_the_stream_is_kept(counting: Counting) -> None:
    counting.tell(COPY, COPY)
    counting.tally.take(Gap(7))

    assert counting.tally.seq == 2
    assert counting.value("events_dropped_total", reader="metrics") == 7


async def test_the_bus_adds_up_what_slow_readers_lost() -> None:
    bus = Bus()
    with bus.subscribe(capacity=2), bus.subscribe(capacity=1, topics=["copy.*"]):
        for event in (COPY, COPY, TroubleMet(where="x", what="y")):
            bus.publish(event)

    assert bus.dropped == 2


async def test_an_event_of_another_kind_is_only_a_place(counting: Counting) -> None:
    odd: Any = Published(9, 0, "odd", object())
    counting.tally.take(odd)

    assert counting.tally.seq == 9


def test_pool_waits_are_handed_over_in_portions() -> None:
    waits = Times()
    for number in range(5):
        waits.note(number / 10)

    assert waits.take(3) == [0.0, 0.1, 0.2]
    assert waits.take(3) == [0.3, 0.4]
    assert waits.take(3) == []
