"""`tree` and restarting: the supervision tree as it stands (R3)."""

import os

import trio

from actors.bus import as_json
from supervision.control import Conflict, NoParams
from supervision.engine import Engine
from supervision.service.desk import ServiceDesk
from supervision.supervisor import State, Supervisor, UnknownName
from supervision.tree import follower_group

OUT_OF_SERVICE = frozenset({State.QUARANTINED, State.PROBATION})


async def tree(desk: ServiceDesk, params: NoParams) -> object:
    """Answer `tree`: what trades, and beside it what speaks to operators."""
    await trio.lowlevel.checkpoint()
    engine = desk.engine
    trees = [engine.root.describe()]
    if engine.edge is not None:
        trees.append(engine.edge.describe())
    return {"pid": os.getpid(), "trees": [as_json(node) for node in trees]}


def quarantined_names(engine: Engine) -> frozenset[str]:
    """Return the followers that are out of service."""
    state_of = engine.root.state_of
    return frozenset(name for name in engine.followers if state_of(follower_group(name)) in OUT_OF_SERVICE)


async def restart_actor(engine: Engine, name: str) -> str:
    """Restart an actor or group, or revive a quarantined one; a follower's plain name will do.

    Returns what was done, "" when there is nothing of that name. Raises: Conflict when it cannot be.
    """
    wanted = follower_group(name) if name in engine.followers else name
    node = engine.root.describe().find(wanted)
    if node is not None:
        await _restart(engine.root, wanted)
        return "revived" if node.state in OUT_OF_SERVICE else "restarted"
    if engine.edge is not None and engine.edge.describe().find(wanted) is not None:
        engine.restart_edge(wanted)
        return "restarted"
    return ""


async def _restart(supervisor: Supervisor, name: str) -> None:
    try:
        await supervisor.restart(name)
    except UnknownName:
        raise Conflict(f"{name} was just removed") from None
    except ValueError as error:
        raise Conflict(str(error)) from None
