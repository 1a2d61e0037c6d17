"""Every order that got an id, taken or refused within a block, by that id and by its cloid."""

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.hyperliquid.codes import status_of
from exchanges.sandbox.order import Order, OrderIntent
from exchanges.sandbox.venue import SandboxVenue


@attrs.define(kw_only=True, eq=False)
class OrderRecord:
    """One order; ``order`` is None for one that was refused, ``status`` says why."""

    oid: int
    account: Account
    intent: OrderIntent
    placed_ms: int
    order: Order | None = None
    refused: str = ""
    announced: bool = False
    """Its first update was pushed."""

    @property
    def status(self) -> str:
        """The venue's word."""
        return self.refused or (status_of(self.order) if self.order is not None else "open")

    @property
    def changed_ms(self) -> int:
        """When the status was reached."""
        return self.placed_ms if self.order is None else self.order.updated_ms


class OrderRecords:
    """Ids grow, and start from the time of first use: two lives of a sandbox share none."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._next_oid = 0
        self._by_order: dict[str, OrderRecord] = {}
        self._by_oid: dict[int, OrderRecord] = {}
        self._by_cloid: dict[tuple[str, str], OrderRecord] = {}

    def of(self, order: Order) -> OrderRecord:
        """Return the record of an order of the core, made at first sight."""
        record = self._by_order.get(order.order_id)
        if record is None:
            record = self._keep(order.account, order.intent, order=order, placed_ms=order.created_ms)
            self._by_order[order.order_id] = record
        return record

    def oid_of(self, order: Order | None, order_id: str) -> int:
        """Return a fill's order id as a number."""
        return self.of(order).oid if order is not None else int(order_id[:8], 16)

    def refuse(self, account: Account, intent: OrderIntent, status: str) -> OrderRecord:
        """Keep an order that was refused within a block."""
        return self._keep(account, intent, placed_ms=self._venue.now_ms(), refused=status)

    def find(self, account: Account, key: int | str) -> OrderRecord | None:
        """Return an account's order by oid or cloid."""
        if isinstance(key, str):
            return self._by_cloid.get((account.name, key))
        record = self._by_oid.get(key)
        return record if record is not None and record.account is account else None

    def history(self, account: Account) -> list[OrderRecord]:
        """Return an account's orders, newest first."""
        return [record for record in reversed(self._by_oid.values()) if record.account is account]

    def _keep(
        self,
        account: Account,
        intent: OrderIntent,
        *,
        placed_ms: int,
        order: Order | None = None,
        refused: str = "",
    ) -> OrderRecord:
        self._next_oid = max(self._next_oid + 1, self._venue.now_ms())
        record = OrderRecord(
            oid=self._next_oid,
            account=account,
            intent=intent,
            placed_ms=placed_ms,
            order=order,
            refused=refused,
        )
        self._by_oid[record.oid] = record
        # An order that was taken is not hidden by a later one that was refused under the same cloid.
        if intent.client_order_id and (
            order is not None or (account.name, intent.client_order_id) not in self._by_cloid
        ):
            self._by_cloid[account.name, intent.client_order_id] = record
        return record
