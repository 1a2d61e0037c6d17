"""The table of control methods: name, parameters, handler (design section 5)."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from supervision.control import Method, NoParams
from supervision.control.connection import Subscribe
from supervision.control.schema import MethodDescription
from supervision.service import (
    adoption,
    alerts,
    audit,
    copies,
    flatten,
    followers,
    key_checks,
    keys,
    process,
    removal,
    status,
    tree,
)
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
    ("audit.findings", audit.Findings, audit.findings),
    ("audit.run", audit.Findings, audit.run),
    ("alerts.list", alerts.ListAlerts, alerts.list_alerts),
    ("followers.list", NoParams, followers.list_followers),
    ("followers.get", followers.Name, followers.get_follower),
    ("followers.check", followers.Name, key_checks.check_follower),
)
_CHANGES: tuple[tuple[str, type, Handler], ...] = (
    ("followers.apply", followers.Apply, followers.apply),
    ("followers.close_only", followers.ChangeOne, followers.close_only),
    ("followers.adopt", adoption.Adopt, adoption.adopt),
    ("followers.join", adoption.JoinEpisodes, adoption.join),
    ("followers.flatten", flatten.Flatten, flatten.flatten),
    ("followers.remove", removal.Remove, removal.remove),
    ("pause", followers.ChangeOne, followers.pause),
    ("resume", followers.ChangeOne, followers.resume),
    ("keys.rotate", keys.Rotate, keys.rotate),
    ("alerts.ack", alerts.Acknowledge, alerts.acknowledge),
    ("alerts.test", alerts.TestChannels, alerts.test),
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


def describe_methods() -> tuple[MethodDescription, ...]:
    """Return every method that callers can use, as it is documented; no engine is needed."""
    own = (
        ("events.subscribe", Subscribe, "Stream events on this connection, after the answer."),
        ("events.unsubscribe", NoParams, "End the stream of events."),
    )
    handled = ((name, params, _summary(handler)) for name, params, handler in (*_READS, *_CHANGES))
    return tuple(
        MethodDescription(name=name, params=params, summary=summary)
        for name, params, summary in sorted((*handled, *own))
    )


def _summary(handler: Handler) -> str:
    """Return the first paragraph of a handler's docstring, without the errors that it raises."""
    words = " ".join((handler.__doc__ or "").strip().partition("\n\n")[0].split())
    words = re.sub(r"^Answer `[^`]+`: ", "", words)
    words = re.sub(r" Raises: .*$| \((?:R\d+|section \d+)\)", "", words)
    return words[:1].upper() + words[1:]
