"""What an account's user data stream tells of what the core did, in the venue's order.

A taker's order is told as TRADE_LITE, ORDER_TRADE_UPDATE (new), ACCOUNT_UPDATE, ORDER_TRADE_UPDATE (trade),
all at the same ``T``; one that rested leaves the second out. A position comes before the order that moved it.
"""

from collections.abc import Iterator
from decimal import Decimal

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.codes import end_of, status_of
from exchanges.sandbox.binance.modes import Modes
from exchanges.sandbox.binance.records import OrderRecord, Records
from exchanges.sandbox.binance.wire import (
    ASSET,
    POSITION_SIDES,
    SIDES,
    Row,
    average,
    break_even,
    event_row,
    money,
    number,
)
from exchanges.sandbox.events import Executed
from exchanges.sandbox.order import Fill, FillKind, Order
from exchanges.sandbox.position import Position
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import ZERO


@attrs.define
class _Books:
    """What a stream has told of one account's positions so far: it is told fill by fill."""

    positions: dict[tuple[str, int], Position] = attrs.field(factory=dict)


class UserEvents:
    """Makes events; every account is followed from the start, whoever listens."""

    def __init__(self, venue: SandboxVenue, records: Records, modes: Modes) -> None:
        self._venue = venue
        self._records = records
        self._modes = modes
        self._books: dict[str, _Books] = {}
        self._deposited: dict[str, Decimal] = {}

    def accepted(self, record: OrderRecord) -> Iterator[Row]:
        """Tell of an order that was taken, unless that was told."""
        if record.told:
            return
        record.told, record.told_terms = "NEW", record.terms
        yield self._order(record, event_row(record, record.order.account), self._venue.booked_ms())

    def executed(self, event: Executed) -> Iterator[Row]:
        """Tell of the fills of one match, or of funding."""
        account = event.account
        trades = [fill for fill in event.fills if fill.kind is not FillKind.FUNDING]
        for fill in event.fills:
            if fill.kind is FillKind.FUNDING:
                yield self._funding(account, fill)
        if not trades or trades[0].order is None:
            return
        order = trades[0].order
        record = self._records.of(order)
        for fill in trades:
            if fill.kind is FillKind.TRADE:
                yield self._trade_lite(record, fill)
        yield from self.accepted(record)
        later = trades[1:]
        for fill in trades:
            yield self._account(account, fill, later)
            yield self._trade(record, fill, later)
            later = later[1:]

    def changed(self, order: Order) -> Iterator[Row]:
        """Tell of an order that rests, was amended, or has ended before it was filled."""
        record = self._records.of(order)
        yield from self.accepted(record)
        row, status = event_row(record, order.account), status_of(order)
        row.update(X=status, z=number(order.filled), ap=average(order.average_price), T=order.updated_ms)
        if not order.status.is_open and status != "FILLED" and record.told != status:
            end = end_of(order)
            row.update(x=end.status, er=end.reason)
            yield self._order(record, row, order.updated_ms)
        elif order.status.is_open and record.terms != record.told_terms:
            row.update(x="AMENDMENT")
            yield self._order(record, row, order.updated_ms)
        record.told, record.told_terms = status, record.terms

    def wallet_changed(self, account: Account) -> Row | None:
        """Tell of a deposit or withdrawal; what fills do to the wallet is told with them."""
        before = self._deposited.get(account.name)
        self._deposited[account.name] = account.deposited
        moved = account.deposited - before if before is not None else ZERO
        if not moved:
            return None
        reason = "DEPOSIT" if moved > 0 else "WITHDRAW"
        return self._update([self._balance(account.wallet, moved)], [], reason)

    def margin_type_changed(self, account: Account, symbol: str) -> Row:
        """Tell of another margin type."""
        rows = [self._position(account, leg) for leg in account.legs(symbol)]
        return self._update([self._balance(account.wallet, ZERO)], rows, "MARGIN_TYPE_CHANGE")

    def leverage_changed(self, symbol: str, leverage: Decimal) -> Row:
        """Tell of another leverage."""
        return self._config({"ac": {"s": symbol, "l": int(leverage)}})

    def multi_assets_changed(self, *, on: bool) -> Row:
        """Tell of another margin mode."""
        return self._config({"ai": {"j": on}})

    def opened(self, account: Account) -> None:
        """Take an account as it begins."""
        self._deposited.setdefault(account.name, account.deposited)

    def _account(self, account: Account, fill: Fill, later: list[Fill]) -> Row:
        """Return the account as it was after one fill of a match, whose other fills came after it."""
        books = self._books.setdefault(account.name, _Books())
        key = fill.symbol, fill.position_idx
        leg = books.positions.setdefault(key, Position(symbol=fill.symbol, position_idx=fill.position_idx))
        _, profit = leg.apply(fill.signed_quantity, fill.price)
        leg.realised_total += profit
        wallet = account.wallet - sum((it.profit - it.fee for it in later), ZERO)
        row = self._position(account, leg)
        return self._update([self._balance(wallet, ZERO)], [row], "ORDER", at=fill.time_ms)

    def _funding(self, account: Account, fill: Fill) -> Row:
        row = self._update([self._balance(account.wallet, -fill.fee)], [], "FUNDING_FEE", at=fill.time_ms)
        row["a"] = {"S": fill.symbol, **row["a"]}  # type: ignore[dict-item]  # it is the object made there
        return row

    def _trade_lite(self, record: OrderRecord, fill: Fill) -> Row:
        order = record.order
        return {
            "e": "TRADE_LITE",
            "E": self._venue.booked_ms(),
            "T": fill.time_ms,
            "s": fill.symbol,
            "q": number(order.quantity),
            "p": "0.00" if order.intent.price is None else number(order.intent.price),
            "m": fill.is_maker,
            "c": record.client_order_id,
            "S": SIDES[fill.side],
            "L": number(fill.price),
            "l": number(fill.quantity),
            "t": self._records.trade_id(fill),
            "i": record.number,
        }

    def _trade(self, record: OrderRecord, fill: Fill, later: list[Fill]) -> Row:
        order = record.order
        filled = order.filled - sum((it.quantity for it in later), ZERO)
        value = order.value - sum((it.quantity * it.price for it in later), ZERO)
        row = event_row(record, order.account)
        row.update(
            x="CALCULATED" if fill.kind is FillKind.LIQUIDATION else "TRADE",
            X="FILLED" if filled >= order.quantity else "PARTIALLY_FILLED",
            ap=average(value / filled),
            l=number(fill.quantity),
            z=number(filled),
            L=number(fill.price),
            n=money(fill.fee),
            T=fill.time_ms,
            t=self._records.trade_id(fill),
            m=fill.is_maker,
            rp=money(fill.profit),
        )
        record.told = str(row["X"])
        return self._order(record, row, fill.time_ms)

    def _order(self, record: OrderRecord, row: Row, at_ms: int) -> Row:
        return {"e": "ORDER_TRADE_UPDATE", "T": at_ms, "E": self._venue.booked_ms(), "o": row}

    def _update(self, balances: list[Row], positions: list[Row], reason: str, at: int | None = None) -> Row:
        now_ms = self._venue.booked_ms()
        body: Row = {"B": balances, "P": positions, "m": reason}
        return {"e": "ACCOUNT_UPDATE", "T": now_ms if at is None else at, "E": now_ms, "a": body}

    def _config(self, body: Row) -> Row:
        now_ms = self._venue.booked_ms()
        return {"e": "ACCOUNT_CONFIG_UPDATE", "T": now_ms, "E": now_ms, **body}

    def _balance(self, wallet: Decimal, moved: Decimal) -> Row:
        return {"a": ASSET, "wb": money(wallet), "cw": money(wallet), "bc": money(moved)}

    def _position(self, account: Account, leg: Position) -> Row:
        isolated = self._modes.is_isolated(account, leg.symbol)
        mark = self._venue.mark(leg.symbol)
        return {
            "s": leg.symbol,
            "pa": number(leg.size),
            "ep": average(leg.entry_price),
            "cr": money(leg.realised_total),
            "up": money(leg.unrealised(mark)),
            "mt": "isolated" if isolated else "cross",
            "iw": money(abs(leg.cost) / account.leverage(leg.symbol)) if isolated else "0",
            "ps": POSITION_SIDES[leg.position_idx],
            "ma": ASSET,
            "bep": average(break_even(leg, self._venue.taker_fee)),
        }
