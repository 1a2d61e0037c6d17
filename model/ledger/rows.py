"""What the ledger hands out beside the model's own values."""

from collections.abc import Mapping

import attrs

from model.change import Change
from model.copy import CopyState, OrderRecord
from model.ledger.codec import dump_json, load_json
from model.leg import ChangeClass, Leg
from model.reasons import Reason
from model.settings import FollowerSettings


@attrs.frozen(kw_only=True)
class OpenCopy:
    """A copy that was claimed and has no outcome: the first thing a restarted follower settles (R2)."""

    copy_id: str
    follower: str
    change: Change
    client_order_id: str
    """Of part 0, attempt 0: it may have left even when ``orders`` has no row of it."""
    orders: tuple[OrderRecord, ...]
    claimed_at_ms: int
    beside: tuple[Change, ...] = ()
    """Changes of the symbol's other legs that it may have answered too, oldest first: a net is of all."""


@attrs.frozen(kw_only=True)
class CopyRow:
    """A copy as `copies` lists it and `explain` shows it (R17)."""

    copy_id: str
    follower: str
    change_id: str
    leg: Leg
    change_class: ChangeClass
    state: CopyState
    reason: Reason | None
    superseded_by: str | None
    client_order_id: str
    claimed_at_ms: int
    finished_at_ms: int | None
    orders: tuple[OrderRecord, ...]
    explain: Mapping[str, object]
    change: Change | None = None
    """Only `explain` reads it."""

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values: amounts as text, enums by value."""
        plain: dict[str, object] = load_json(dump_json(self))
        return plain


@attrs.frozen(kw_only=True)
class FollowerRow:
    """A follower in the ledger: settings, and secrets as sealed tokens by field."""

    settings: FollowerSettings
    secrets: Mapping[str, str] = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class Applied:
    """What applying a list of followers did, by name."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class RequestRow:
    """A mutating call of an operator, as it was first made (section 5)."""

    request_id: str
    method: str
    parameters: Mapping[str, object]
    reason: str
    received_at_ms: int
    answer: object = None
    """None while it has not been answered: it may or may not have acted."""


@attrs.frozen(kw_only=True)
class Purged:
    """How many rows a purge removed, and whether more wait."""

    copies: int = 0
    changes: int = 0
    more: bool = False
