"""What can go wrong with the ledger, by what the caller may do next."""


class LedgerError(Exception):
    """Base of the ledger's own errors; never raised itself."""


class LedgerUnreachable(LedgerError):
    """The database cannot be used now: down, locked, timed out, full or read-only (R18).

    Whether a write in hand was committed is not known; the same write may be repeated, every one
    of them is idempotent.
    """


class LedgerRefused(LedgerError, ValueError):
    """The database, or our codec, does not take this data. The same data is refused again."""


class UnknownCopy(LedgerRefused):
    """An outcome or an order was given for a copy that nobody claimed."""


class SchemaOlder(LedgerError):
    """The ledger was written by an older version: run `copytrader db migrate`."""


class SchemaNewer(LedgerError):
    """The ledger was written by a newer version, or by something else."""


class LedgerTakenOver(LedgerUnreachable):
    """Another engine writes the ledger now: what we ask for is not written."""


class LeaseTaken(LedgerError):
    """Another engine holds the ledger (R12)."""


class LeaseLost(LedgerError):
    """This engine held the ledger and does not any more."""
