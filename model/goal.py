"""Where one leg of a follower shall be, as the master's legs say (R5, R6)."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs

from model.amounts import EXACT, ZERO
from model.change import Change
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, ChangeClass, Leg, PositionMode, classify

_ADDS = frozenset({ChangeClass.OPEN, ChangeClass.INCREASE, ChangeClass.FLIP})


@attrs.frozen(kw_only=True)
class Goal:
    """One leg's way from what the follower acted on to what the master holds now."""

    leg: Leg
    """Of the follower's account."""
    before: Decimal
    """The master's size that the follower last acted on, net where legs are netted."""
    after: Decimal
    change: Change
    """The change that is being answered."""
    contributions: tuple[Change, ...]
    """The master legs that make up ``after``."""
    moving: tuple[Decimal, ...] = ()
    """The master's sizes that unfinished copies had begun to answer with fills, oldest first.

    The follower may then hold anything between its answers to ``before`` and to these.
    """
    held: Decimal | None = None
    """What the follower held when the copy began: a retry in proportion starts from there again (R6)."""
    only_reduces: bool = False
    """The change has its outcome and did not add itself: only what is left to reduce is done (R11, R13)."""

    def begun(self, *, moving: tuple[Decimal, ...], held: Decimal, only_reduces: bool = False) -> "Goal":
        """Return the goal of a copy that begins now."""
        return attrs.evolve(self, moving=moving, held=held, only_reduces=only_reduces)

    @property
    def change_class(self) -> ChangeClass:
        """The class of the move, judged by what the follower acted on (R2: states, not deltas)."""
        return classify(self.before, self.after)

    @property
    def grew(self) -> bool:
        """Tell whether this very change added to the master's side, whatever was acted on."""
        step = EXACT.subtract(self.change.size_after, self.change.size_before)
        return classify(EXACT.subtract(self.after, step), self.after) in _ADDS

    @property
    def adds(self) -> bool:
        """Tell whether the master added to its side, seen from any size that the follower may answer."""
        return not self.only_reduces and self._would_add()

    @property
    def withholds(self) -> bool:
        """Tell whether there may be something to open that this run must not open."""
        return self.only_reduces and self._would_add()

    @property
    def takes_off(self) -> bool:
        """Tell whether the master took something off its side, seen likewise."""
        return ChangeClass.PARTIAL_CLOSE in self._classes()

    @property
    def is_move(self) -> bool:
        """Tell whether anything changed."""
        return any(kind is not ChangeClass.UNCHANGED for kind in self._classes())

    def _would_add(self) -> bool:
        return any(kind in _ADDS for kind in self._classes())

    def _classes(self) -> tuple[ChangeClass, ...]:
        return self.change_class, *(classify(size, self.after) for size in self.moving)


def _everything(_: Change) -> bool:
    return True


def goals_of(
    change: Change,
    others: tuple[Change, ...],
    *,
    symbol: str,
    mode: PositionMode,
    acted: Mapping[Leg, Decimal],
    takes_part: Callable[[Change], bool] = _everything,
) -> tuple[Goal, ...]:
    """Return the follower's goals for one change, reductions first (R6: nets and hedge legs).

    Args:
        others: last change of the master symbol's other legs.
        symbol: the follower's spelling.
        acted: the master size per follower leg that was last acted on; absent is zero.
        takes_part: whether the follower joined an episode (R14): a net leaves out what it did not join,
            unless it joined none of it.
    """
    legs = {other.leg.position_idx: other for other in others}
    legs[change.leg.position_idx] = change
    held = tuple(legs[idx] for idx in sorted(legs) if legs[idx].size_after)
    wanted = answered_by(held, symbol=symbol, mode=mode, takes_part=takes_part)
    touched = change.leg.position_idx
    if mode is PositionMode.HEDGE and touched != ONE_WAY:
        wanted = {leg: rows for leg, rows in wanted.items() if leg.position_idx == touched}
    goals = [
        Goal(
            leg=leg,
            before=acted.get(leg, ZERO),
            after=sum((row.size_after for row in rows), ZERO),
            change=change,
            contributions=rows,
        )
        for leg, rows in wanted.items()
    ]
    return tuple(sorted(goals, key=lambda goal: not goal.change_class.reduces))


def answered_by(
    held: tuple[Change, ...],
    *,
    symbol: str,
    mode: PositionMode,
    takes_part: Callable[[Change], bool] = _everything,
) -> dict[Leg, tuple[Change, ...]]:
    """Return, by leg of the follower, the master's open legs of one symbol that it answers (R6)."""
    if mode is PositionMode.ONE_WAY:
        return {Leg(symbol, ONE_WAY): tuple(filter(takes_part, held)) or held}
    return {
        Leg(symbol, HEDGE_LONG): tuple(row for row in held if row.size_after > 0),
        Leg(symbol, HEDGE_SHORT): tuple(row for row in held if row.size_after < 0),
    }
