"""How many crashes are too many, and how long to wait before the next start: pure, time is passed in (R3)."""

from collections.abc import Iterable
from random import Random

import attrs

BACKOFF_DOUBLINGS_MAX = 30


@attrs.frozen(kw_only=True)
class Intensity:
    """So many unexpected failures within a period are too many."""

    max_failures: int
    """The failure that makes it this many is the last one answered with a restart no more."""
    period_s: float
    stands_still_in_hangs: bool = False
    """The period does not run while a child is silent: a hang is noticed after 15 s or more, so that
    one who hangs in every life would otherwise never fail often enough."""

    def after_hang(self, failed_at: Iterable[float], silent_s: float, now: float) -> tuple[float, ...]:
        """Return when the earlier failures happened, as the period counts once a hang is noticed."""
        if not self.stands_still_in_hangs:
            return tuple(failed_at)
        return tuple(min(now, at + silent_s) for at in failed_at)

    def still_counting(self, failed_at: Iterable[float], now: float) -> tuple[float, ...]:
        """Return the times that are younger than the period."""
        return tuple(at for at in failed_at if now - at < self.period_s)

    def is_exhausted(self, failed_at: Iterable[float], now: float) -> bool:
        """Tell whether these failures, the newest included, are too many."""
        return len(self.still_counting(failed_at, now)) >= self.max_failures


@attrs.frozen(kw_only=True)
class Backoff:
    """The first restart at once, then base * 2^n up to a cap, with equal jitter."""

    base_s: float = 0.1
    cap_s: float = 30.0
    healthy_s: float = 60.0
    """Whoever ran this long begins again without a delay."""

    def delay_s(self, failures: int, jitter: Random) -> float:
        """Return the seconds to wait after the ``failures``-th failure in a row, counted from 1."""
        if failures <= 1:
            return 0.0
        doublings = min(failures - 2, BACKOFF_DOUBLINGS_MAX)
        full_s = min(self.cap_s, self.base_s * 2.0**doublings)
        return full_s / 2 + jitter.random() * full_s / 2


@attrs.frozen(kw_only=True)
class QuarantineLimit:
    """More accounts quarantined at once than single bad keys explain: something common is broken."""

    at_least: int = 5
    share: float = 0.10
    period_s: float = 60.0

    def recent(self, quarantined_at: Iterable[float], now: float) -> int:
        """Return how many of these times, one an account, lie in the period."""
        return sum(1 for at in quarantined_at if now - at < self.period_s)

    def is_exceeded(self, recent: int, *, members: int) -> bool:
        """Tell whether so many accounts are more than max(at_least, share of the members)."""
        return recent > max(self.at_least, self.share * members)
