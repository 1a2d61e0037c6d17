"""Mutants that no test can kill, because the changed code does the same: each with its reason."""

import fnmatch

import attrs

from tests.mutation.results import Mutant


@attrs.frozen
class Same:
    """A change that makes no difference; lines as a diff has them, without indentation.

    Names and lines may hold ``*``.
    """

    function: str
    before: str
    after: str
    why: str

    def is_of(self, mutant: Mutant) -> bool:
        """Tell whether this is that mutant."""
        found, wanted = (mutant.function, *mutant.lines), (self.function, self.before, self.after)
        return all(_matches(text, pattern) for text, pattern in zip(found, wanted, strict=True))


def _matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


SAME = (
    Same(
        function="model.account_view.AccountView.legs_of",
        before="return (Leg(symbol, ONE_WAY),)",
        after="return (Leg(symbol, ),)",
        why="one-way is what a leg is unless told otherwise",
    ),
    Same(
        function="model.account_view._older",
        before="return row.seq < known.seq",
        after="return row.seq <= known.seq",
        why="they differ there",
    ),
    Same(
        function="model.follower.wanted_size",
        before="side = Side.BUY if goal.after > 0 else Side.SELL",
        after="side = Side.BUY if goal.after >= 0 else Side.SELL",
        why="a flat master has been answered before",
    ),
    Same(
        function="model.goal._everything",
        before="return True",
        after="return False",
        why="who takes part in nothing of a net answers all of it",
    ),
    Same(
        function="model.goal.answered_by",
        before="return {Leg(symbol, ONE_WAY): tuple(filter(takes_part, held)) or held}",
        after="return {Leg(symbol, ): tuple(filter(takes_part, held)) or held}",
        why="one-way is what a leg is unless told otherwise",
    ),
    Same(
        function="model.goal.answered_by",
        before="Leg(symbol, HEDGE_LONG): tuple(row for row in held if row.size_after > 0),",
        after="Leg(symbol, HEDGE_LONG): tuple(row for row in held if row.size_after >= 0),",
        why="what is held is not flat",
    ),
    Same(
        function="model.goal.answered_by",
        before="Leg(symbol, HEDGE_SHORT): tuple(row for row in held if row.size_after < 0),",
        after="Leg(symbol, HEDGE_SHORT): tuple(row for row in held if row.size_after <= 0),",
        why="what is held is not flat",
    ),
    Same(
        function="model.leg_book.LegBook.reduce_alone",
        before="flat_row(self.leg, newest.seq, newest.venue_time_ms),",
        after="flat_row(None, newest.seq, newest.venue_time_ms),",
        why="a change takes its leg from the book",
    ),
    Same(
        function="model.reduction.shrink_to_margin",
        before="most = maximum_order(instrument, market=False)",
        after="most = maximum_order(instrument, market=None)",
        why="None is as false as False",
    ),
    Same(
        function="model.sizing.Target.floor_lots",
        before="if self.numerator < 0:",
        after="if self.numerator <= 0:",
        why="zero is the same either way",
    ),
    Same(
        function="model.sizing.proportional_target",
        before="if before < 0:",
        after="if before <= 0:",
        why="nothing is reduced in proportion to a master that was flat",
    ),
    Same(
        function="model.sizing.proportional_target",
        before="if after <= 0:",
        after="if after < 0:",
        why="a size times zero is zero too",
    ),
    Same(
        function="model.sizing.proportional_target",
        before="if after >= before:",
        after="if after > before:",
        why="a size times one is the size too",
    ),
    Same(
        function="model.symbols._best",
        before="same = [it for it in found if it.quote == master.quote or {it.quote, master.quote} "
        "<= DOLLARS]",
        after="same = [it for it in found if it.quote == master.quote or {it.quote, master.quote} < DOLLARS]",
        why="two are never all three",
    ),
)
