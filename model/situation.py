"""Everything that a decision about one leg depends on, gathered by the actor."""

from decimal import Decimal

import attrs

from model.instrument import Instrument
from model.key_standing import KeyState
from model.leg import PositionMode
from model.reasons import Reason
from model.settings import FollowerSettings
from model.validation import Exposure


@attrs.frozen(kw_only=True)
class Situation:
    """The follower and its venue at one moment. Money in quote asset, ages in seconds."""

    settings: FollowerSettings
    instrument: Instrument | None
    """None: the follower's venue does not list the symbol."""
    mode: PositionMode
    size: Decimal
    """Confirmed signed size of the leg."""
    owned: bool
    """The engine opened what is held (R14)."""
    leverage: Decimal | None
    equity: Decimal | None
    mark: Decimal | None
    exposure: Exposure
    age_s: float
    """Since the change was received."""
    max_open_age_s: float
    stopping: bool = False
    clock_ok: bool = True
    """The venue's clock is within 1 s of ours (R20)."""
    durable: bool = True
    """The claim is in the ledger (R18)."""
    view_fresh: bool = True
    """Positions and equity are known as they are now (R21)."""
    master_heard: bool = True
    """What is known of the master is of now (R14)."""
    order_unknown: bool = False
    """An order of the symbol has no known outcome yet (R11)."""
    symbol_confirmed: bool = True
    """Prices have shown that the follower's symbol is the master's (R9)."""
    limit_broken: Reason | None = None
    """Why the follower only closes, where it was no operator who said so."""
    key: KeyState = KeyState.ACCEPTED
    """How far the follower's key is trusted (section 4)."""
    equity_day_start: Decimal | None = None
    """Equity when the UTC day began, for ``daily_loss``."""
    equity_peak: Decimal | None = None
    """Highest equity since the follower was added, for ``max_drawdown``."""
