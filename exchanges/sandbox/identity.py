"""Ids and sequence numbers that never repeat, also not after the sandbox is started again."""

import random
from collections.abc import Callable


class Identities:
    """Counts from the moment of first use, so two lives of a sandbox share no id; gaps are seeded."""

    def __init__(self, now_ms: Callable[[], int], seed: int) -> None:
        self._now_ms = now_ms
        self._random = random.Random(seed)
        self._epoch = 0
        self._number = 0
        self._seqs: dict[str, int] = {}

    def unique(self) -> str:
        """Return an id in the form of a UUID."""
        if not self._epoch:
            self._epoch = self._now_ms()
        self._number += 1
        text = f"{self._number:08x}{self._epoch:012x}"
        return f"{text[:8]}-{text[8:12]}-5{text[12:15]}-8{text[15:18]}-{text[18:20]}{self._number:010x}"

    def next_seq(self, symbol: str) -> int:
        """Return the symbol's next cross sequence: it grows, with gaps, as a market's does."""
        last = self._seqs.get(symbol) or self._now_ms() * 100
        self._seqs[symbol] = last + self._random.randint(1, 40)
        return self._seqs[symbol]
