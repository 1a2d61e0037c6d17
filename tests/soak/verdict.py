"""Whether a virtual day left anything behind, as figures."""

from collections import Counter
from collections.abc import Iterable, Sequence

import exchanges.hyperliquid.order_tape as tape
import model.fills as fills
from tests.bench.figures import Figure
from tests.soak.virtual import CAST, Day

SHARE, SLACK = 1.1, 20
"""What the last quarter of a day may hold beside the second one: some hours are busier than others."""
KB_PER_ORDER_MAX = 6.0
BEATS_A_DAY = 1
KEPT_FOR_400_DAYS = ("changes", "copies", "orders")
EVENTS = ("actors.events.", "supervision.events.")
_TAPES = sum(member.venue == "hyperliquid" for member in CAST)
BOUNDS = {
    "model.fills.Fills._seen": fills.SEEN_MAX,
    "model.fills.Fills._order_idx": fills.ORDERS_MAX,
    "exchanges.hyperliquid.order_tape.OrderTape._fills": _TAPES * tape.ORDERS_MAX,
    "model.account.Execution": 2 * _TAPES * tape.ORDERS_MAX,
}
"""Memories that a day does not fill, and how full they may become."""


def judge(day: Day) -> list[Figure]:
    """Return the figures of a day."""
    return [
        _of_memory("objects of our classes, and things in their tables", day.hours),
        _of_bounds(day.hours[-1]),
        *(_of_machine(what, day) for what in day.machine[-1]),
        _of_rss(day),
        _of_rows(day),
        _of_retention(day),
        _of_events(day),
        _of_problems(day),
    ]


def _of_memory(what: str, hours: Sequence[Counter[str]]) -> Figure:
    second, last = (_most(_quarter(hours, number)) for number in (2, 4))
    grown = {
        it: (second[it], n) for it, n in last.items() if it not in BOUNDS and n > SHARE * second[it] + SLACK
    }
    told = ", ".join(f"{it} {a} -> {b}" for it, (a, b) in sorted(grown.items(), key=lambda it: -it[1][1])[:8])
    return Figure(
        what=f"{what}: kinds that grew from the 2nd to the last quarter",
        value=f"{len(grown)} of {len(last)}",
        goal="0",
        met=not grown,
        note=told or f"at most {max(sum(it.values()) for it in hours)} in all",
    )


def _of_bounds(last: Counter[str]) -> Figure:
    beyond = [it for it, most in BOUNDS.items() if last[it] > most]
    return Figure(
        what="memories that fill for longer than a day",
        value=", ".join(f"{it.rpartition('.')[2]} {last[it]}" for it in BOUNDS),
        goal=", ".join(f"<= {most}" for most in BOUNDS.values()),
        met=not beyond,
    )


def _of_machine(what: str, day: Day) -> Figure:
    second, last = (max(it[what] for it in _quarter(day.machine, number)) for number in (2, 4))
    return Figure(
        what=f"{what} at the end of an hour (most of the 2nd and of the last quarter)",
        value=f"{second} / {last}",
        goal="no more than before",
        met=last <= second,
    )


def _of_rss(day: Day) -> Figure:
    half = len(day.rss_mb) // 2
    grown_kb = (day.rss_mb[-1] - day.rss_mb[half]) * 1000
    orders = max(1, day.orders[-1] - day.orders[half])
    return Figure(
        what="RSS of engine and venues in one process, second half",
        value=f"{grown_kb / 1000:+.1f} MB = {grown_kb / orders:.1f} KB an order",
        goal=f"<= {KB_PER_ORDER_MAX:g} KB an order, which the venues keep for ever",
        met=grown_kb <= KB_PER_ORDER_MAX * orders,
        note=f"from {day.rss_mb[0]:.0f} to {day.rss_mb[-1]:.0f} MB, {day.orders[-1]} orders",
    )


def _of_rows(day: Day) -> Figure:
    tables = [it for it in day.rows[-1] if it not in (*KEPT_FOR_400_DAYS, "copies too old")]
    second, last = (_most(_quarter(day.rows, number)) for number in (2, 4))
    grown = [it for it in tables if last[it] > second[it] + SLACK]
    return Figure(
        what="ledger tables that grow with time",
        value=", ".join(grown) or "none",
        goal="none but those kept for 400 days",
        met=not grown,
        note=", ".join(f"{day.rows[-1][it]} {it}" for it in (*KEPT_FOR_400_DAYS, *tables)),
    )


def _of_retention(day: Day) -> Figure:
    late = sum(it["copies too old"] for it in day.rows)
    return Figure(
        what="copies over 400 days old, at the end of any hour",
        value=str(late),
        goal="0",
        met=late == 0 and day.purged > 0,
        note=f"{day.purged} left the ledger during the day",
    )


def _of_events(day: Day) -> Figure:
    hours = [Counter({"events": _events_in(it)}) for it in day.hours]
    second, last = (_most(_quarter(hours, number))["events"] for number in (2, 4))
    return Figure(
        what="events kept in memory (most of the 2nd and of the last quarter)",
        value=f"{second} / {last}",
        goal="no more than a tenth more",
        met=last <= SHARE * second + SLACK,
    )


def _of_problems(day: Day) -> Figure:
    beats = day.beats == BEATS_A_DAY * (len(day.hours) // 24)
    problems = day.problems + ([] if beats else [f"{day.beats} daily signs of life"])
    return Figure(
        what="followers off target, orders sent twice, actors left over",
        value=str(len(problems)),
        goal="0",
        met=not problems,
        note="; ".join(problems[:5])
        or f"{day.changes} changes, {day.drops} sockets dropped, {day.backups} backups; {day.took_s:.0f} s",
    )


def _quarter(values: Sequence[Counter[str]], number: int) -> Sequence[Counter[str]]:
    length = len(values)
    return values[length * (number - 1) // 4 : max(1, length * number // 4)]


def _most(counted: Iterable[Counter[str]]) -> Counter[str]:
    most: Counter[str] = Counter()
    for it in counted:
        most |= Counter({name: n for name, n in it.items() if not name.startswith(EVENTS)})
    return most


def _events_in(held: Counter[str]) -> int:
    return sum(n for it, n in held.items() if it.startswith(EVENTS) and it.count(".") == 2)
