"""Writes to the ledger a mode that a follower came to by itself (R18)."""

from actors.events import TroubleMet
from actors.follower_desk import FollowerDesk
from model.ledger import LedgerUnreachable
from model.settings import FollowerMode


async def keep_mode(desk: FollowerDesk, mode: FollowerMode, *, instead_of: FollowerMode) -> bool:
    """Write a mode that follows from ``instead_of``; return whether the ledger has it now.

    It has not when it is away, and when an operator has set another one meanwhile.
    """
    name = desk.settings.name
    try:
        if desk.mode_unkept:
            await desk.ledger.read(lambda store: store.move_mode(name, instead_of, instead_of=None))
            desk.mode_unkept = False
        return await desk.ledger.read(lambda store: store.move_mode(name, mode, instead_of=instead_of))
    except LedgerUnreachable as error:
        desk.bus.publish(TroubleMet(where=name, what=f"mode not kept: {error}"))
        return False
