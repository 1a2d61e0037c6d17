"""A copy in plain sentences: the change, each number of R6, each gate, orders and times (R17).

Works on the JSON of a copy, so that it explains what any version of the ledger remembers; what is not there
is left out, never guessed.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.repair import REPAIR_PREFIX
from supervision.reason_words import AFTER_DECIDING, GATES, REASON_WORDS

UNKNOWN = "unknown"
FRACTION_DIGITS_MAX = 12
STEPS = ("event", "received", "claimed", "decided", "sent", "acknowledged", "filled", "finished")

_STATES = {
    "claimed": "is under way",
    "applied": "was applied",
    "skipped": "was skipped",
    "superseded": "was superseded",
    "failed": "failed",
}


def explain_copy(copy: Mapping[str, Any]) -> list[str]:
    """Return the sentences about one copy, as `explain` of the control socket gives it."""
    explain = copy.get("explain") or {}
    lines = [_headline(copy), *_change(copy, explain)]
    decisions = explain.get("decisions") or []
    for number, decision in enumerate(decisions, start=1):
        lines += ["", _title(decision, number, len(decisions)), *(f"  {x}" for x in _decision(decision))]
    lines += _orders(copy.get("orders") or [])
    troubles = explain.get("troubles") or []
    if troubles:
        lines += ["", "Trouble on the way:", *(f"  {trouble}" for trouble in troubles)]
    return [*lines, *_times(explain.get("times") or {})]


def reason_words(code: str) -> str:
    """Return a reason as a sentence, with its code."""
    return f"{REASON_WORDS.get(code, code.replace('_', ' '))} ({code})"


def wall_time(ms: int | None) -> str:
    """Return a wall-clock time in UTC, to the millisecond."""
    if ms is None:
        return UNKNOWN
    seconds, rest = divmod(int(ms), 1000)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def _headline(copy: Mapping[str, Any]) -> str:
    state = _STATES.get(str(copy.get("state")), str(copy.get("state")))
    line = f"Copy {copy['copy_id']} of {copy['follower']} {state}"
    if copy.get("reason"):
        line += f": {reason_words(copy['reason'])}"
    if copy.get("superseded_by"):
        line += f", by change {copy['superseded_by']}"
    return line + "."


def _change(copy: Mapping[str, Any], explain: Mapping[str, Any]) -> Iterator[str]:
    change = copy.get("change") or explain.get("change")
    if not change:
        yield f"It answers change {copy.get('change_id')}, which the ledger does not have any more."
        return
    leg = copy.get("leg") or {}
    if change.get("by_operator"):
        yield f"An operator had {leg.get('symbol')}:{leg.get('position_idx')} closed; the master did nothing."
        return
    if str(copy.get("change_id")).startswith(REPAIR_PREFIX):
        yield "An audit or an operator asked for it: no copy had followed the master's change."
    kind = str(copy.get("change_class") or (explain.get("change") or {}).get("class") or "").replace("_", " ")
    yield (
        f"The master's {leg.get('symbol')}:{leg.get('position_idx')} went from {change['size_before']} to "
        f"{change['size_after']} ({kind}) at {_or_unknown(change.get('fill_price'))}."
    )
    if "initial_margin" in change:
        yield (
            f"Its confirmed initial margin was {_or_unknown(change['initial_margin'])}, leverage "
            f"{_or_unknown(change.get('leverage'))}, equity {_or_unknown(change.get('master_equity'))}."
        )
    if change.get("caught_up"):
        yield "It was found by catch-up: an opening is judged by price, not by age."
    elif change.get("from_snapshot"):
        yield "It was seen as a difference of positions, without its fills."


def _title(decision: Mapping[str, Any], number: int, count: int) -> str:
    which = "Decision" if count == 1 else f"Decision {number} of {count}"
    kind = str(decision.get("class", "")).replace("_", " ")
    return (
        f"{which}, {decision.get('leg')} ({kind}), {_seconds(decision.get('age_s'))} after it was received:"
    )


def _decision(it: Mapping[str, Any]) -> Iterator[str]:
    for part in it.get("master") or []:
        yield _formula(part, it)
    if it.get("proportional_because"):
        yield f"shrunk in the master's own proportion, since {reason_words(it['proportional_because'])}"
    yield f"target = {_or_unknown(it.get('target'))}"
    yield (
        f"increment = target - current = {_or_unknown(it.get('target'))} - {it.get('current')}, "
        f"in lots of {_or_unknown(it.get('lot'))}: {it.get('increment')}"
    )
    yield f"mark price {_or_unknown(it.get('mark'))}, leverage {_or_unknown(it.get('leverage_now'))}"
    if it.get("price_bound"):
        yield f"limit price {it['price_bound']}, from the master's {it.get('reference_price')}"
    if it.get("set_leverage"):
        yield f"leverage to be set to {it['set_leverage']} first"
    yield from _gates(it)
    sent = it.get("orders") or []
    which = "would have sent" if it.get("reason") == "dry_run" else "orders"
    yield f"{which}: {', '.join(sent)}; desired position {it.get('desired')}" if sent else "no order"


def _formula(part: Mapping[str, Any], it: Mapping[str, Any]) -> str:
    """Write R6 out with its numbers for one leg of the master."""
    size, sizing = part.get("size"), it.get("sizing")
    if sizing == "fixed_ratio":
        return f"{part.get('leg')}: {size} x ratio (fixed_ratio)"
    margin = part.get("peak_margin") if sizing == "fixed_margin" else part.get("initial_margin")
    share = "a constant" if sizing == "fixed_margin" else "multiplier x master_IM / master_equity"
    return (
        f"{part.get('leg')}: master_size {size} x (equity {_or_unknown(it.get('equity'))} x margin_pct "
        f"{_or_unknown(part.get('margin_pct'))} / master_IM {_or_unknown(margin)}), {sizing}: margin_pct is "
        f"{share}, master equity {_or_unknown(part.get('equity'))}"
    )


def _gates(it: Mapping[str, Any]) -> Iterator[str]:
    """Name each gate that the decision went through, up to the one that held it."""
    reason = it.get("reason")
    opens = it.get("class") in ("open", "increase", "flip")
    passed: list[str] = []
    for name, openings_only, reasons in GATES:
        if openings_only and not opens:
            continue
        if reason in reasons:
            yield f"gates passed: {', '.join(passed) or 'none'}"
            yield f"held at the gate '{name}': {reason_words(str(reason))}"
            return
        if name not in AFTER_DECIDING:
            passed.append(name)
    if reason:
        yield f"outcome: {reason_words(str(reason))}"
    else:
        yield f"gates passed: {', '.join(passed)}"


def _orders(orders: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not orders:
        return
    yield ""
    yield "Orders:"
    for order in orders:
        price = f"limit {order['price']}" if order.get("price") else "market"
        words = f"{order['side']} {order['quantity']} {price}"
        words += ", reduce-only" if order.get("reduce_only") else ""
        filled = f"{order['state']}, filled {order['filled']} at {_or_unknown(order.get('average_price'))}"
        detail = f", {order['detail']}" if order.get("detail") else ""
        yield (
            f"  part {order['part']} attempt {order['attempt']}: {words}: {filled}{detail} "
            f"(client id {order['client_order_id']}, venue id {order.get('order_id') or UNKNOWN})"
        )


def _times(times: Mapping[str, Any]) -> Iterator[str]:
    start = times.get("event")
    if start is None:
        return
    yield ""
    yield "Times, since the venue's own time of the change:"
    for step in STEPS:
        at = times.get(step)
        words = "not reached" if at is None else f"{wall_time(at)}  {at - start:+d} ms"
        yield f"  {step:<13}{words}"


def _or_unknown(value: object) -> str:
    """Return a value as text; an endless fraction is cut, the copy's JSON has all of it."""
    if value is None or value == "":
        return UNKNOWN
    text = str(value)
    whole, point, fraction = text.partition(".")
    endless = whole.lstrip("-").isdigit() and len(fraction) > FRACTION_DIGITS_MAX
    return f"{whole}{point}{fraction[:FRACTION_DIGITS_MAX]}..." if endless else text


def _seconds(value: object) -> str:
    return f"{value:.3f} s" if isinstance(value, (int, float)) else UNKNOWN
