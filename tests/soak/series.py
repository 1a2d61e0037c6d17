"""What is measured again and again, and whether it grows."""

from collections.abc import Sequence
from statistics import fmean, median

import attrs

HOUR_S = 3_600.0


@attrs.define
class Series:
    """Values and when they were taken, in seconds."""

    values: list[float] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)

    def add(self, at: float, value: float) -> None:
        """Take a value."""
        self.times.append(at)
        self.values.append(value)

    def second_half(self) -> "Series":
        """Return what was taken after the middle of the time: before it, caches fill."""
        middle = (self.times[0] + self.times[-1]) / 2
        kept = [number for number, at in enumerate(self.times) if at >= middle]
        return Series([self.values[it] for it in kept], [self.times[it] for it in kept])

    def per_hour(self) -> float:
        """Return the slope of the straight line with the least squares, by the hour."""
        middle, mean = fmean(self.times), fmean(self.values)
        spread = sum((at - middle) ** 2 for at in self.times)
        moved = sum((at - middle) * (value - mean) for at, value in zip(self.times, self.values, strict=True))
        return moved / spread * HOUR_S if spread else 0.0

    def quarter(self, number: int) -> Sequence[float]:
        """Return the values of one quarter of the time, from 1 to 4."""
        first, length = self.times[0], self.times[-1] - self.times[0]
        low, high = first + length * (number - 1) / 4, first + length * number / 4
        return [it for at, it in zip(self.times, self.values, strict=True) if low <= at <= high]

    def medians(self) -> tuple[float, float]:
        """Return the medians of the second quarter and of the last one."""
        return median(self.quarter(2)), median(self.quarter(4))
