"""How a session ended: who is where, what was sent, what took how long; and whether that is right."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import attrs

from exchanges.sandbox.houses import House
from model.amounts import ZERO, format_decimal
from model.copy import CopyState
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY
from supervision.demo.cast import MASTER, Player
from supervision.demo.stage import Stage
from supervision.demo.watch import STAGES, Watch, percentile

COPIES_MAX = 1_000_000


@attrs.frozen(kw_only=True)
class LegVerdict:
    """One leg of one follower. Sizes signed, base asset."""

    symbol: str
    position_idx: int
    target: Decimal
    position: Decimal
    lot: Decimal
    skipped: str | None

    @property
    def drift(self) -> Decimal:
        """How far the position is off its target."""
        return self.position - self.target

    @property
    def is_right(self) -> bool:
        """Tell whether it is within one lot."""
        return abs(self.drift) <= self.lot


@attrs.frozen(kw_only=True)
class Verdict:
    """The whole session; ``problems`` is empty when it went as it must."""

    summary: dict[str, Any]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Tell whether everybody is on target, nothing was sent twice and every change has an outcome."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; amounts as text."""
        return {"ok": self.ok, "problems": list(self.problems), **self.summary}


def judge(stage: Stage, watch: Watch, *, seconds: float, settled: bool) -> Verdict:
    """Look at the venue's own books and at the ledger; the engine's word does not count."""
    legs = {it.name: _legs(stage, it) for it in stage.players}
    rows = stage.store.copies(limit=COPIES_MAX)
    answered = {(row.follower, row.change_id) for row in rows if row.state.is_final}
    twice = {key: n for house in stage.houses.values() for key, n in house.core.ledger.sent_twice().items()}
    problems = [
        *([] if settled else ["the engine did not come to rest"]),
        *_off_target(legs),
        *_left_behind(stage, legs),
        *(
            f"{account}: order {order_id} arrived {count} times"
            for (account, order_id), count in twice.items()
        ),
        *_unanswered(stage, watch, answered),
        *(f"{row.follower}: copy {row.copy_id} has no outcome" for row in rows if not row.state.is_final),
        *(
            f"the sandbox of {exchange} failed: {error!r}"
            for exchange, house in stage.houses.items()
            for error in house.server.crashes
        ),
    ]
    if watch.missed_events:
        problems.append(f"{watch.missed_events} events were missed: the figures are incomplete")
    summary = {
        "seconds": round(seconds, 2),
        "changes": len(watch.change_ids),
        "copies": dict(Counter(row.state.value for row in rows)),
        "skips": dict(Counter(row.reason.value for row in rows if _is_skip(row.state) and row.reason)),
        "orders": {"sent": sum(_orders(house) for house in stage.houses.values()), "twice": len(twice)},
        "venues": {exchange: _venue(stage, exchange, watch) for exchange in stage.houses},
        "restarts": dict(watch.restarts),
        "master": _master(stage),
        "followers": [_follower(stage, it, legs[it.name]) for it in stage.players],
    }
    return Verdict(summary=summary, problems=tuple(problems))


def _is_skip(state: CopyState) -> bool:
    return state in (CopyState.SKIPPED, CopyState.FAILED)


def _legs(stage: Stage, player: Player) -> list[LegVerdict]:
    core = stage.house(player).core
    held = {(leg.symbol, leg.position_idx): leg.size for leg in core.account(player.name).open_positions()}
    holdings = {(it.leg.symbol, it.leg.position_idx): it for it in stage.store.holdings(player.name)}
    verdicts = []
    for key in sorted({*held, *(key for key, holding in holdings.items() if holding.target)}):
        holding = holdings.get(key)
        verdicts.append(
            LegVerdict(
                symbol=key[0],
                position_idx=key[1],
                target=ZERO if holding is None else holding.target,
                position=held.get(key, ZERO),
                lot=core.listing(key[0]).lot_size,
                skipped=None if holding is None or holding.skipped is None else holding.skipped.value,
            )
        )
    return verdicts


def _off_target(legs: dict[str, list[LegVerdict]]) -> Iterable[str]:
    for name, verdicts in legs.items():
        for it in verdicts:
            if not it.is_right:
                where = f"{it.symbol}:{it.position_idx}"
                yield f"{name}: {where} is {it.position}, its target {it.target}, a lot {it.lot}"


def _left_behind(stage: Stage, legs: dict[str, list[LegVerdict]]) -> Iterable[str]:
    """Name what is held on a side that the master is not on, whatever the engine takes for its target."""
    for player in stage.players:
        sides = _sides(stage, stage.house(player))
        for it in legs[player.name]:
            if it.position and (it.position > 0) not in sides.get((it.symbol, it.position_idx), ()):
                yield f"{player.name}: holds {it.position} {it.symbol}, and the master nothing there"


def _sides(stage: Stage, house: House) -> dict[tuple[str, int], set[bool]]:
    """Return on which sides (long is true) a follower of this venue may be, by its symbol and leg."""
    sides: dict[tuple[str, int], set[bool]] = {}
    net: dict[str, Decimal] = defaultdict(Decimal)
    for leg in stage.venue.account(MASTER).open_positions():
        own = house.name_of(leg.symbol)
        if own is not None:
            sides.setdefault((own, HEDGE_LONG if leg.size > 0 else HEDGE_SHORT), set()).add(leg.size > 0)
            net[own] += leg.size
    return sides | {(own, ONE_WAY): {size > 0} for own, size in net.items() if size}


def _unanswered(stage: Stage, watch: Watch, answered: set[tuple[str, str]]) -> Iterable[str]:
    for player in stage.players:
        missing = sum((player.name, change_id) not in answered for change_id in watch.change_ids)
        if missing:
            yield f"{player.name}: {missing} changes of the master have no outcome"


def _orders(house: House) -> int:
    return sum(row.account != MASTER for row in house.core.ledger)


def _venue(stage: Stage, exchange: str, watch: Watch) -> dict[str, Any]:
    times = watch.latencies.get(exchange, {})
    return {
        "followers": sum(it.settings.exchange == exchange for it in stage.players),
        "orders": _orders(stage.houses[exchange]),
        "latency_ms": {stage: _figures(times.get(stage, [])) for stage in STAGES},
    }


def _master(stage: Stage) -> list[dict[str, str | int]]:
    return [
        {"symbol": leg.symbol, "position_idx": leg.position_idx, "size": format_decimal(leg.size)}
        for leg in stage.venue.account(MASTER).open_positions()
    ]


def _follower(stage: Stage, player: Player, legs: list[LegVerdict]) -> dict[str, Any]:
    settings = player.settings
    return {
        "name": settings.name,
        "exchange": settings.exchange,
        "sub_account": bool(player.owner),
        "sizing": settings.sizing.mode.value,
        "hedge": player.hedge,
        "equity": format_decimal(round(stage.house(player).core.balance(player.name).equity, 2)),
        "legs": [_leg(it) for it in legs],
    }


def _leg(it: LegVerdict) -> dict[str, Any]:
    return {
        "symbol": it.symbol,
        "position_idx": it.position_idx,
        "target": format_decimal(it.target),
        "position": format_decimal(it.position),
        "drift": format_decimal(it.drift),
        "skipped": it.skipped,
    }


def _figures(values: list[float]) -> dict[str, float | int | None]:
    return {"count": len(values), "p50": percentile(values, 0.5), "p99": percentile(values, 0.99)}
