"""TrioActor: pykka's actor, as a trio task. pykka's private names stay in this package (R1, R2)."""

from actors.runtime.actor import TrioActor
from actors.runtime.address import Address
from actors.runtime.errors import ActorEnded, ActorHung, MailboxFull, WouldDeadlock
from actors.runtime.failure import all_are, describe_failure, first_of, leaves
from actors.runtime.future import TrioFuture
from actors.runtime.life import Life, Phase
from actors.runtime.mailbox import Mailbox

__all__ = [
    "ActorEnded",
    "ActorHung",
    "Address",
    "Life",
    "Mailbox",
    "MailboxFull",
    "Phase",
    "TrioActor",
    "TrioFuture",
    "WouldDeadlock",
    "all_are",
    "describe_failure",
    "first_of",
    "leaves",
]
