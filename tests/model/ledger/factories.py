"""Whole, plausible values for the ledger's tests."""

from decimal import Decimal
from typing import Any

from model.change import Change, make_change_id
from model.copy import Claim, CopyOutcome, CopyState, Holding, OrderRecord
from model.leg import Leg, Side
from model.order import OrderState, make_client_order_id, make_copy_id

NOW_MS = 1_790_000_000_000
BTC = Leg("BTCUSDT", 0)


def make_change(
    seq: int = 1, *, leg: Leg = BTC, before: str = "0", after: str = "1.5", **other: Any
) -> Change:
    change_id = make_change_id(leg, seq, Decimal(after))
    facts: dict[str, Any] = {
        "change_id": change_id,
        "leg": leg,
        "size_before": Decimal(before),
        "size_after": Decimal(after),
        "initial_margin": Decimal("1200.5"),
        "leverage": Decimal(10),
        "fill_price": Decimal("80000.1"),
        "master_equity": Decimal("100000"),
        "entry_price": Decimal("80000.1"),
        "venue_time_ms": NOW_MS - 20 + seq,
        "received_at_ms": NOW_MS - 10 + seq,
        "seq": seq,
        "episode_id": change_id,
        "episode_began_ms": NOW_MS - 20,
        "peak_size": abs(Decimal(after)),
        "peak_margin": Decimal("1200.5"),
    }
    return Change(**{**facts, **other})


def make_claim(follower: str = "alice", change: Change | None = None, **other: Any) -> Claim:
    change = change or make_change()
    facts: dict[str, Any] = {
        "copy_id": make_copy_id(follower, change.change_id),
        "follower": follower,
        "change": change,
        "client_order_id": make_client_order_id(follower, change.change_id, 0, 0),
        "claimed_at_ms": NOW_MS,
    }
    return Claim(**{**facts, **other})


def make_order(claim: Claim, *, part: int = 0, attempt: int = 0, **other: Any) -> OrderRecord:
    facts: dict[str, Any] = {
        "client_order_id": make_client_order_id(claim.follower, claim.change.change_id, part, attempt),
        "copy_id": claim.copy_id,
        "part": part,
        "attempt": attempt,
        "leg": claim.change.leg,
        "side": Side.BUY,
        "quantity": Decimal("0.150"),
        "price": Decimal("80800.1"),
        "reduce_only": False,
        "state": OrderState.FILLED,
        "filled": Decimal("0.15"),
        "average_price": Decimal("80000.25"),
        "order_id": "venue-1",
        "sent_at_ms": NOW_MS + 1,
        "settled_at_ms": NOW_MS + 9,
    }
    return OrderRecord(**{**facts, **other})


def make_holding(follower: str = "alice", leg: Leg = BTC, **other: Any) -> Holding:
    facts: dict[str, Any] = {
        "follower": follower,
        "leg": leg,
        "owned": True,
        "target": Decimal("0.15"),
        "master_size": Decimal("1.5"),
        "change_id": make_change().change_id,
    }
    return Holding(**{**facts, **other})


def make_outcome(claim: Claim, **other: Any) -> CopyOutcome:
    facts: dict[str, Any] = {
        "copy_id": claim.copy_id,
        "follower": claim.follower,
        "change_id": claim.change.change_id,
        "state": CopyState.APPLIED,
        "reason": None,
        "orders": (make_order(claim),),
        "holdings": (make_holding(claim.follower, claim.change.leg),),
        "explain": {"target": Decimal("0.15"), "sent_ms": NOW_MS + 1},
        "finished_at_ms": NOW_MS + 10,
    }
    return CopyOutcome(**{**facts, **other})
