"""pykka's reference and inbox, tied to one incarnation of an actor."""

from typing import Any

from pykka import Actor, ActorDeadError, ActorRef

from actors.runtime.errors import WouldDeadlock
from actors.runtime.future import refuse_to_block
from actors.runtime.mailbox import Mailbox

__all__ = ["Inbox", "TrioRef", "WouldDeadlock"]


class Inbox:
    """The slot that an ActorRef drops its messages through; closed for ever when its incarnation ends.

    Closing is part of the put itself, so a message that comes too late is refused, never lost.
    """

    def __init__(self) -> None:
        self._mailbox: Mailbox | None = None
        self._early: list[Any] = []

    def bind(self, mailbox: Mailbox) -> None:
        """Lead into this mailbox from now on."""
        self._mailbox = mailbox
        early, self._early = self._early, []
        for envelope in early:
            self.put(envelope)

    def put(self, envelope: Any, /) -> None:
        """Queue what pykka made of a `tell` or an `ask`. Raises: ActorDeadError, for a `tell`."""
        if self._mailbox is None:
            self._early.append(envelope)
            return
        try:
            self._mailbox.put(envelope.message, envelope.reply_to, tenant=self)
        except ActorDeadError as error:
            if envelope.reply_to is None:
                raise
            envelope.reply_to.set_exception((type(error), error, None))

    def get(self) -> Any:
        """Not for us: the actor's loop takes from the mailbox."""
        raise NotImplementedError

    def empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self._early if self._mailbox is None else self._mailbox.depth == 0

    def wake(self) -> None:
        """Let the actor look at the mailbox again."""
        if self._mailbox is not None:
            self._mailbox.wake()


class TrioRef(ActorRef[Any]):
    """pykka's ActorRef; a blocking call in the trio thread is refused before anything is sent."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor)

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """As pykka's. Raises: WouldDeadlock for ``block=True`` in the trio thread."""
        if block:
            refuse_to_block("ask(block=True)")
        return super().ask(message, block=block, timeout=timeout)

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """As pykka's. Raises: WouldDeadlock for ``block=True`` in the trio thread."""
        if block:
            refuse_to_block("stop(block=True)")
        return super().stop(block=block, timeout=timeout)
