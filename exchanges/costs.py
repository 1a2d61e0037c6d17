"""What an engine draws on the limits that a venue publishes, from the same constants that its client keeps.

Rates of an engine at rest, and of one copy; per account where the limit is an account's, else per address.
"""

import attrs


@attrs.frozen(kw_only=True)
class Rhythm:
    """How often an engine reads, in seconds; the venue's client does not know it."""

    snapshot_s: float
    """Of each follower, on average (R21)."""
    reconcile_s: float
    """Of the master."""
    clock_s: float
    catalogue_s: float
    key_check_s: float


@attrs.frozen(kw_only=True)
class Limit:
    """One published limit, and what is drawn on it."""

    name: str
    most: float
    """As published, within ``period_s``."""
    period_s: float
    usable: float
    """What our client lets such requests take of it within ``period_s``; the rest is for what reduces."""
    at_once: float
    """What goes out in one moment, before some wait their turn."""
    shared_per_minute: float = 0.0
    """Drawn by the engine for the venue as such, whoever follows there."""
    follower_per_minute: float = 0.0
    """Drawn for each follower while nothing happens; for the dearest kind of follower."""
    first_followers: int = 0
    """So many draw less than the others: there is room for them on a stream."""
    first_per_minute: float = 0.0
    """What each of those draws instead."""
    copy: float = 0.0
    """Drawn by one copy of one follower, leverage unchanged, with what is read after it."""
    order: float = 0.0
    """Its order's own part, which has to go out at once."""
    key_check: float = 0.0
    is_per_account: bool = False

    @property
    def usable_per_minute(self) -> float:
        """What may be drawn in a minute, on average."""
        return self.usable * 60.0 / self.period_s

    @property
    def copies_at_once(self) -> int | None:
        """How many followers' orders go out in one moment; None where orders draw nothing."""
        return int(self.at_once / self.order) if self.order else None

    def idle_per_minute(self, followers: int) -> float:
        """Return what so many followers draw in a minute in which nothing happens."""
        first = min(followers, self.first_followers)
        own = first * self.first_per_minute + (followers - first) * self.follower_per_minute
        return self.shared_per_minute + own


@attrs.frozen(kw_only=True)
class VenueCosts:
    """What one venue's followers cost."""

    exchange: str
    limits: tuple[Limit, ...]
    carries: int
    """How many followers one address carries, idle: all of them as fresh as R21 wants."""
    carries_by: str
    """The limit that says so."""
    connections_per_follower: int
    connections_per_minute: float
    """New ones that the venue takes from an address: how soon all followers are there after a start."""
    spare_per_s: float
    """What is left of the tightest limit beside an engine that uses all it lets itself use."""
    check_cost: float
    """Of one account in `copytrader check`, drawn on that limit."""
    notes: tuple[str, ...] = ()

    @property
    def check_gap_s(self) -> float:
        """How far apart accounts are checked beside an engine."""
        return self.check_cost / self.spare_per_s


def carried(limit: Limit) -> int:
    """Return how many idle followers a limit carries."""
    if limit.follower_per_minute <= 0:
        raise ValueError(f"{limit.name}: idle followers draw nothing on it")
    left = limit.usable_per_minute - limit.idle_per_minute(limit.first_followers)
    if left >= 0:
        return limit.first_followers + int(left / limit.follower_per_minute)
    return max(0, int((limit.usable_per_minute - limit.shared_per_minute) / limit.first_per_minute))
