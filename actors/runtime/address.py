"""How everybody else reaches an actor: valid through its crash, backoff and restart (R2)."""

from typing import Any

import trio
from pykka import ActorDeadError

from actors.runtime.future import TrioFuture
from actors.runtime.mailbox import Mailbox

ASK_S = 5.0


class Address:
    """A name in the tree and the mailbox there. Any thread may use it."""

    __slots__ = ("_mailbox", "name")

    def __init__(self, mailbox: Mailbox) -> None:
        self.name = mailbox.name
        self._mailbox = mailbox

    def __repr__(self) -> str:
        return f"<Address of {self.name}>"

    def tell(self, message: object) -> None:
        """Leave a message; while the actor is being restarted it waits for the next incarnation.

        Raises: ActorDeadError when the actor is quarantined, ended or removed (nothing is kept then, and
            whoever comes back asks for what it missed); MailboxFull, one of these, when it does not keep up.
        """
        self._mailbox.put(message)

    def ask_nowait(self, message: object) -> TrioFuture[Any]:
        """Leave a question; return the future answer: to be awaited in trio, `get` elsewhere."""
        future: TrioFuture[Any] = TrioFuture()
        try:
            self._mailbox.put(message, future)
        except ActorDeadError as error:
            future.set_exception((type(error), error, None))
        return future

    async def ask(self, message: object, *, timeout_s: float = ASK_S) -> Any:
        """Return the actor's answer.

        Raises: whatever handling the message raised (the actor dies of it too); ActorDeadError when the
            actor died first or is not there to answer now, also while it waits to be restarted;
            trio.TooSlowError after ``timeout_s`` seconds, and then the message may still be handled.
        """
        with trio.fail_after(timeout_s):
            return await self.ask_nowait(message)
