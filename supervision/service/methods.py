"""The table of control methods: name, parameters, handler (design section 5)."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from supervision.control import Method, NoParams
from supervision.service import copies, followers, process, status, tree
from supervision.service.desk import ServiceDesk

CHANGE_S_MAX = 85.0
"""Followers that are stopped settle their orders first, 30 s at most, and may wait for each other."""

Handler = Callable[[ServiceDesk, Any], Awaitable[object]]

_READS: tuple[tuple[str, type, Handler], ...] = (
    ("status", NoParams, status.status),
    ("health", NoParams, status.health),
    ("positions", NoParams, status.positions),
    ("tree", NoParams, tree.tree),
    ("copies", copies.Copies, copies.copies),
    ("explain", copies.Explain, copies.explain),
    ("followers.list", NoParams, followers.list_followers),
    ("followers.get", followers.Name, followers.get_follower),
)
_CHANGES: tuple[tuple[str, type, Handler], ...] = (
    ("followers.apply", followers.Apply, followers.apply),
    ("followers.close_only", followers.ChangeOne, followers.close_only),
    ("pause", followers.ChangeOne, followers.pause),
    ("resume", followers.ChangeOne, followers.resume),
    ("actor.restart", process.Restart, process.restart),
    ("log.level", process.SetLogLevel, process.log_level),
    ("shutdown", process.Shutdown, process.shutdown),
)


def make_methods(desk: ServiceDesk) -> tuple[Method, ...]:
    """Return every method of the control socket, bound to one engine."""
    reads = [Method(name, params, partial(handler, desk)) for name, params, handler in _READS]
    changes = [
        Method(name, params, partial(handler, desk), timeout_s=CHANGE_S_MAX)
        for name, params, handler in _CHANGES
    ]
    return (*reads, *changes)
