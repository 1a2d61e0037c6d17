"""What the engine counts, for Prometheus, on loopback: it reads the bus and asks slowly (R19).

Nothing here is called from the copy path, and a scrape asks no actor anything.
"""

from supervision.metrics.actor import Metrics
from supervision.metrics.census import Census
from supervision.metrics.tally import Tally
from supervision.metrics.times import LedgerTimes, Times

__all__ = ["Census", "LedgerTimes", "Metrics", "Tally", "Times"]
