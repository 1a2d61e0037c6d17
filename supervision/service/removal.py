"""`followers.remove`: a follower is forgotten, with its keys; a flat one, or one that is left as it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import attrs
import trio
from pykka import ActorDeadError

from actors.events import FollowerRemoved
from actors.messages import Drain, FollowerStatus, GoOn
from model.ledger import Store
from supervision.control import Conflict
from supervision.service.calls import recorded
from supervision.service.desk import ServiceDesk
from supervision.service.followers import unknown_follower
from supervision.service.observation import ask_all

METHOD = "followers.remove"
STILL_S = 30.0
"""How long orders in flight may take to settle before the follower is called busy."""
POLL_S = 0.05


@attrs.frozen(kw_only=True)
class Remove:
    """Parameters of `followers.remove`; ``leave`` leaves positions as they are, to nobody."""

    request_id: str
    name: str
    leave: bool = False
    reason: str = ""


async def remove(desk: ServiceDesk, params: Remove) -> object:
    """Forget a follower and its keys: one that is flat, or with `leave` whatever it holds.

    Its copies stay in the ledger. Raises: NotFound; Conflict when it is not known to be flat.
    """
    if params.leave:
        return await _forget(desk, params, None)
    async with _standing_still(desk, params.name):
        return await _forget(desk, params, await _why_not_flat(desk, params.name))


async def _forget(desk: ServiceDesk, params: Remove, refusal: Conflict | None) -> dict[str, object]:
    name, shown = params.name, {"name": params.name, "leave": params.leave}

    def write(store: Store, is_repeated: bool) -> None:
        if not (store.remove_follower(name) or is_repeated):
            raise unknown_follower(name)

    async def act() -> dict[str, object]:
        await desk.engine.remove_follower(name)
        desk.barred.pop(name, None)
        desk.engine.parts.bus.publish(FollowerRemoved(follower=name, left=params.leave))
        return {"name": name, "state": "removed"}

    async with desk.changing:
        return await recorded(
            desk, METHOD, params.request_id, params.reason, shown, act, write=write, refusal=refusal
        )


@asynccontextmanager
async def _standing_still(desk: ServiceDesk, name: str) -> AsyncIterator[None]:
    """Let a follower take nothing new while it is looked at; one that stays goes on where it was."""
    _tell(desk, name, Drain())
    try:
        yield
    finally:
        if not desk.stop.wanted.is_set():
            _tell(desk, name, GoOn())


def _tell(desk: ServiceDesk, name: str, message: object) -> None:
    address = desk.engine.followers.get(name)
    if address is not None:
        with suppress(ActorDeadError):  # quarantined
            address.tell(message)


async def _why_not_flat(desk: ServiceDesk, name: str) -> Conflict | None:
    """Return why the follower cannot go, once what it has in hand has settled."""
    if name not in desk.engine.followers and name not in {**desk.barred, **desk.engine.barred}:
        return None  # whether there is one at all, the ledger knows
    why = "it does not answer"
    with trio.move_on_after(STILL_S):
        while True:
            status = await _status(desk, name)
            why = _why_held(status)
            if not why or status is None or not _is_passing(status):
                break
            await trio.sleep(POLL_S)
    if not why:
        return None
    return Conflict(
        f"{name} is not known to be flat: {why}",
        hint="`copytrader followers flatten` closes what is ours; `leave` leaves everything as it is",
    )


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
