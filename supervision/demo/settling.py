"""Asking the engine who holds what, and waiting until nobody has anything left to do."""

from collections.abc import Mapping

import trio
from pykka import ActorDeadError

from actors.messages import Describe, FollowerStatus, MasterStatus
from actors.runtime import Address
from supervision.demo.cast import MASTER
from supervision.demo.stage import Stage

ASK_S = 2.0
POLL_S = 0.05
QUIET_POLLS = 3


async def ask_followers(stage: Stage) -> Mapping[str, FollowerStatus]:
    """Return the statuses of those that answer; one between two lives is left out."""
    answers: dict[str, FollowerStatus] = {}

    async def ask(name: str, address: Address) -> None:
        answer = await _ask(address)
        if isinstance(answer, FollowerStatus):
            answers[name] = answer

    async with trio.open_nursery() as nursery:
        for name, address in stage.engine.followers.items():
            nursery.start_soon(ask, name, address)
    return answers


async def ask_master(stage: Stage) -> MasterStatus | None:
    """Return what Pairing knows of the master, None while it cannot say."""
    answer = await _ask(stage.engine.address("pairing"))
    return answer if isinstance(answer, MasterStatus) else None


async def wait_ready(stage: Stage, timeout_s: float) -> bool:
    """Wait until the master is reconciled and every follower knows its state; say whether it came to that."""
    with trio.move_on_after(timeout_s):
        while True:
            master, followers = await ask_master(stage), await ask_followers(stage)
            ready = [status for status in followers.values() if status.state == "ready"]
            if master is not None and master.reconciled and len(ready) == len(stage.players):
                return True
            await trio.sleep(POLL_S)
    return False


async def wait_settled(stage: Stage, timeout_s: float) -> bool:
    """Wait until the engine knows every leg of the master and nobody has a copy in hand."""
    with trio.move_on_after(timeout_s):
        quiet = 0
        while quiet < QUIET_POLLS:
            quiet = quiet + 1 if await _is_settled(stage) else 0
            await trio.sleep(POLL_S)
        return True
    return False


async def _is_settled(stage: Stage) -> bool:
    master = await ask_master(stage)
    if master is None or not master.reconciled:
        return False
    known = {(it.leg.symbol, it.leg.position_idx): it.size_after for it in master.legs}
    held = stage.venue.account(MASTER).open_positions()
    if known != {(leg.symbol, leg.position_idx): leg.size for leg in held}:
        return False
    followers = await ask_followers(stage)
    return len(followers) == len(stage.players) and not any(
        status.busy_symbols or status.unknown_orders or status.state == "starting"
        for status in followers.values()
    )


async def _ask(address: Address) -> object:
    try:
        return await address.ask(Describe(), timeout_s=ASK_S)
    except (ActorDeadError, trio.TooSlowError):
        return None
