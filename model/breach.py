"""The losses at which a follower stops opening until an operator has looked: R9's limits on equity."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import attrs

from model.amounts import EXACT, decimal_from_text, format_decimal
from model.reasons import Reason
from model.settings import Limits


@attrs.frozen(kw_only=True)
class Breach:
    """A limit that a follower's equity has broken. Money in quote asset."""

    limit: str
    """The limit's name in the followers file."""
    allowed: Decimal
    equity: Decimal
    """When it was seen."""
    measured_from: Decimal
    """Equity when the UTC day began, or at its highest; for min_equity the floor itself."""

    @property
    def reason(self) -> Reason:
        """Why openings are skipped from then on."""
        return _REASONS[self.limit]

    @property
    def words(self) -> str:
        """What an operator reads beside the follower's state."""
        equity, allowed = format_decimal(self.equity), format_decimal(self.allowed)
        if self.reason is Reason.LIMIT_MIN_EQUITY:
            return f"min_equity {allowed} broken: equity {equity}; waits for resume"
        measured_from = format_decimal(self.measured_from)
        return f"{self.limit} {allowed} broken: equity {equity}, was {measured_from}; waits for resume"

    def to_plain(self) -> dict[str, str]:
        """Return the breach as text, to outlive the process."""
        return {
            "limit": self.limit,
            "allowed": format_decimal(self.allowed),
            "equity": format_decimal(self.equity),
            "measured_from": format_decimal(self.measured_from),
        }


_REASONS: Mapping[str, Reason] = {
    "min_equity": Reason.LIMIT_MIN_EQUITY,
    "daily_loss": Reason.LIMIT_DAILY_LOSS,
    "max_drawdown": Reason.LIMIT_DRAWDOWN,
}


def breach_from_plain(plain: Mapping[str, str]) -> Breach:
    """Read what ``to_plain`` wrote. Raises: ValueError."""
    try:
        amounts = {name: decimal_from_text(plain[name]) for name in ("allowed", "equity", "measured_from")}
        if plain["limit"] not in _REASONS:
            raise ValueError(f"no limit of equity: {plain['limit']!r}")
        return Breach(limit=plain["limit"], **amounts)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a breach: {plain!r}") from error


def find_breach(
    limits: Limits, equity: Decimal | None, *, day_start: Decimal | None, peak: Decimal | None
) -> Breach | None:
    """Return the first limit that is broken, None while none is; what is unknown breaks nothing.

    Broken is a floor when equity is below it, and a loss when the whole of what may be lost is lost.
    """
    if equity is None:
        return None
    for name, allowed, base in _equity_limits(limits, day_start, peak):
        if base is None:
            continue
        is_floor = _REASONS[name] is Reason.LIMIT_MIN_EQUITY
        if equity < base if is_floor else EXACT.subtract(base, equity) >= allowed:
            return Breach(limit=name, allowed=allowed, equity=equity, measured_from=base)
    return None


def can_be_judged(
    limits: Limits, equity: Decimal | None, *, day_start: Decimal | None, peak: Decimal | None
) -> bool:
    """Tell whether everything is known that the follower's limits are measured by."""
    bases = [base for _, _, base in _equity_limits(limits, day_start, peak)]
    return not bases or (equity is not None and None not in bases)


def _equity_limits(
    limits: Limits, day_start: Decimal | None, peak: Decimal | None
) -> Iterator[tuple[str, Decimal, Decimal | None]]:
    if limits.min_equity is not None:
        yield "min_equity", limits.min_equity, limits.min_equity
    if limits.daily_loss is not None:
        yield "daily_loss", limits.daily_loss, day_start
    if limits.max_drawdown is not None:
        yield "max_drawdown", limits.max_drawdown, peak
