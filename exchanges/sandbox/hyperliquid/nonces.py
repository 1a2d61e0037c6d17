"""The nonces of every signer: the 100 highest are kept, none is taken twice."""

from bisect import insort

KEPT = 100
DAY_MS = 86_400_000
BEHIND_MS_MAX, AHEAD_MS_MAX = 2 * DAY_MS, DAY_MS


class Nonces:
    """Kept per signer, whichever account it signs for."""

    def __init__(self) -> None:
        self._kept: dict[str, list[int]] = {}

    def take(self, signer: str, nonce: int, now_ms: int) -> str:
        """Use a nonce up; return why it cannot be used, "" when it was. Only one text is published."""
        kept = self._kept.setdefault(signer, [])
        if nonce in kept:
            return f"Invalid nonce: duplicate nonce {nonce}"
        if not now_ms - BEHIND_MS_MAX < nonce < now_ms + AHEAD_MS_MAX:
            return f"Invalid nonce: {nonce} is out of bounds at {now_ms}"
        if len(kept) >= KEPT and nonce < kept[0]:
            return f"Invalid nonce: {nonce} is too low, at least {kept[0]}"
        insort(kept, nonce)
        del kept[:-KEPT]
        return ""
