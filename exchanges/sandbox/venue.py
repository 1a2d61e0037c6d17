"""The venue core: listings, prices, accounts, orders. It speaks no protocol; faces are put over it.

Everything here is synchronous and complete when it returns: no state is ever half changed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from exchanges.clock import Clock, SystemClock
from exchanges.sandbox.account import Account
from exchanges.sandbox.balance import Balance, balance_of, margin_of
from exchanges.sandbox.book import Liquidity, Slice, best_price
from exchanges.sandbox.clearing import Clearing
from exchanges.sandbox.events import (
    LeverageChanged,
    Listener,
    PriceChanged,
    VenueEvent,
    WalletChanged,
)
from exchanges.sandbox.faults import Faults
from exchanges.sandbox.identity import Identities
from exchanges.sandbox.ledger import OrderLedger
from exchanges.sandbox.listing import DEFAULT_LISTINGS, DEFAULT_PRICES, Listing, notional_max_at
from exchanges.sandbox.matching import Matching
from exchanges.sandbox.order import CancelCause, Fill, FillKind, Order, OrderIntent, Origin
from exchanges.sandbox.position import Position, PositionMargin
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.rulebook import DEFAULT_RULEBOOK, Rulebook
from exchanges.sandbox.timers import Timers
from model.amounts import ONE, ZERO, is_multiple
from model.leg import Side

FIRST_UID = 1_000_001


class SandboxVenue:
    """One venue. All money is USDT, sizes are signed base asset, fees are fractions of the value.

    ``push_unchanged_positions``: an order that rests or ends pushes its position too, as recorded.
    ``push_both_legs``: hedged symbols push both legs in one frame (unsettled which the venue does).
    """

    def __init__(
        self,
        *,
        listings: Iterable[Listing] = DEFAULT_LISTINGS,
        prices: Mapping[str, Decimal] | None = None,
        clock: Clock | None = None,
        seed: int = 0,
        taker_fee: Decimal = Decimal("0.00055"),
        maker_fee: Decimal = Decimal("0.0002"),
        rulebook: Rulebook = DEFAULT_RULEBOOK,
    ) -> None:
        self.listings = {listing.symbol: listing for listing in listings}
        self.taker_fee, self.maker_fee = taker_fee, maker_fee
        self.rulebook = rulebook
        self.push_unchanged_positions = True
        self.push_both_legs = False
        self.ledger = OrderLedger()
        self.faults = Faults(seed)
        self.accounts: dict[str, Account] = {}
        self.default_liquidity = Liquidity()
        self._liquidity: dict[str, Liquidity] = {}
        self._clock: Clock = clock or SystemClock()
        self._prices: dict[str, Decimal] = {
            symbol: price
            for symbol, price in (DEFAULT_PRICES if prices is None else prices).items()
            if symbol in self.listings
        }
        self._booked_ms = 0
        self._timers = Timers()
        self._identities = Identities(self._clock.wall_ms, seed)
        self._by_key: dict[str, Account] = {}
        self._holders: dict[str, dict[str, Account]] = {}
        self._listeners: list[Listener] = []
        self._clearing = Clearing(self)
        self._matching = Matching(self, self._clearing)

    # -- what faces and faults need

    async def run(self) -> None:
        """Do what was put off (delayed fills and answers) until cancelled; servers run this."""
        await self._timers.run()

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with every event, at once; it must not raise."""
        self._listeners.append(listener)

    def emit(self, event: VenueEvent) -> None:
        """Tell the listeners."""
        for listener in self._listeners:
            listener(event)

    def later(self, delay_s: float, call: Callable[[], object]) -> None:
        """Call in ``delay_s`` seconds, at once for zero."""
        self._timers.later(delay_s, call)

    def now_ms(self) -> int:
        """Return the venue's own wall clock, its skew included."""
        now_ms = self._clock.wall_ms() + self.faults.clock_skew_ms
        self._booked_ms = max(self._booked_ms, now_ms)
        return now_ms

    def true_ms(self) -> int:
        """Return the time as if the venue's clock were right: how long things take does not depend on it."""
        return self._clock.wall_ms()

    def booked_ms(self) -> int:
        """Return the time at which something is booked now: the venue's, and never one that has passed.

        A venue's clock may be set back, its books are in order all the same.
        """
        self.now_ms()
        return self._booked_ms

    def unique_id(self) -> str:
        """Return an id that this venue has never given."""
        return self._identities.unique()

    def next_seq(self, symbol: str) -> int:
        """Return the symbol's next cross sequence."""
        return self._identities.next_seq(symbol)

    # -- markets

    def listing(self, symbol: str) -> Listing:
        """Return a symbol's filters; raise Refused for one that is not listed."""
        try:
            return self.listings[symbol]
        except KeyError:
            raise Refused(Reason.SYMBOL) from None

    def add_listing(self, listing: Listing, price: Decimal) -> None:
        """List a symbol, or change its filters, at this mark price."""
        self.listings[listing.symbol] = listing
        self.set_price(listing.symbol, price)

    def mark(self, symbol: str) -> Decimal:
        """Return the mark price; raise Refused for a symbol without one."""
        try:
            return self._prices[symbol]
        except KeyError:
            raise Refused(Reason.SYMBOL) from None

    def prices(self) -> dict[str, Decimal]:
        """Return all mark prices."""
        return dict(self._prices)

    def liquidity(self, symbol: str) -> Liquidity:
        """Return what orders of this symbol find."""
        return self._liquidity.get(symbol, self.default_liquidity)

    def set_liquidity(self, symbol: str, liquidity: Liquidity) -> None:
        """Change what orders of this symbol find from now on."""
        self._liquidity[symbol] = liquidity

    def best_price(self, symbol: str, side: Side) -> Decimal:
        """Return what a taker of ``side`` gets now."""
        return best_price(self.listing(symbol), self.mark(symbol), side, self.liquidity(symbol))

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move the mark price: tickers are pushed, resting orders may fill, accounts may be liquidated.

        Raises: ValueError for a price that is not positive, Refused for an unlisted symbol.
        """
        self.listing(symbol)
        if price <= 0:
            raise ValueError(f"a price is positive: {price}")
        self._prices[symbol] = price
        self.emit(PriceChanged(symbol=symbol, price=price))
        self._matching.price_moved(symbol)
        for account in tuple(self._holders.get(symbol, {}).values()):
            if self.balance(account).is_liquidated:
                self.liquidate(account)

    # -- accounts

    def add_account(
        self,
        name: str,
        *,
        api_key: str,
        api_secret: str,
        equity: Decimal,
        hedge: bool = False,
        read_only: bool = False,
        may_withdraw: bool = False,
        leverage: Decimal = Decimal(10),
    ) -> Account:
        """Open an account with this USDT wallet; raise ValueError when the name or key is taken."""
        if name in self.accounts or api_key in self._by_key:
            raise ValueError(f"account {name!r} or its key is there already")
        account = Account(
            name=name,
            uid=FIRST_UID + len(self.accounts),
            api_key=api_key,
            api_secret=api_secret,
            wallet=equity,
            deposited=equity,
            hedge=hedge,
            read_only=read_only,
            may_withdraw=may_withdraw,
            default_leverage=leverage,
        )
        self.accounts[name] = account
        self._by_key[api_key] = account
        return account

    def account(self, name: str | Account) -> Account:
        """Return an account by name; raise KeyError."""
        return name if isinstance(name, Account) else self.accounts[name]

    def account_by_key(self, api_key: str) -> Account | None:
        """Return whose key this is."""
        return self._by_key.get(api_key)

    def balance(self, account: str | Account) -> Balance:
        """Return wallet, unrealised profit and margins at the current marks."""
        return balance_of(self.account(account), self._prices, self.listings, self.taker_fee)

    def margin(self, account: str | Account, position: Position) -> PositionMargin:
        """Return one leg's initial and maintenance margin."""
        found = self.account(account)
        key = position.symbol, position.position_idx
        return margin_of(found, key, self.mark(key[0]), self.listing(key[0]), self.taker_fee)

    def deposit(self, account: str | Account, amount: Decimal) -> None:
        """Add to the wallet, or take from it with a negative amount."""
        found = self.account(account)
        found.wallet += amount
        found.deposited += amount
        self.emit(WalletChanged(account=found))

    def note_holding(self, account: Account, position: Position) -> None:
        """Remember who is to be looked at when this symbol's price moves."""
        holders = self._holders.setdefault(position.symbol, {})
        if any(account.size(position.symbol, idx) for idx in account.leg_indices(position.symbol)):
            holders[account.name] = account
        else:
            holders.pop(account.name, None)

    def set_leverage(self, account: str | Account, symbol: str, leverage: Decimal) -> None:
        """Set a symbol's leverage; raise Refused (LEVERAGE_UNCHANGED among others)."""
        found, listing = self.account(account), self.listing(symbol)
        if leverage < ONE or not is_multiple(leverage, listing.leverage_step):
            raise Refused(Reason.LEVERAGE)
        if leverage > listing.max_leverage:
            raise Refused(Reason.LEVERAGE_TOO_HIGH)
        before = found.leverage(symbol)
        if leverage == before:
            raise Refused(Reason.LEVERAGE_UNCHANGED)
        held = max(abs(leg.size) for leg in found.legs(symbol)) * self.mark(symbol)
        most = notional_max_at(listing, leverage)
        if most is not None and held > most:
            raise Refused(Reason.POSITION_CAP)
        found.leverage_by_symbol[symbol] = leverage
        balance = self.balance(found)
        if leverage < before and balance.initial > balance.equity:
            found.leverage_by_symbol[symbol] = before
            raise Refused(Reason.MARGIN)
        self.emit(LeverageChanged(account=found, symbol=symbol, leverage=leverage))
        self._clearing.announce_position(found, symbol)

    def switch_mode(self, account: str | Account, symbol: str, *, hedge: bool) -> None:
        """Switch one symbol between one-way and hedge; raise Refused while it holds or waits."""
        found = self.account(account)
        self.listing(symbol)
        if found.is_hedged(symbol) == hedge:
            raise Refused(Reason.MODE_UNCHANGED)
        if any(found.size(symbol, idx) for idx in found.leg_indices(symbol)):
            raise Refused(Reason.POSITION_EXISTS)
        if found.open_orders_of(symbol):
            raise Refused(Reason.ORDERS_EXIST)
        found.hedge_by_symbol[symbol] = hedge

    def switch_default_mode(self, account: str | Account, *, hedge: bool) -> None:
        """Switch every symbol at once; those that hold or wait keep the mode they have."""
        found = self.account(account)
        if found.hedge == hedge and not found.hedge_by_symbol:
            raise Refused(Reason.MODE_UNCHANGED)
        busy = {leg.symbol for leg in found.open_positions()}
        busy |= {order.intent.symbol for order in found.open_orders.values()}
        found.hedge_by_symbol = {symbol: found.is_hedged(symbol) for symbol in busy}
        found.hedge = hedge

    # -- orders

    def place(
        self,
        account: str | Account,
        intent: OrderIntent,
        *,
        via: str = "desk",
        arrived_ns: int | None = None,
    ) -> Order:
        """Take an order as it comes in from outside: every rule applies, the ledger keeps it.

        ``arrived_ns`` is ``time.perf_counter_ns()`` when its bytes were read. Raises: Refused.
        """
        found = self.account(account)
        row = self.ledger.arrive(found.name, intent, via=via, arrived_ns=arrived_ns)
        if found.read_only and via != "desk":
            row.refused = Refused(Reason.READ_ONLY_KEY)
            raise row.refused
        return self._matching.place(row, found)

    def find_order(
        self, account: str | Account, *, order_id: str = "", client_order_id: str = ""
    ) -> Order | None:
        """Return an order by the venue's id, which wins, or by its sender's."""
        found = self.account(account)
        if order_id:
            return found.orders.get(order_id)
        return found.orders_by_client_id.get(client_order_id)

    def cancel(self, order: Order) -> None:
        """End an open order; raise Refused when it has ended."""
        self._matching.cancel(order)

    def amend(self, order: Order, *, quantity: Decimal | None = None, price: Decimal | None = None) -> None:
        """Change an open order; raise Refused when it has ended or may not have these."""
        self._matching.amend(order, quantity, price)

    def trade(
        self,
        account: str | Account,
        symbol: str,
        quantity: Decimal,
        *,
        price: Decimal | None = None,
        fills: Sequence[Slice] | None = None,
        position_idx: int | None = None,
        reduce_only: bool = False,
        leverage: Decimal | None = None,
        client_order_id: str = "",
        one_frame: bool = True,
    ) -> Order:
        """Trade as the account without a wire: one order, filled whole, pushed as the venue pushes it.

        Args:
            quantity: signed base asset; ignored when ``fills`` give it, except for its sign.
            price: of the one fill; the best price of that side when absent.
            fills: (price, quantity > 0) of each fill, instead of ``price``.
            position_idx: found from mode, sign and ``reduce_only`` when absent.
            reduce_only: the order is cut to the position.
            leverage: set first when it differs.
            one_frame: all fills in one match with one sequence number; else a match and frames for each.
        Filters and margin are not looked at. Raises: Refused (leg, reduce-only, leverage).
        """
        found = self.account(account)
        if leverage is not None and leverage != found.leverage(symbol):
            self.set_leverage(found, symbol, leverage)
        side = Side.BUY if quantity > 0 else Side.SELL
        idx = self._leg_for(found, symbol, side, reduce_only) if position_idx is None else position_idx
        position = found.position(symbol, idx)
        slices = list(fills or [(price or self.best_price(symbol, side), abs(quantity))])
        if reduce_only:
            slices = _cut(slices, max(ZERO, -position.size * side.sign))
        total = sum((part for _, part in slices), ZERO)
        if not total:
            raise Refused(Reason.REDUCE_ONLY if reduce_only else Reason.QUANTITY)
        intent = OrderIntent(
            symbol=symbol,
            side=side,
            quantity=total,
            position_idx=idx,
            reduce_only=reduce_only,
            client_order_id=client_order_id,
        )
        row = self.ledger.arrive(found.name, intent, via="desk", arrived_ns=None)
        row.order = self._matching.force(found, intent, total)
        self._matching.finish(row.order, slices, FillKind.TRADE, together=one_frame)
        return row.order

    def close_position(self, account: str | Account, symbol: str, position_idx: int = 0) -> Order:
        """Close one leg at the best price; raise Refused when it is flat."""
        size = self.account(account).size(symbol, position_idx)
        return self.trade(account, symbol, -size, position_idx=position_idx, reduce_only=True)

    def fund(self, symbol: str, rate: Decimal) -> tuple[Fill, ...]:
        """Settle funding: longs pay a positive rate. Rows are executions, and no trades."""
        return tuple(
            self._clearing.fund(account, leg, rate)
            for account in tuple(self._holders.get(symbol, {}).values())
            for leg in account.legs(symbol)
            if leg.size
        )

    def _leg_for(self, account: Account, symbol: str, side: Side, reduce_only: bool) -> int:
        if not account.is_hedged(symbol):
            return 0
        return 1 if (side is Side.BUY) != reduce_only else 2

    def liquidate(self, account: str | Account) -> None:
        """Cancel what rests, then take every leg over at the mark."""
        found = self.account(account)
        for order in tuple(found.open_orders.values()):
            self._matching.cancel(order, CancelCause.LIQUIDATION)
        for leg in found.open_positions():
            self._take_over(found, leg, abs(leg.size), Origin.LIQUIDATION, FillKind.LIQUIDATION)

    def deleverage(self, account: str | Account, leg: Position, quantity: Decimal) -> None:
        """Take a part of a leg over at the mark, for somebody else was liquidated (ADL)."""
        found = self.account(account)
        self._take_over(found, leg, quantity, Origin.DELEVERAGING, FillKind.DELEVERAGING)

    def _take_over(
        self, account: Account, leg: Position, quantity: Decimal, origin: Origin, kind: FillKind
    ) -> None:
        intent = OrderIntent(
            symbol=leg.symbol,
            side=Side.SELL if leg.size > 0 else Side.BUY,
            quantity=quantity,
            position_idx=leg.position_idx,
            reduce_only=True,
        )
        order = self._matching.force(account, intent, quantity, origin)
        self._matching.finish(order, [(self.mark(leg.symbol), quantity)], kind, together=True)


def _cut(slices: list[Slice], most: Decimal) -> list[Slice]:
    """Return the slices up to a total of ``most``."""
    kept = []
    for price, quantity in slices:
        part = min(quantity, most)
        if part > 0:
            kept.append((price, part))
        most -= part
    return kept
