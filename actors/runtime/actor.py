"""TrioActor: pykka's actor, as a trio task (R1)."""

import inspect
import logging
from typing import TYPE_CHECKING, Any

import pykka
import trio

from actors.runtime.address import Address
from actors.runtime.future import TrioFuture
from actors.runtime.life import Life
from actors.runtime.mailbox import Mailbox
from actors.runtime.ref import Inbox, TrioRef

_HOOKS = ("on_start", "on_receive", "on_stop", "on_failure")

logger = logging.getLogger("actors.runtime")


if TYPE_CHECKING:

    class PykkaActor:
        """What is used of pykka's actor. Its hooks are declared sync, so no async one could override them."""

        actor_urn: str
        actor_inbox: Inbox
        actor_ref: pykka.ActorRef[Any]
        actor_stopped: Any
        _actor_ref: TrioRef

        @classmethod
        def start(cls, *args: Any, **kwargs: Any) -> TrioRef: ...

        def stop(self) -> None: ...

        def _handle_receive(self, message: Any) -> Any: ...

else:
    PykkaActor = pykka.Actor


class TrioActor(PykkaActor):
    """One owner of state: takes one message at a time, and may have tasks of its own beside that.

    Subclasses take what they need in ``__init__`` and call ``super().__init__()``. A supervisor makes and
    runs them; `start` runs one without a supervisor, as pykka does. Whatever an actor raises ends this
    incarnation of it, whoever caused it: on_start, a tell, an ask (the asker gets the error as well), a
    background task. `on_failure` hears of every one of these.
    """

    nursery: trio.Nursery
    """For background tasks, from on_start to the end of on_stop; their crash is the actor's crash."""
    address: Address
    """Where this actor, and whoever is restarted in its place, can be reached."""
    generation: int = 0
    """Counts the incarnations in this place of the tree, from 1."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for hook in _HOOKS:
            if hook in vars(cls) and not inspect.iscoroutinefunction(vars(cls)[hook]):
                raise TypeError(f"{cls.__name__}.{hook} has to be an async function")

    def __init__(self) -> None:
        super().__init__()
        self._actor_ref = TrioRef(self)  # type: ignore[arg-type]

    async def on_start(self) -> None:
        """Prepare. The mailbox opens when this returns, so return soon and go on in the nursery."""

    async def on_receive(self, message: Any) -> Any:
        """Handle one message; what is returned is the answer to an ask.

        Long work belongs in the nursery: while this runs the actor does not beat.
        """
        raise TypeError(f"{type(self).__name__} does not know {message!r}")

    async def on_stop(self) -> None:
        """Clean up after the last message; background tasks still run, no more messages come."""

    async def on_failure(self, error: BaseException) -> None:
        """Clean up after a crash; the nursery is gone, 5 s at most."""

    def ready_for(self, message: Any) -> bool:
        """Tell whether to take a message now; a refused one waits for `wake` or the next handled message."""
        return True

    def wake(self) -> None:
        """Look again at the messages that `ready_for` refused."""
        self.actor_inbox.wake()

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @staticmethod
    def _create_future() -> TrioFuture[Any]:
        return TrioFuture()

    def _start_actor_loop(self) -> None:
        """Run without a supervisor: a crash is logged and nobody restarts anything, as in pykka."""
        life = Life(self, Mailbox(str(self)))
        trio.lowlevel.spawn_system_task(_run_alone, life, name=str(self))


async def _run_alone(life: Life) -> None:
    try:
        await life.run(is_registered=True)
    except (trio.Cancelled, KeyboardInterrupt):
        raise
    except BaseException:  # a system task that raises would end the whole run
        logger.exception("actor.crashed", extra={"actor": life.mailbox.name})
    finally:
        life.mailbox.shut("stopped")
