"""Every reason of the closed list as a sentence, and the gates in the order of passing them (R17)."""

from collections.abc import Mapping

from model.reasons import Reason

_WORDS: Mapping[str, str] = {
    "nothing_to_do": "the follower is where it should be already",
    "already_flat": "there is nothing left to reduce",
    "rounded_to_zero": "the target is smaller than one lot",
    "duplicate": "this change was answered before",
    "superseded": "a newer change of the leg came before it was answered",
    "stale_change": "the change is older than the 24 h for which ids are kept",
    "expired": "the opening waited longer than max_open_age_s",
    "price_moved": "the price has moved further than max_slippage from the master's",
    "not_joined": "the master's position was there before the follower joined",
    "foreign_position": "the follower holds a position that the engine did not open",
    "margin_unconfirmed": "the venue did not confirm the master's initial margin",
    "master_equity_unknown": "the master's equity is unknown",
    "equity_unknown": "the follower's equity is unknown",
    "equity_not_positive": "the follower has no equity",
    "sizing_incomplete": "the sizing mode lacks its number",
    "price_unknown": "there is no price to bound the order by",
    "view_not_fresh": "the follower's account could not be read in time",
    "below_min_quantity": "the order would be below the venue's minimum quantity",
    "below_min_notional": "the order would be below the venue's minimum notional",
    "above_max_quantity": "the order is larger than can be split into a sane number of orders",
    "deferred": "the reduction is below the venue's minimum and waits until it is tradable",
    "symbol_not_listed": "the follower's venue does not list the symbol",
    "symbol_not_trading": "the symbol is not trading now",
    "symbol_unconfirmed": "the venues' prices have not shown that both symbols mean the same thing",
    "symbol_denied": "the follower's deny list names the symbol",
    "symbol_not_allowed": "the follower's allow list lacks the symbol",
    "position_mode_mismatch": "the follower's position mode does not take this leg",
    "leverage_failed": "the leverage could not be set",
    "margin_insufficient": "the follower's margin does not suffice",
    "limit_notional_per_symbol": "max_notional_per_symbol is reached",
    "limit_notional": "max_notional is reached",
    "limit_positions": "max_positions is reached",
    "limit_min_equity": "the follower's equity is below min_equity",
    "limit_daily_loss": "daily_loss is reached",
    "limit_drawdown": "max_drawdown is reached",
    "leverage_tier": "the venue takes no position of that notional",
    "max_basis": "the venues' prices are further apart than max_basis",
    "venue_rejected": "the venue refused the order",
    "venue_unreachable": "the venue could not be reached",
    "key_unchecked": "what the follower's key may do is not known yet",
    "key_refused": "the follower's key is refused: `copytrader followers check NAME` says why",
    "clock_offset": "the venue's clock and ours are more than 1 s apart",
    "master_unheard": "where the master stands now is not known",
    "order_unknown": "an earlier opening on the leg has no known outcome yet",
    "order_lost": "the venue never got the order",
    "ledger_unreachable": "the ledger cannot be written, so no opening may leave",
    "paused": "the follower is paused",
    "close_only": "the follower may only close",
    "dry_run": "the follower runs dry: this is what it would have sent",
    "removed": "the follower was removed before the copy had its outcome",
    "engine_stopping": "the engine is stopping",
    "crashed": "the follower's actor crashed while it had the copy in hand",
}
REASON_WORDS: Mapping[str, str] = {
    reason.value: _WORDS.get(reason.value, reason.value.replace("_", " ")) for reason in Reason
}

GATES: tuple[tuple[str, bool, frozenset[str]], ...] = (
    ("not paused", False, frozenset({"paused"})),
    ("key trusted", False, frozenset({"key_unchecked", "key_refused"})),
    ("position is ours", False, frozenset({"foreign_position"})),
    ("symbol listed", False, frozenset({"symbol_not_listed"})),
    ("engine not stopping", True, frozenset({"engine_stopping"})),
    ("openings allowed", True, frozenset({"close_only"})),
    ("ledger durable", True, frozenset({"ledger_unreachable"})),
    ("episode joined", True, frozenset({"not_joined"})),
    ("symbol trading", True, frozenset({"symbol_not_trading"})),
    ("clocks agree", True, frozenset({"clock_offset"})),
    ("view fresh", True, frozenset({"view_not_fresh", "order_unknown"})),
    ("in time and at the master's price", True, frozenset({"expired", "price_moved", "max_basis"})),
    ("master heard", True, frozenset({"master_unheard"})),
    (
        "equity and losses within limits",
        True,
        frozenset({"limit_min_equity", "limit_daily_loss", "limit_drawdown"}),
    ),
    (
        "the formula's inputs known",
        True,
        frozenset(
            {"margin_unconfirmed", "master_equity_unknown", "equity_unknown", "equity_not_positive"}
            | {"sizing_incomplete", "price_unknown"}
        ),
    ),
    (
        "size and symbol within limits",
        True,
        frozenset(
            {"limit_notional", "limit_notional_per_symbol", "limit_positions", "symbol_denied"}
            | {"symbol_not_allowed", "leverage_tier"}
        ),
    ),
    ("something to reduce or open", False, frozenset({"nothing_to_do", "already_flat"})),
    (
        "lot and minimum",
        False,
        frozenset(
            {"rounded_to_zero", "below_min_quantity", "below_min_notional", "above_max_quantity", "deferred"}
        ),
    ),
    ("position mode", False, frozenset({"position_mode_mismatch"})),
    ("sent, not only shown", False, frozenset({"dry_run"})),
    ("leverage set", True, frozenset({"leverage_failed"})),
    (
        "taken by the venue",
        False,
        frozenset({"margin_insufficient", "venue_rejected", "venue_unreachable", "order_lost"}),
    ),
)
"""Name, whether only openings meet it, and the reasons with which it holds a copy."""

AFTER_DECIDING = frozenset({"sent, not only shown", "leverage set", "taken by the venue"})
"""Gates that only the venue opens; a decision alone has not passed them."""
