"""`shutdown`, `log.level` and `actor.restart`."""

from enum import Enum

import attrs

from supervision.control import NotFound
from supervision.service.calls import recorded
from supervision.service.desk import ServiceDesk
from supervision.service.tree import restart_actor
from supervision.settings import LogLevel


class StopMode(Enum):
    """How to stop."""

    DRAIN = "drain"
    NOW = "now"


@attrs.frozen(kw_only=True)
class Shutdown:
    """Parameters of `shutdown`."""

    request_id: str
    mode: StopMode = StopMode.DRAIN
    reason: str = ""


@attrs.frozen(kw_only=True)
class SetLogLevel:
    """Parameters of `log.level`."""

    request_id: str
    level: LogLevel
    reason: str = ""


@attrs.frozen(kw_only=True)
class Restart:
    """Parameters of `actor.restart`."""

    request_id: str
    actor: str
    reason: str = ""


async def shutdown(desk: ServiceDesk, params: Shutdown) -> object:
    """Begin to stop; the answer comes before the end."""

    async def act() -> dict[str, object]:
        desk.stop.ask(now=params.mode is StopMode.NOW)
        return {"stopping": params.mode.value}

    shown = {"mode": params.mode.value}
    return await recorded(desk, "shutdown", params.request_id, params.reason, shown, act)


async def log_level(desk: ServiceDesk, params: SetLogLevel) -> object:
    """Change how much is logged, until the next start."""

    async def act() -> dict[str, object]:
        desk.set_log_level(params.level.value)
        return {"level": params.level.value}

    shown = {"level": params.level.value}
    return await recorded(desk, "log.level", params.request_id, params.reason, shown, act)


async def restart(desk: ServiceDesk, params: Restart) -> object:
    """Restart an actor, or revive a quarantined follower. Raises: NotFound."""

    async def act() -> dict[str, object]:
        done = await restart_actor(desk.engine, params.actor)
        if not done:
            raise NotFound("there is no actor of that name", hint="`copytrader tree` shows them")
        return {"actor": params.actor, "done": done}

    return await recorded(
        desk, "actor.restart", params.request_id, params.reason, {"actor": params.actor}, act
    )
