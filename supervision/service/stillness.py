"""Whether a follower holds nothing, looked at while it stands still: nothing is opened behind the look."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import trio
from pykka import ActorDeadError

from actors.messages import Drain, FollowerStatus, GoOn
from supervision.service.desk import ServiceDesk
from supervision.service.observation import ask_all

STILL_S = 30.0
"""How long orders in flight may take to settle before a follower is called busy."""
POLL_S = 0.05


@asynccontextmanager
async def standing_still(desk: ServiceDesk, names: Collection[str]) -> AsyncIterator[None]:
    """Let followers take nothing new while they are looked at; one that stays goes on where it was."""
    for name in names:
        _tell(desk, name, Drain())
    try:
        yield
    finally:
        for name in names if not desk.stop.wanted.is_set() else ():
            _tell(desk, name, GoOn())


def _tell(desk: ServiceDesk, name: str, message: object) -> None:
    address = desk.engine.followers.get(name)
    if address is not None:
        with suppress(ActorDeadError):  # quarantined
            address.tell(message)


async def why_not_flat(desk: ServiceDesk, name: str) -> str:
    """Return what speaks against forgetting a follower once what it has in hand has settled, "" for nothing.

    One that the engine does not know at all is for the ledger to judge.
    """
    if name not in desk.engine.followers and name not in {**desk.barred, **desk.engine.barred}:
        return ""
    why = "it does not answer"
    with trio.move_on_after(STILL_S):
        while True:
            status = await _status(desk, name)
            why = _why_held(status)
            if not why or status is None or not _is_passing(status):
                break
            await trio.sleep(POLL_S)
    return why


async def _status(desk: ServiceDesk, name: str) -> FollowerStatus | None:
    address = desk.engine.followers.get(name)
    answer = {} if address is None else await ask_all({name: address})
    found = answer.get(name)
    return found if isinstance(found, FollowerStatus) else None


def _is_passing(status: FollowerStatus) -> bool:
    return bool(status.busy_symbols or status.unknown_orders or not status.fresh)


def _why_held(status: FollowerStatus | None) -> str:
    if status is None:
        return "it does not answer"
    if status.state == "starting":
        return "its account is not read yet"
    if status.unknown_orders:
        return f"{status.unknown_orders} orders have no known outcome"
    if status.busy_symbols:
        return f"copies are under way: {', '.join(status.busy_symbols)}"
    held = [f"{leg.symbol} {leg.position}" for leg in status.legs if leg.position != "0"]
    if held:
        return f"it holds {', '.join(held)}"
    return "" if status.fresh else "its account is not known as it is now"
