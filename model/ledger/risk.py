"""What a follower's losses are measured from, and the limit that it broke: beside its mode, in meta (R9)."""

from collections.abc import Mapping

import peewee

from model.ledger.meta import read_meta, write_meta
from model.ledger.tables import FollowerRecord
from model.settings import FollowerMode


def equity_key(follower: str) -> str:
    """Return where a follower's equity record is kept."""
    return f"equity:{follower}"


def breach_key(follower: str) -> str:
    """Return where the limit is kept that a follower broke."""
    return f"breach:{follower}"


def keep_risk(
    connection: peewee.Database, follower: str, values: Mapping[str, object], *, is_broken: bool
) -> None:
    """Write the record and, of a limit broken just now, that the follower only closes.

    A mode that an operator has set stays: it is no milder.
    """
    write_meta(connection, values)
    if is_broken:
        move_mode(connection, follower, FollowerMode.CLOSE_ONLY, instead_of=FollowerMode.ACTIVE)


def move_mode(
    connection: peewee.Database, follower: str, mode: FollowerMode, *, instead_of: FollowerMode | None
) -> bool:
    """Set a mode that follows from ``instead_of``, or from any; return whether the follower has it now."""
    query = FollowerRecord.update(mode=mode.value).where(FollowerRecord.name == follower)
    if instead_of is not None:
        query = query.where(FollowerRecord.mode.in_([instead_of.value, mode.value]))
    return bool(query.execute(connection))


def forget_breach(connection: peewee.Database, follower: str) -> None:
    """Let losses be measured anew, where a limit was broken: an operator has resumed the follower."""
    if breach_key(follower) in read_meta(connection, breach_key(follower)):
        forget_risk(connection, follower)


def forget_risk(connection: peewee.Database, follower: str) -> None:
    """Forget what a follower's losses are measured from."""
    write_meta(connection, {equity_key(follower): None, breach_key(follower): None})
