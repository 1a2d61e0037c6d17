"""What a supervisor raises."""


class SupervisorExhausted(Exception):
    """A supervisor's children failed too often; the last failure is its cause."""


class TooManyQuarantined(Exception):
    """So many accounts were quarantined at once that the cause is not theirs."""


class UnknownName(LookupError):
    """There is nothing of that name in the tree."""
