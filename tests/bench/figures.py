"""One figure beside its goal, and percentiles."""

import math
from collections.abc import Sequence

import attrs


@attrs.frozen(kw_only=True)
class Figure:
    """What was measured. ``met`` is None where the design sets no goal for it."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    note: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile; ``share`` is a fraction."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> str:
    """Return p50 and p99 of milliseconds in words."""
    return f"{percentile(values, 0.5):.1f} / {percentile(values, 0.99):.1f} ms"
