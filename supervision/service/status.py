"""`status`, `health`, `positions`: what was observed, as JSON."""

import os

import trio

from actors.bus import as_json
from model.amounts import format_decimal
from model.change import Change
from model.severity import Severity
from supervision.control import NoParams
from supervision.service.desk import ServiceDesk
from supervision.service.observation import FollowerSeen, Observation, observe


async def status(desk: ServiceDesk, params: NoParams) -> object:
    """Answer `status`: readiness, the master's legs, each follower's equity, targets and drift."""
    seen = await observe(desk)
    return {
        **_summary(seen),
        "version": desk.version,
        "instance": desk.instance,
        "pid": os.getpid(),
        "uptime_s": round(trio.current_time() - desk.started_at, 1),
        "loop_lag_s": round(desk.lag_s(), 4),
        "ledger": as_json(seen.ledger),
        "master": _master(desk, seen),
        "followers": [_follower(follower) for follower in seen.followers],
        "alerts": _alerts(seen),
    }


async def health(desk: ServiceDesk, params: NoParams) -> object:
    """Answer `health`: the word, and why."""
    seen = await observe(desk)
    quarantined = [follower.name for follower in seen.followers if follower.state == "quarantined"]
    refused = [follower.name for follower in seen.followers if follower.state == "refused"]
    return {**_summary(seen), "quarantined": quarantined, "refused": refused}


async def positions(desk: ServiceDesk, params: NoParams) -> object:
    """Answer `positions`: each leg of the master with every follower's part in it."""
    seen = await observe(desk)
    return {
        "master": [] if seen.master is None else [_leg(change) for change in seen.master.legs],
        "followers": [
            {"follower": follower.name, "exchange": follower.exchange, **leg}
            for follower in seen.followers
            for leg in _legs(follower)
        ],
        "unheard": [follower.name for follower in seen.followers if follower.status is None],
    }


def _summary(seen: Observation) -> dict[str, object]:
    return {
        "ready": seen.ready,
        "health": seen.health.value,
        "problems": list(seen.problems),
        "warnings": list(seen.warnings),
    }


def _alerts(seen: Observation) -> dict[str, object] | None:
    """Return what fires, by loudness, and how the channels are."""
    alerts = seen.alerts
    if alerts is None:
        return None
    levels = [alert.condition.severity.value for alert in alerts.firing]
    return {
        "firing": {level: levels.count(level) for level in dict.fromkeys(levels)},
        "unacknowledged": sum(
            alert.acknowledged_at_ms is None and alert.condition.severity is not Severity.INFO
            for alert in alerts.firing
        ),
        "channels": as_json(alerts.channels),
        "lost": alerts.lost,
    }


def _master(desk: ServiceDesk, seen: Observation) -> dict[str, object]:
    master = seen.master
    return {
        "exchange": desk.engine.parts.master_exchange,
        "live": desk.words.master_live,
        "reconciled": master is not None and master.reconciled,
        "detail": desk.words.master,
        "key": as_json(desk.engine.master_key.describe()),
        "equity": None if master is None else master.equity,
        "legs": [] if master is None else [_leg(change) for change in master.legs],
    }


def _leg(change: Change) -> dict[str, object]:
    return {
        "symbol": change.leg.symbol,
        "position_idx": change.leg.position_idx,
        "size": format_decimal(change.size_after),
        "entry_price": as_json(change.entry_price),
        "initial_margin": as_json(change.initial_margin),
        "leverage": as_json(change.leverage),
        "change_id": change.change_id,
    }


def _follower(seen: FollowerSeen) -> dict[str, object]:
    status = seen.status
    return {
        "name": seen.name,
        "exchange": seen.exchange,
        "state": seen.state,
        "dry_run": status is not None and status.dry_run,
        "detail": seen.detail,
        "answered": status is not None,
        "equity": None if status is None else status.equity,
        "legs": _legs(seen),
        "key": None if status is None else as_json(status.key),
        "unknown_orders": None if status is None else status.unknown_orders,
        "busy_symbols": [] if status is None else list(status.busy_symbols),
    }


def _legs(seen: FollowerSeen) -> list[dict[str, object]]:
    legs = as_json(seen.status.legs) if seen.status is not None else []
    return legs if isinstance(legs, list) else []
