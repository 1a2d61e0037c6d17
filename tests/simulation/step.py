"""One thing that happens in a simulated run."""

from collections.abc import Mapping
from typing import Any

import attrs

from exchanges.sandbox import DEFAULT_LISTINGS

LOTS = {listing.symbol: listing.lot_size for listing in DEFAULT_LISTINGS}
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")


@attrs.frozen(kw_only=True)
class Step:
    """What happens ``at`` seconds after the engine was ready."""

    at: float
    act: str
    what: Mapping[str, Any]

    def __str__(self) -> str:
        told = " ".join(f"{key}={value}" for key, value in self.what.items())
        return f"{self.at:8.3f}  {self.act:<10} {told}"
