"""What the runtime itself can say went wrong."""

from pykka import ActorDeadError


class MailboxFull(ActorDeadError):
    """Too many messages wait: the receiver does not keep up, and this one was not taken."""


class ActorHung(Exception):
    """The actor stopped beating, or did not get through its start, and was cancelled."""

    def __init__(self, name: str, silent_s: float) -> None:
        super().__init__(f"{name} was silent for {silent_s:.0f} s")
        self.silent_s = silent_s


class ActorEnded(Exception):
    """A permanent actor stopped by itself although nobody had asked it to."""


class WouldDeadlock(RuntimeError):
    """Blocking here would stop the very thread that has to produce the answer: await instead."""
