"""The children of the engine, in start order, as data (R3)."""

from collections.abc import Callable, Iterable

from actors.runtime import TrioActor
from exchanges.errors import ExchangeError
from model.key_check import KeyRefused
from model.ledger import LeaseLost, LeaseTaken, LedgerUnreachable, SchemaNewer, SchemaOlder
from supervision.restarts import Intensity
from supervision.supervisor import ChildSpec, Exhausted, Strategy, SupervisorSpec

EXPECTED_TROUBLE: tuple[type[BaseException], ...] = (ExchangeError, LedgerUnreachable, OSError)
"""Retried for ever with backoff; anything else is a crash that spends the window."""

FATAL_TROUBLE: tuple[type[BaseException], ...] = (LeaseTaken, LeaseLost, SchemaOlder, SchemaNewer)
"""Nothing that a restart could mend: the engine ends at once, for the ledger is not its own (R12)."""

ROOT_INTENSITY = Intensity(max_failures=3, period_s=60.0)
FOLLOWER_INTENSITY = Intensity(max_failures=5, period_s=60.0, stands_still_in_hangs=True)
STREAM_INTENSITY = Intensity(max_failures=10, period_s=300.0)
EDGE_INTENSITY = Intensity(max_failures=10, period_s=60.0)
DRAIN_S = 30.0
FALL_S = 0.25
"""For a follower that falls with its stream or the ledger: what it has in hand its next life finds (R2)."""

Make = Callable[[], TrioActor]


def child(
    name: str,
    make: Make,
    *,
    shutdown_s: float = 5.0,
    fall_s: float | None = None,
    fatal: tuple[type[BaseException], ...] = (),
) -> ChildSpec:
    """Return a permanent child that is restarted whatever ends it, but for ``fatal`` errors."""
    return ChildSpec(
        name=name, make=make, expected=EXPECTED_TROUBLE, fatal=fatal, shutdown_s=shutdown_s, fall_s=fall_s
    )


def onlooker(name: str, make: Make) -> ChildSpec:
    """Return a child without which trading goes on: whatever ends it, it never brings down the others."""
    return ChildSpec(name=name, make=make, expected=(Exception,), shutdown_s=2.0)


def follower_spec(name: str, *, account_stream: Make, follower: Make) -> SupervisorSpec:
    """Return one follower: its stream first, so that the follower never starts deaf."""
    return SupervisorSpec(
        name=follower_group(name),
        strategy=Strategy.REST_FOR_ONE,
        intensity=FOLLOWER_INTENSITY,
        on_exhausted=Exhausted.QUARANTINE,
        children=(
            child(f"stream:{name}", account_stream, shutdown_s=1.0),
            child(f"follower:{name}", follower, shutdown_s=DRAIN_S, fall_s=FALL_S),
        ),
    )


def follower_group(name: str) -> str:
    """Return the name of a follower's own supervisor."""
    return f"account:{name}"


def root_spec(
    *,
    ledger: Make,
    master_key: Make,
    marks: Iterable[tuple[str, Make]],
    auditor: Make,
    followers: tuple[SupervisorSpec, ...],
    pairing: Make,
    master_stream: Make,
    notifier: Make | None = None,
) -> SupervisorSpec:
    """Return what trades, top-down: a change never meets a follower that is not there."""
    services: tuple[ChildSpec | SupervisorSpec, ...] = (
        child("master_key", master_key, fatal=(KeyRefused,)),
        *(child(f"marks:{exchange}", make) for exchange, make in marks),
        onlooker("auditor", auditor),
    )
    if notifier is not None:
        services = (onlooker("notifier", notifier), *services)
    return SupervisorSpec(
        name="root",
        strategy=Strategy.REST_FOR_ONE,
        intensity=ROOT_INTENSITY,
        children=(
            child("ledger", ledger, fatal=FATAL_TROUBLE),
            SupervisorSpec(
                name="services",
                strategy=Strategy.ONE_FOR_ONE,
                intensity=STREAM_INTENSITY,
                children=services,
            ),
            SupervisorSpec(
                name="followers",
                strategy=Strategy.ONE_FOR_ONE,
                intensity=FOLLOWER_INTENSITY,
                children=followers,
            ),
            child("pairing", pairing),
            SupervisorSpec(
                name="stream",
                strategy=Strategy.ONE_FOR_ONE,
                intensity=STREAM_INTENSITY,
                children=(child("master_stream", master_stream, shutdown_s=1.0),),
            ),
        ),
    )


def edge_spec(children: Iterable[tuple[str, Make]]) -> SupervisorSpec:
    """Return what speaks to operators: it may die without touching trading."""
    return SupervisorSpec(
        name="edge",
        strategy=Strategy.ONE_FOR_ONE,
        intensity=EDGE_INTENSITY,
        children=tuple(child(name, make, shutdown_s=2.0) for name, make in children),
    )
