"""Every order that ever arrived, in order of arrival: nothing is removed, no row is replaced."""

import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import attrs
import trio

from exchanges.sandbox.order import Order, OrderIntent
from exchanges.sandbox.refusals import Refused
from model.amounts import ZERO


@attrs.define(kw_only=True, eq=False)
class LedgerRow:
    """One arrival, accepted or refused.

    ``arrived_at`` is trio's time in seconds (0.0 outside a run), ``arrived_ns`` is
    ``time.perf_counter_ns()`` when the bytes were read, comparable between processes of one host.
    """

    number: int
    account: str
    intent: OrderIntent
    via: str
    """The endpoint it came through; "desk" when it was traded without the wire."""
    arrived_at: float
    arrived_ns: int
    order: Order | None = None
    refused: Refused | None = None

    @property
    def client_order_id(self) -> str:
        """The sender's id, "" where none was given."""
        return self.intent.client_order_id

    @property
    def accepted(self) -> bool:
        """Tell whether the venue took it."""
        return self.order is not None

    @property
    def filled(self) -> Decimal:
        """What has been filled so far, base asset."""
        return self.order.filled if self.order else ZERO

    @property
    def status(self) -> str:
        """``refused``, or the order's status."""
        return self.order.status.value if self.order else "refused"


class OrderLedger:
    """The append-only record, with the questions that tests ask of it."""

    def __init__(self) -> None:
        self._rows: list[LedgerRow] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[LedgerRow]:
        return iter(tuple(self._rows))

    def arrive(self, account: str, intent: OrderIntent, *, via: str, arrived_ns: int | None) -> LedgerRow:
        """Append a row for an order that has just come in."""
        row = LedgerRow(
            number=len(self._rows),
            account=account,
            intent=intent,
            via=via,
            arrived_at=_trio_time(),
            arrived_ns=time.perf_counter_ns() if arrived_ns is None else arrived_ns,
        )
        self._rows.append(row)
        return row

    def since(self, number: int) -> tuple[LedgerRow, ...]:
        """Return the rows from ``number`` on; ``len(ledger)`` now gives what arrives later."""
        return tuple(self._rows[number:])

    def of(self, account: str) -> tuple[LedgerRow, ...]:
        """Return one account's rows."""
        return tuple(row for row in self._rows if row.account == account)

    def by_client_order_id(self, client_order_id: str) -> tuple[LedgerRow, ...]:
        """Return every arrival under one id, refused ones too."""
        return tuple(row for row in self._rows if row.client_order_id == client_order_id)

    def sent_twice(self) -> dict[tuple[str, str], int]:
        """Return (account, client order id) -> arrivals, for ids that arrived more than once."""
        counts = Counter((row.account, row.client_order_id) for row in self._rows if row.client_order_id)
        return {key: count for key, count in counts.items() if count > 1}

    def accepted_twice(self) -> dict[tuple[str, str], int]:
        """Return the same for acceptances: always empty, or the venue itself is wrong."""
        counts = Counter(
            (row.account, row.client_order_id) for row in self._rows if row.client_order_id and row.accepted
        )
        return {key: count for key, count in counts.items() if count > 1}


def _trio_time() -> float:
    try:
        return trio.current_time()
    except RuntimeError:
        return 0.0
