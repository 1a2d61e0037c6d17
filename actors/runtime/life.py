"""One incarnation of an actor, from its start to its end."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

import structlog
import trio
from pykka import ActorDeadError, ActorRegistry

from actors.runtime.address import Address
from actors.runtime.errors import ActorHung
from actors.runtime.failure import first_of, without_cancellation

if TYPE_CHECKING:
    from pykka import Future

    from actors.runtime.actor import TrioActor
    from actors.runtime.mailbox import Entry, Mailbox

YIELD_EVERY = 10
"""Messages handled in a row before others get a turn, should no handler have waited for anything."""
FAILURE_HOOK_S = 5.0


class Phase(Enum):
    """How far an incarnation has come."""

    STARTING = "starting"
    SERVING = "serving"
    ENDING = "ending"


class Life:
    """Runs an actor once: start, messages, stop or crash. Not to be used again."""

    def __init__(
        self, actor: TrioActor, mailbox: Mailbox, *, generation: int = 1, grace_s: float = math.inf
    ) -> None:
        """Move ``actor`` into ``mailbox``; messages may come at once and are handled after on_start.

        Args:
            grace_s: after it was asked to stop, for the message in hand and on_stop together.
        """
        self.mailbox = mailbox
        self.beats = 0
        """Grows with every turn of the actor's own loop."""
        self.beat_at = trio.current_time()
        self.phase = Phase.STARTING
        self._actor = actor
        self._grace_s = grace_s
        self._inbox = actor.actor_inbox
        self._scope = trio.CancelScope()
        self._stopping = False
        self._hung: ActorHung | None = None
        self._stop_asked: list[Future[Any]] = []
        actor.address = Address(mailbox)
        actor.generation = generation
        mailbox.move_in(self._inbox)
        self._inbox.bind(mailbox)

    @property
    def was_cut_short(self) -> bool:
        """Tell whether stopping took longer than its grace."""
        return self._stopping and self._scope.cancelled_caught

    @property
    def beat_age_s(self) -> float:
        """Return the seconds since the loop last turned, or the start began; 0 while it waits."""
        return 0.0 if self.mailbox.is_idle else trio.current_time() - self.beat_at

    def stop(self, grace_s: float | None = None) -> None:
        """Let the message in hand and on_stop finish within the grace, or another one, then cancel."""
        if not self._stopping:
            self._stopping = True
            self._scope.deadline = trio.current_time() + (self._grace_s if grace_s is None else grace_s)
            self.mailbox.wake()

    def give_up(self, error: ActorHung) -> None:
        """Cancel it at once; it ends with ``error``."""
        self._hung = error
        self._scope.cancel()

    async def run(self, started: Callable[[], None] = lambda: None, *, is_registered: bool = False) -> None:
        """Return when the actor has stopped, raise what ended it; ``started`` is called after on_start."""
        actor = self._actor
        structlog.contextvars.bind_contextvars(actor=self.mailbox.name)
        if not is_registered:
            ActorRegistry.register(actor.actor_ref)
        try:
            error = await self._live_guarded(started)
            self._move_out("stopped" if error is None else "crashed")
            if error is not None:
                await self._tell_failure(error)
                raise error
        finally:
            self._move_out("was cancelled")

    async def _live_guarded(self, started: Callable[[], None]) -> BaseException | None:
        try:
            with self._scope:
                await self._live(started)
        except (trio.Cancelled, KeyboardInterrupt):
            raise
        except BaseException as error:  # one actor's end is never anybody else's
            if first_of(error, (KeyboardInterrupt,)) is not None:
                raise
            return self._hung or without_cancellation(error)
        return self._hung

    async def _live(self, started: Callable[[], None]) -> None:
        actor = self._actor
        async with trio.open_nursery() as nursery:
            actor.nursery = nursery
            await actor.on_start()
            if not self._stopping:
                self.phase = Phase.SERVING
                started()
                await self._serve()
            self.phase = Phase.ENDING
            await actor.on_stop()
            nursery.cancel_scope.cancel()

    async def _serve(self) -> None:
        mailbox, ready_for = self.mailbox, self._actor.ready_for
        in_a_row = 0
        while not self._stopping:
            in_a_row += 1
            self.beats += 1
            self.beat_at = trio.current_time()
            entry = mailbox.take(ready_for)
            if entry is None:
                if await mailbox.wait():
                    in_a_row = 0  # others had their turn: what has just come is not put off
            elif entry.is_stop:
                self._note_stop(entry)
            else:
                await self._handle(entry)
                mailbox.look_again()
            if in_a_row >= YIELD_EVERY:
                in_a_row = 0
                await trio.lowlevel.checkpoint()

    def _note_stop(self, entry: Entry) -> None:
        self.stop()
        if entry.reply_to is not None:
            self._stop_asked.append(entry.reply_to)

    async def _handle(self, entry: Entry) -> None:
        reply_to = entry.reply_to
        try:
            if entry.is_internal:
                answer = await self._handle_proxy(entry.message)
            else:
                answer = await self._actor.on_receive(entry.message)
        except BaseException as error:
            if reply_to is not None:
                self._answer_failure(reply_to, error)
            raise
        if reply_to is not None:
            reply_to.set(answer)

    async def _handle_proxy(self, message: Any) -> Any:
        answer = self._actor._handle_receive(message)
        return await answer if inspect.isawaitable(answer) else answer

    def _answer_failure(self, reply_to: Future[Any], error: BaseException) -> None:
        if not isinstance(error, Exception):  # a Cancelled of ours must not run in somebody else's task
            error = ActorDeadError(f"{self.mailbox.name} ended while it handled the message")
        reply_to.set_exception((type(error), error, error.__traceback__))

    async def _tell_failure(self, error: BaseException) -> None:
        with trio.move_on_after(FAILURE_HOOK_S):
            try:
                await self._actor.on_failure(error)
            except Exception as second:  # noqa: BLE001 - the first failure is the one to be told
                error.add_note(f"on_failure failed too: {second!r}")

    def _move_out(self, why: str) -> None:
        if self._actor.actor_stopped.is_set():
            return
        self.phase = Phase.ENDING
        self._scope.deadline = math.inf
        ActorRegistry.unregister(self._actor.actor_ref)
        self._actor.actor_stopped.set()
        self.mailbox.move_out(why)
        for reply_to in self._stop_asked:
            reply_to.set(None)
