"""Sealing the followers' secrets anew with the newest key, a row at a time (`keys rotate`).

It may stop after any row: what an older key sealed still opens, and is what the next run finds to do.
"""

from collections.abc import Sequence

import attrs

from model.ledger.rows import FollowerRow
from model.ledger.secrets import SealingKeys, SecretUnreadable, open_secrets, rotate_secrets
from model.ledger.store import Store


@attrs.frozen(kw_only=True)
class RotationPlan:
    """What is to be sealed anew."""

    due: tuple[tuple[FollowerRow, FollowerRow], ...]
    """Each row as it is, and as it shall be."""
    current: tuple[str, ...]
    """Whose secrets the newest key has sealed, or who have none."""
    unreadable: tuple[str, ...]
    """Whose secrets no key opens."""


@attrs.frozen(kw_only=True)
class Rotation:
    """What a rotation did, by follower."""

    key: str
    """The newest key's name: a hash of it, which tells keys apart and nothing more."""
    resealed: tuple[str, ...]
    current: tuple[str, ...]
    unreadable: tuple[str, ...]


def plan_rotation(rows: Sequence[FollowerRow], keys: SealingKeys) -> RotationPlan:
    """Sort rows by what there is to do; nothing is written."""
    due: list[tuple[FollowerRow, FollowerRow]] = []
    current: list[str] = []
    unreadable: list[str] = []
    for row in rows:
        try:
            open_secrets(keys, row)
            renewed = rotate_secrets(keys, [row])
        except SecretUnreadable:
            unreadable.append(row.settings.name)
            continue
        if renewed:
            due.append((row, renewed[0]))
        else:
            current.append(row.settings.name)
    return RotationPlan(due=tuple(due), current=tuple(current), unreadable=tuple(unreadable))


def rotate_ledger(store: Store, keys: SealingKeys) -> Rotation:
    """Seal every row anew that an older key sealed; for a ledger that no engine uses.

    Raises: LedgerUnreachable; what was sealed until then stays so.
    """
    plan = plan_rotation(store.followers(), keys)
    done = [old.settings.name for old, new in plan.due if store.reseal(old, new)]
    return Rotation(
        key=keys.newest_name,
        resealed=tuple(done),
        current=plan.current,
        unreadable=plan.unreadable,
    )
