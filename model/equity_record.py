"""What a follower's equity was when the day began, and at its highest: for daily_loss and max_drawdown.

A withdrawal looks like a loss and a deposit like a profit: no venue's balance tells them apart. Both
err to the safe side or end with the day; an operator who moved money starts a new record.
"""

from collections.abc import Mapping
from decimal import Decimal

import attrs

from model.amounts import decimal_from_text, format_decimal

DAY_MS = 86_400_000


@attrs.frozen(kw_only=True)
class EquityRecord:
    """Equities in quote asset; ``day`` counts UTC days since 1970."""

    day: int
    day_start: Decimal
    peak: Decimal

    def to_plain(self) -> dict[str, str]:
        """Return the record as text, to outlive the process: a restart must not forget a day's loss."""
        return {
            "day": str(self.day),
            "day_start": format_decimal(self.day_start),
            "peak": format_decimal(self.peak),
        }


def equity_record_from_plain(plain: Mapping[str, str]) -> EquityRecord:
    """Read what ``to_plain`` wrote. Raises: ValueError."""
    try:
        return EquityRecord(
            day=int(plain["day"]),
            day_start=decimal_from_text(plain["day_start"]),
            peak=decimal_from_text(plain["peak"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an equity record: {plain!r}") from error


def note_equity(known: EquityRecord | None, equity: Decimal, wall_ms: int) -> EquityRecord:
    """Return the record after seeing ``equity``; the first of a UTC day is that day's start.

    A clock that steps back over midnight changes no day that has begun.
    """
    day = wall_ms // DAY_MS
    if known is None:
        return EquityRecord(day=day, day_start=equity, peak=equity)
    peak = max(known.peak, equity)
    if day > known.day:
        return EquityRecord(day=day, day_start=equity, peak=peak)
    return known if peak == known.peak else attrs.evolve(known, peak=peak)
