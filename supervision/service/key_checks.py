"""`followers.check`: a follower's key, asked about at its venue now (section 4)."""

from typing import Any

import trio
from pykka import ActorDeadError

from actors.bus import as_json
from actors.messages import CheckKey, Describe, FollowerStatus
from actors.runtime import Address
from supervision.control import NotFound, NotReady
from supervision.service.desk import ServiceDesk
from supervision.service.followers import Name

CHECK_S_MAX = 50.0
LOOK_S = 0.1


async def check_follower(desk: ServiceDesk, params: Name) -> object:
    """Check a follower's key now, and act on the verdict as after the daily check.

    `trouble` says why the venue could not be asked; the state is what was known before, then.
    Raises: NotFound, NotReady.
    """
    name = params.name
    if name not in desk.engine.followers:
        why = {**desk.barred, **desk.engine.barred}.get(name)
        if why is not None:
            raise NotReady(f"it is not started: {why}")
        raise NotFound("there is no follower of that name", hint="`copytrader followers list` shows them")
    address = desk.engine.followers[name]
    try:
        with trio.fail_after(CHECK_S_MAX):
            status = await _checked(address)
    except ActorDeadError as error:
        raise NotReady(f"it does not run now: {error}", hint="`copytrader tree` shows why") from None
    except trio.TooSlowError:
        raise NotReady("it is not its turn yet: the venue's budget is shared by all", hint="again") from None
    return _told(status)


async def _checked(address: Address) -> FollowerStatus:
    made = await address.ask(CheckKey())
    while True:
        status: FollowerStatus = await address.ask(Describe())
        if status.key.checks > made:
            return status
        await trio.sleep(LOOK_S)


def _told(status: FollowerStatus) -> dict[str, Any]:
    key = as_json(status.key)
    assert isinstance(key, dict)
    return {"name": status.name, "exchange": status.exchange, "follower": status.state, **key}
