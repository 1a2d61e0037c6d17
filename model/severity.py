"""How much something that happened matters to an operator (R16)."""

from enum import Enum


class Severity(Enum):
    """What an operator has to do about it."""

    INFO = "info"
    """Nothing: good to know."""
    WARNING = "warning"
    """Look at it today."""
    CRITICAL = "critical"
    """Look at it now."""

    @property
    def rank(self) -> int:
        """The louder, the larger."""
        return (Severity.INFO, Severity.WARNING, Severity.CRITICAL).index(self)
