"""One follower that hangs and another one that crashes again and again, until both are well again."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from pykka import ActorDeadError

from actors.messages import CrashNow
from supervision.supervisor import State, Supervisor
from supervision.tree import follower_group

CRASH_EVERY_S = 0.2
LOOK_EVERY_S = 0.01

Receive = Callable[[object], Awaitable[object]]


class Sickness:
    """What ails two followers of an engine."""

    def __init__(self, root: Supervisor) -> None:
        self._root = root
        self._released = trio.Event()
        self._crashing = trio.CancelScope()

    def begin(self, *, hangs: str, crashes: str) -> None:
        """Let one follower's receive loop wait at its next message, and crash the other one every 200 ms."""
        self._released, self._crashing = trio.Event(), trio.CancelScope()
        actor = self._root._nodes[f"follower:{hangs}"]._life._actor  # type: ignore[attr-defined]
        actor.on_receive = _held_up(actor.on_receive, self._released)
        trio.lowlevel.spawn_system_task(self._crash_again, crashes, self._crashing)

    async def end(self, *, crashes: str, is_well: Callable[[], bool]) -> None:
        """Let the one that hangs go on, and restart the other one until it is well.

        A crash that was told before may still send it into quarantine after it was restarted.
        """
        self._crashing.cancel()
        self._released.set()
        is_asked = False
        while not (is_asked and is_well()):
            if not is_asked or self._root.state_of(follower_group(crashes)) is State.QUARANTINED:
                with suppress(ValueError):  # on its way into quarantine
                    await self._root.restart(f"follower:{crashes}")
                    is_asked = True
            await trio.sleep(LOOK_EVERY_S)

    async def _crash_again(self, name: str, scope: trio.CancelScope) -> None:
        address = self._root.address(f"follower:{name}")
        with scope:
            while True:
                with suppress(ActorDeadError):
                    address.tell(CrashNow("a drill"))
                await trio.sleep(CRASH_EVERY_S)


def _held_up(receive: Receive, released: trio.Event) -> Receive:
    async def wait(message: object) -> object:
        await released.wait()
        return await receive(message)

    return wait
