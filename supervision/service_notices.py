"""What the service manager is told while the engine runs: ready, how it is, alive, stopping."""

import trio

from supervision.redaction import REDACTOR
from supervision.service import ServiceDesk, observe
from supervision.service.desk import StopRequest
from supervision.service_manager import ServiceManager

READY_WITHIN_S = 60.0
READY_POLL_S = 0.5
STATUS_EVERY_S = 20.0
"""It asks everybody; of a thousand followers more often would be felt by copies."""
STATUS_CHARACTERS_MAX = 200
CRITICAL = ("ledger", "pairing", "master_stream")
"""Actors without which nothing is copied; a follower that hangs is its supervisor's business."""
SILENCE_S_MAX = 90.0
"""Their supervisor cancels a silent one after 20 s; what outlasts that, only a new process ends."""


async def tell_service_manager(desk: ServiceDesk, manager: ServiceManager) -> None:
    """READY after the first reconciliation, or after 60 s degraded; then the watchdog's food."""
    if not manager.listens:
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell_stopping, desk.stop, manager)
        nursery.start_soon(_feed_watchdog, desk, manager)
        told = False
        while True:
            seen = await observe(desk)
            if not told and (seen.ready or trio.current_time() - desk.started_at > READY_WITHIN_S):
                manager.tell("READY=1")
                told = True
            words = f"{seen.health.value}: {'; '.join((*seen.problems, *seen.warnings)) or 'copying'}"
            manager.tell(f"STATUS={REDACTOR.text(words)[:STATUS_CHARACTERS_MAX]}")
            await trio.sleep(STATUS_EVERY_S if told else READY_POLL_S)


async def _feed_watchdog(desk: ServiceDesk, manager: ServiceManager) -> None:
    """Speak from the event loop, while who copies is alive: who stands still says nothing, and is restarted.

    An unreachable ledger or venue is no reason: reductions go on, and a restart mends neither (R18).
    """
    while manager.watchdog_s is not None:
        nodes = [desk.engine.root.describe_actor(name) for name in CRITICAL]
        if all((node.heartbeat_age_s or 0.0) < SILENCE_S_MAX for node in nodes):
            manager.tell("WATCHDOG=1")
        await trio.sleep(manager.watchdog_s / 3)


async def _tell_stopping(stop: StopRequest, manager: ServiceManager) -> None:
    await stop.wanted.wait()
    manager.tell("STOPPING=1")
