"""Where venues differ about the same order."""

import attrs


@attrs.frozen(kw_only=True)
class Rulebook:
    """What a venue makes of orders that are not quite right; the defaults are Bybit's."""

    cuts_reductions: bool = True
    """A reduce-only order larger than its position is cut to it; else it is refused."""
    exempts_reductions: bool = True
    """What only reduces may be below the minimum notional; else only what closes everything may."""
    cuts_hedged_closes: bool = True
    """So is the close of a hedged leg; else it is refused."""
    exempts_hedged_closes: bool = True
    """Whether what only reduces includes the close of a hedged leg, which carries no flag."""
    bounds_reductions: bool = False
    """The maximum quantity of an order is that of reductions too."""
    values_markets_at_mark: bool = False
    """A market order's notional counts the mark; else the price that it would get."""
    moves_to_band: bool = True
    """A limit beyond the price band is moved to it; else the order is refused."""
    bands_both_sides: bool = True
    """A limit may not be too far on its harmless side either."""
    refuses_far_markets: bool = False
    """A market order whose first price is beyond the band is refused; else it ends unfilled."""
    refuses_unfillable: bool = False
    """Fill-or-kill and post-only orders that cannot have their way are refused; else they end at once."""
    throttle_exempts_reductions: bool = False
    """While orders that may take are refused (``POST_ONLY_WINDOW``), what only reduces is taken."""
    ids_live_with_orders: bool = False
    """A client id is free again once its order has ended; else it is used up for ever."""
    client_id: str = r"[A-Za-z0-9_-]{1,36}"
    """What a client id looks like."""


DEFAULT_RULEBOOK = Rulebook()
