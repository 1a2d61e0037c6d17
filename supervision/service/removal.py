"""`followers.remove`: a follower is forgotten, with its keys; a flat one, or one that is left as it is."""

import attrs

from actors.events import FollowerRemoved
from model.ledger import Store
from supervision.control import Conflict
from supervision.service.calls import recorded
from supervision.service.desk import ServiceDesk
from supervision.service.followers import unknown_follower
from supervision.service.stillness import standing_still, why_not_flat

METHOD = "followers.remove"
HINT = "`copytrader followers flatten` closes what is ours; `leave` leaves everything as it is"


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
    async with standing_still(desk, [params.name]):
        why = await why_not_flat(desk, params.name)
        refusal = Conflict(f"{params.name} is not known to be flat: {why}", hint=HINT) if why else None
        return await _forget(desk, params, refusal)


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
