"""How slowly keys are checked while an engine draws on the same budgets of the same address."""

from collections.abc import Callable

from supervision.check.plan import COSTS, RHYTHM
from supervision.settings import EngineSettings, Pacing


def gap_beside(settings: EngineSettings) -> Callable[[str], float]:
    """Return the seconds between two accounts of a venue; none where no budgets are kept."""

    def gap_s(exchange: str) -> float:
        addresses = settings.endpoints.get(exchange)
        if addresses is None or addresses.pacing is Pacing.NONE or exchange not in COSTS:
            return 0.0
        return COSTS[exchange](RHYTHM).check_gap_s

    return gap_s
