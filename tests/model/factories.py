"""Instruments, changes and situations for tests of the pure rules."""

from decimal import Decimal
from typing import Any

from model.change import Change
from model.follower import Goal, Situation
from model.instrument import Instrument
from model.leg import Leg, PositionMode
from model.settings import FollowerSettings
from model.validation import Exposure

BTC = Leg("BTCUSDT", 0)
NOTHING_ELSE = Exposure(notional_of_symbol=Decimal(0), notional_total=Decimal(0), positions_open=0)


def make_instrument(**others: Any) -> Instrument:
    """Return a perpetual with lots and minimum of 0.001, ticks of 0.1 and a minimum notional of 5."""
    facts: dict[str, Any] = {
        "exchange": "bybit",
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "lot_size": Decimal("0.001"),
        "min_quantity": Decimal("0.001"),
        "max_quantity": Decimal(1000),
        "max_market_quantity": Decimal(500),
        "min_notional": Decimal(5),
        "min_notional_exempts_reductions": True,
        "tick_size": Decimal("0.1"),
        "max_leverage": Decimal(100),
        "leverage_step": Decimal("0.01"),
    }
    return Instrument(**facts | others)


def make_change(before: str | Decimal, after: str | Decimal, **others: Any) -> Change:
    """Return a move of the one-way leg at price 100, margin a tenth of it, master equity 10,000."""
    after = Decimal(after)
    peak = max(abs(Decimal(before)), abs(after))
    facts: dict[str, Any] = {
        "change_id": "c" * 32,
        "leg": BTC,
        "size_before": Decimal(before),
        "size_after": after,
        "initial_margin": abs(after) * 10,
        "leverage": Decimal(10),
        "fill_price": Decimal(100),
        "master_equity": Decimal(10_000),
        "entry_price": Decimal(100),
        "venue_time_ms": 1_000,
        "received_at_ms": 1_001,
        "seq": 1,
        "episode_id": "e" * 32,
        "episode_began_ms": 1_000,
        "peak_size": peak,
        "peak_margin": peak * 10,
    }
    return Change(**facts | others)


def make_goal(before: str, after: str, *, change: Change | None = None, **others: Any) -> Goal:
    """Return the goal of a follower that acted on ``before``, for a master's leg that is at ``after``."""
    change = change or make_change(before, after)
    facts: dict[str, Any] = {
        "leg": BTC,
        "before": Decimal(before),
        "after": Decimal(after),
        "change": change,
        "contributions": (change,) if change.size_after else (),
    }
    return Goal(**facts | others)


def make_situation(size: str | Decimal = "0", **others: Any) -> Situation:
    """Return a follower with a tenth of the master's equity, at mark 100, all well."""
    facts: dict[str, Any] = {
        "settings": FollowerSettings(name="alice", exchange="bybit"),
        "instrument": make_instrument(),
        "mode": PositionMode.ONE_WAY,
        "size": Decimal(size),
        "owned": True,
        "leverage": Decimal(10),
        "equity": Decimal(1_000),
        "mark": Decimal(100),
        "exposure": NOTHING_ELSE,
        "age_s": 0.1,
        "max_open_age_s": 5.0,
    }
    return Situation(**facts | others)
