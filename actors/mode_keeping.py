"""Writes to the ledger what a follower decided about itself: its mode, its losses, what broke (R9, R18)."""

from actors.events import TroubleMet
from actors.follower_desk import FollowerDesk
from model.ledger import LedgerUnreachable
from model.ledger.risk import breach_key, equity_key
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


async def keep_risk(desk: FollowerDesk) -> None:
    """Write what losses are measured from and, of a limit broken just now, the mode that follows from it."""
    if not (desk.unkept or desk.breach_unkept):
        return
    name, record, breach = desk.settings.name, desk.equity_record, desk.breach
    is_broken = desk.breach_unkept and breach is not None
    values: dict[str, object] = {equity_key(name): None if record is None else record.to_plain()}
    if is_broken and breach is not None:
        values[breach_key(name)] = breach.to_plain()
    was_unkept = desk.unkept, desk.breach_unkept, desk.day_unkept
    desk.unkept = desk.breach_unkept = desk.day_unkept = False
    try:
        await desk.ledger.read(lambda store: store.keep_risk(name, values, is_broken=is_broken))
    except LedgerUnreachable as error:
        desk.unkept, desk.breach_unkept, desk.day_unkept = was_unkept
        desk.bus.publish(TroubleMet(where=name, what=f"equity not kept: {error}"))
