"""Who lives which life in which task, and what the process holds: before, after, and what differs."""

import gc
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import attrs
import trio
from pykka import ActorRegistry

from exchanges.websocket import WebSocket
from supervision.supervisor.actor_node import ActorNode
from tests.world import World


@attrs.frozen
class Incarnation:
    """One life of one actor."""

    generation: int
    life: int
    task: int
    restarts: int


def incarnations(world: World) -> dict[str, Incarnation]:
    """Return the life of every actor of the trading tree."""
    tasks = {task.name: id(task) for task in every_task()}
    nodes = world.engine.root._nodes.values()
    return {
        node.name: Incarnation(node.generation, id(node._life), tasks.get(node.name, 0), node.restarts)
        for node in nodes
        if isinstance(node, ActorNode)
    }


def touched(
    before: dict[str, Incarnation], after: dict[str, Incarnation], *, but: Collection[str]
) -> list[str]:
    """Return who lives another life than before, but for those who had to."""
    return [name for name, life in after.items() if name not in but and life != before.get(name)]


def every_task() -> Iterator[trio.lowlevel.Task]:
    """Yield every task that lives."""
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        yield task
        waiting.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)


def inventory(world: World) -> Counter[str]:
    """Return how many there are of what must not become more.

    Connections for REST come and go with their pools, each with one task of the venue's.
    """
    gc.collect()
    sockets = [thing for thing in gc.get_objects() if isinstance(thing, WebSocket)]
    pooled = sum(len(house.server.connections(kind="rest")) for house in world.houses)
    return Counter(
        {
            "trio tasks": trio.lowlevel.current_statistics().tasks_living - pooled,
            "tasks below the root": sum(1 for _ in every_task()) - pooled,
            "threads": len(threading.enumerate()),
            "open files": len(list(Path("/proc/self/fd").iterdir())),
            "actors in the registry": len(ActorRegistry.get_all()),
            "WebSockets, dead ones too": len(sockets),
        }
    ) + Counter(
        f"{peer.kind} connections at {house.exchange}"
        for house in world.houses
        for peer in house.server.connections()
        if peer.kind != "rest"
    )
