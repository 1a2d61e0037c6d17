"""The gates that an opening passes before it is sized; a reduction passes none (R9, R13, R14, R18, R20).

Each is one question with a name: `explain` shows which were passed and which one said no.
"""

from collections.abc import Callable

import attrs

from model.amounts import positive_or_none
from model.breach import can_be_judged, find_breach
from model.catchup import entry_of, is_beyond, joined, missed_opening_allowed
from model.goal import Goal
from model.instrument import Instrument, InstrumentStatus
from model.reasons import Reason
from model.settings import FollowerMode
from model.situation import Situation
from model.validation import is_symbol_allowed


@attrs.frozen
class Gates:
    """How far an opening came: the gates that it passed, and the one that refused it."""

    passed: tuple[str, ...]
    refused: str | None = None
    reason: Reason | None = None


def pass_gates(goal: Goal, situation: Situation, instrument: Instrument) -> Gates:
    """Ask every gate in turn; the first refusal ends it.

    What lasts is asked before what passes by itself, and age before both kinds of waiting.
    """
    passed: list[str] = []
    for name, gate in _GATES.items():
        reason = gate(goal, situation, instrument)
        if reason is not None:
            return Gates(tuple(passed), name, reason)
        passed.append(name)
    return Gates(tuple(passed))


def _mode(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    if situation.settings.mode is not FollowerMode.CLOSE_ONLY:
        return None
    return situation.limit_broken or Reason.CLOSE_ONLY


def _key(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    return Reason.KEY_REFUSED if situation.key.is_refused else None


def _key_checked(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    return None if situation.key.is_judged else Reason.KEY_UNCHECKED


def _symbol(goal: Goal, situation: Situation, _: Instrument) -> Reason | None:
    return is_symbol_allowed(situation.settings.limits, (goal.change.leg.symbol, goal.leg.symbol))


def _same_thing(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    return None if situation.symbol_confirmed else Reason.SYMBOL_UNCONFIRMED


def _join(goal: Goal, situation: Situation, _: Instrument) -> Reason | None:
    """Let a position that is ours follow whatever it follows: an adopted one takes part in its episode."""
    if situation.size and situation.owned:
        return None
    rows = goal.contributions or (goal.change,)
    return None if all(joined(row, situation.settings) for row in rows) else Reason.NOT_JOINED


def _trading(_: Goal, __: Situation, instrument: Instrument) -> Reason | None:
    return None if instrument.status is InstrumentStatus.TRADING else Reason.SYMBOL_NOT_TRADING


def _stopping(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    return Reason.ENGINE_STOPPING if situation.stopping else None


def _ledger(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    return None if situation.durable else Reason.LEDGER_UNREACHABLE


def _age(goal: Goal, situation: Situation, _: Instrument) -> Reason | None:
    if goal.change.caught_up:
        return missed_opening_allowed(goal.change, situation.mark, situation.settings.limits.max_slippage)
    return Reason.EXPIRED if situation.age_s > situation.max_open_age_s else None


def _master(goal: Goal, situation: Situation, __: Instrument) -> Reason | None:
    """Hold back what was missed while nobody knows where the master stands: it does not expire by its age."""
    return Reason.MASTER_UNHEARD if goal.change.caught_up and not situation.master_heard else None


def _clock(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    return None if situation.clock_ok else Reason.CLOCK_OFFSET


def _fresh(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    return None if situation.view_fresh else Reason.VIEW_NOT_FRESH


def _unknown(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    return Reason.ORDER_UNKNOWN if situation.order_unknown else None


def _positions(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    most = situation.settings.limits.max_positions
    is_new = not situation.size
    if most is not None and is_new and situation.exposure.positions_open >= most:
        return Reason.LIMIT_POSITIONS
    return None


def _equity(_: Goal, situation: Situation, __: Instrument) -> Reason | None:
    limits, equity = situation.settings.limits, situation.equity
    day_start, peak = situation.equity_day_start, situation.equity_peak
    breach = find_breach(limits, equity, day_start=day_start, peak=peak)
    if breach is not None:
        return breach.reason
    if not can_be_judged(limits, equity, day_start=day_start, peak=peak):
        return Reason.EQUITY_UNKNOWN  # a limit that cannot be judged holds back
    return None


def _price(goal: Goal, _: Situation, __: Instrument) -> Reason | None:
    return Reason.PRICE_UNKNOWN if entry_of(goal.change) is None else None


def _basis(goal: Goal, situation: Situation, _: Instrument) -> Reason | None:
    """Hold back where the venues' prices are apart: another contract of the same name, or a dislocation."""
    basis_max, reference = situation.settings.limits.max_basis, entry_of(goal.change)
    if basis_max is None or reference is None:
        return None
    mark = positive_or_none(situation.mark)
    if mark is None:
        return Reason.PRICE_UNKNOWN
    return Reason.MAX_BASIS if is_beyond(mark, reference, basis_max) else None


_GATES: dict[str, Callable[[Goal, Situation, Instrument], Reason | None]] = {
    "mode": _mode,
    "key": _key,
    "symbol": _symbol,
    "join": _join,
    "trading": _trading,
    "stopping": _stopping,
    "ledger": _ledger,
    "age": _age,
    "master": _master,
    "clock": _clock,
    "key_checked": _key_checked,
    "unknown_order": _unknown,
    "fresh_view": _fresh,
    "same_symbol": _same_thing,
    "positions": _positions,
    "equity": _equity,
    "price": _price,
    "basis": _basis,
}
