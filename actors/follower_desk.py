"""What the tasks of one follower share; owned by its actor, touched by nobody else."""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import attrs
import trio

from actors.bus import Bus
from actors.events import FollowerStateChanged, RiskLimitBreached
from actors.ledger_desk import LedgerDesk
from actors.master_line import MasterLine
from actors.symbol_desk import SymbolDesk
from actors.unanswered import Unanswered
from actors.venue_board import VenueBoard
from exchanges.clock import Clock
from exchanges.port import AccountGateway
from exchanges.single_flight import SingleFlight
from model.account import PositionReport, WalletReport
from model.account_view import MARK_AGE_S_MAX, AccountView
from model.amounts import ZERO
from model.breach import Breach, find_breach
from model.copy import Claim, CopyOutcome, Holding, OrderRecord
from model.equity_record import EquityRecord, note_equity
from model.key_standing import KeyStanding
from model.ledger import LedgerUnreachable, WriteBatch
from model.leg import HEDGE_LONG, HEDGE_SHORT, ONE_WAY, Leg
from model.order import OrderReport
from model.settings import FollowerMode, FollowerSettings
from model.validation import Exposure

CLAIMS_KEPT = 1_000
UNWRITTEN_MAX = 1_000
QUIET_S = 1.0
"""Frames of one event come within this."""
PAID_WITHIN_S = 10.0
"""Longer than balances lag behind positions where they are polled."""


@attrs.define
class Baseline:
    """A symbol's confirmed sizes, and what our own settled orders had moved by then.

    With both, a position that moved can be told from one that only our other orders moved (R11).
    """

    sizes: Mapping[int, Decimal]
    moved: Mapping[int, Decimal]


@attrs.define(kw_only=True)
class FollowerDesk:
    """One follower's settings, view of its account, and ways out."""

    settings: FollowerSettings
    gateway: AccountGateway
    board: VenueBoard
    ledger: LedgerDesk
    bus: Bus
    clock: Clock
    max_open_age_s: float
    symbols: SymbolDesk
    master: MasterLine = attrs.field(factory=MasterLine)
    key_mark: str = ""
    """Differs from key to key, and tells nothing of them: an acceptance is of one key."""
    engine_began_ms: int | None = None
    """Since when this engine runs, by the wall clock."""
    key: KeyStanding = attrs.field(factory=KeyStanding)
    view: AccountView = attrs.field(factory=AccountView)
    unanswered: Unanswered = attrs.field(factory=Unanswered)
    """Of all lives of the follower."""
    holdings: dict[Leg, Holding] = attrs.field(factory=dict)
    reports: dict[str, OrderReport] = attrs.field(factory=dict)
    """What the stream said of the orders in ``awaited``."""
    awaited: set[str] = attrs.field(factory=set)
    equity_record: EquityRecord | None = None
    """Kept only for a follower whose limits ask for it."""
    breach: Breach | None = None
    """The limit that was broken last, until an operator resumes the follower."""
    unkept: bool = False
    """The record is not in the ledger as it is here."""
    breach_unkept: bool = False
    day_unkept: bool = False
    """The record began anew since it was written."""
    mode_unkept: bool = False
    """An operator's mode came while the ledger was away."""
    mode_moved: Callable[[FollowerMode], None] = lambda mode: None
    """Told of a mode that no operator has set: who is started in our place shall begin with it."""
    began_at: float = attrs.field(factory=trio.current_time)
    moved_at: dict[Leg, float] = attrs.field(factory=dict)
    """When the view last saw a leg's size change; absent: not since ``began_at`` (R15)."""
    paid_at: float = -math.inf
    """When the view last saw the balance change."""
    read_at: float | None = None
    """When the account was last read by REST."""
    stopping: bool = False
    unwritten: deque[tuple[Claim | None, CopyOutcome]] = attrs.field(
        factory=lambda: deque(maxlen=UNWRITTEN_MAX)
    )
    """Outcomes that an unreachable ledger has still to take (R18)."""
    unknown_orders: Counter[str] = attrs.field(factory=Counter)
    """How many orders of a symbol have no known outcome yet: no opening until then (R11)."""
    unsettled: dict[str, Decimal] = attrs.field(factory=dict)
    """The notional of each opening without a known outcome, at its limit, by client order id."""
    unconfirmed: Counter[Leg] = attrs.field(factory=Counter)
    """How many fills of a leg the view does not show yet: it may be held although it looks flat."""
    placing: Counter[str] = attrs.field(factory=Counter)
    """How many copies of a symbol send now, or wait until the view shows what they sent has filled."""
    undurable: set[str] = attrs.field(factory=set)
    """Copies that were claimed while the ledger was away, and are not in it yet."""
    in_hand: set[str] = attrs.field(factory=set)
    """Copies that a lane runs now; one that waits for an order's outcome may be overtaken meanwhile."""
    _claimed: dict[str, None] = attrs.field(factory=dict)
    _moved: dict[Leg, Decimal] = attrs.field(factory=dict)
    _baselines: dict[str, Baseline] = attrs.field(factory=dict)
    _streams: int = 0
    """How many streams have come up."""
    _news: trio.Event = attrs.field(factory=trio.Event)
    _account_read: SingleFlight[bool] = attrs.field(factory=SingleFlight)

    def note_claim(self, copy_id: str) -> None:
        """Remember what was claimed: while the ledger is away nobody else can tell a second time."""
        self._claimed[copy_id] = None
        if len(self._claimed) > CLAIMS_KEPT:
            del self._claimed[next(iter(self._claimed))]

    def has_claimed(self, copy_id: str) -> bool:
        """Tell whether a copy was claimed in this life, or before it and may be asked for again."""
        return copy_id in self._claimed

    def tell_news(self) -> None:
        """Wake every task that waits for the view or for a report to change."""
        self._news.set()
        self._news = trio.Event()

    async def wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` until ``is_so()``; return whether it became so."""
        with trio.move_on_after(timeout_s):
            while not is_so():
                await self._news.wait()
        return is_so()

    def equity(self) -> Decimal | None:
        """Return the account's equity in quote asset, None while a part is unknown (R21)."""
        return self.view.equity(self.board.marks, trio.current_time())

    @property
    def watches_equity(self) -> bool:
        """Tell whether a limit of the follower is about its equity."""
        limits = self.settings.limits
        return any(it is not None for it in (limits.daily_loss, limits.max_drawdown, limits.min_equity))

    def is_settled(self) -> bool:
        """Tell whether balance and positions are of one moment.

        A venue tells of them apart: what was realised between the two would count twice, or not at all.
        """
        moved_at = max(self.moved_at.values(), default=-math.inf)
        quiet_s = trio.current_time() - max(moved_at, self.paid_at)
        if quiet_s < QUIET_S or self.unknown_orders.total():
            return False
        return self.paid_at >= moved_at - QUIET_S or quiet_s >= PAID_WITHIN_S

    def may_send(self) -> bool:
        """Tell whether changes may be answered at all: they wait in the mailbox until then."""
        return self.settings.mode.takes_changes and self.key.state.may_reduce

    def watch_equity(self) -> None:
        """Look at the equity: one that breaks a limit lets the follower only close from now on."""
        limits = self.settings.limits
        equity = self.equity() if self.watches_equity else None
        if equity is None:
            return
        before = self.equity_record
        record = self.equity_record = note_equity(before, equity, self.clock.wall_ms())
        self.unkept = self.unkept or record != before
        self.day_unkept = self.day_unkept or before is None or record.day != before.day
        if self.settings.mode is FollowerMode.ACTIVE:
            breach = find_breach(limits, equity, day_start=record.day_start, peak=record.peak)
            if breach is not None:
                self._stop_opening(breach)

    def _stop_opening(self, breach: Breach) -> None:
        self.breach, self.breach_unkept = breach, True
        self.set_mode(FollowerMode.CLOSE_ONLY)
        self.mode_moved(FollowerMode.CLOSE_ONLY)
        name, plain = self.settings.name, breach.to_plain()
        self.bus.publish(RiskLimitBreached(follower=name, **plain))
        self.bus.publish(FollowerStateChanged(follower=name, state="close_only", detail=breach.words))

    def set_mode(self, mode: FollowerMode) -> None:
        """Let the follower do what ``mode`` says from the next decision on."""
        self.settings = attrs.evolve(self.settings, mode=mode)

    def resumed(self) -> None:
        """Measure losses anew: an operator has seen what was lost and lets the follower go on."""
        if self.breach is not None:
            self.breach, self.equity_record = None, None

    def mark(self, symbol: str) -> Decimal | None:
        """Return a fresh mark price, or None."""
        return self.board.marks.price(symbol, now=trio.current_time(), age_s_max=MARK_AGE_S_MAX)

    def is_fresh(self) -> bool:
        """Tell whether copies may be sized from the view alone."""
        return self.view.is_fresh(self.board.marks, trio.current_time())

    def exposure_beside(self, leg: Leg) -> Exposure:
        """Return what the account holds besides ``leg``, valued at the last marks or entries."""
        of_symbol = total = ZERO
        count = 0
        for other, row in self.view.positions.items():
            if other == leg or not row.size:
                continue
            price = self.board.marks.latest(other.symbol) or row.entry_price or ZERO
            notional = abs(row.size) * price
            total += notional
            count += 1
            if other.symbol == leg.symbol:
                of_symbol += notional
        return Exposure(notional_of_symbol=of_symbol, notional_total=total, positions_open=count)

    def acted(self) -> Mapping[Leg, Decimal]:
        """Return the master size per leg that was last acted on."""
        return {leg: holding.master_size for leg, holding in self.holdings.items()}

    def owns(self, leg: Leg) -> bool:
        """Tell whether what is held on ``leg`` was opened by the engine (R14)."""
        holding = self.holdings.get(leg)
        return holding is not None and holding.owned

    def own(self, leg: Leg) -> Holding:
        """Return the leg's holding as one that the engine opened."""
        known = self.holdings.get(leg)
        if known is not None:
            return attrs.evolve(known, owned=True)
        name = self.settings.name
        return Holding(follower=name, leg=leg, owned=True, target=ZERO, master_size=ZERO, change_id="")

    def note_fill(self, leg: Leg, moved: Decimal) -> None:
        """Remember what a settled order of ours moved, signed."""
        self._moved[leg] = self._moved.get(leg, ZERO) + moved

    def baseline(self, symbol: str) -> Baseline:
        """Return where the symbol stood before the orders of it that are on their way, to be compared later.

        What the view shows meanwhile may have a fill in it whose order has not settled yet.
        """
        is_moving = bool(self.unknown_orders[symbol]) or self.is_unconfirmed(symbol)
        if not is_moving or symbol not in self._baselines:
            self._baselines[symbol] = Baseline(self.view.sizes_of(symbol), self._moved_of(symbol))
        return self._baselines[symbol]

    def rebase(self, symbol: str) -> None:
        """Compare orders that are on their way with what is held now: the view lacked an older fill."""
        baseline = self._baselines.get(symbol)
        if baseline is not None:
            baseline.sizes, baseline.moved = self.view.sizes_of(symbol), self._moved_of(symbol)

    def moved_by_others(self, symbol: str, baseline: Baseline) -> bool:
        """Tell whether the symbol's position is not where our settled orders took it since ``baseline``."""
        legs = (Leg(symbol, idx) for idx in (ONE_WAY, HEDGE_LONG, HEDGE_SHORT))
        return any(self._moved_beside(leg, baseline) for leg in legs)

    def unexplained(self, leg: Leg) -> Decimal:
        """Return how far a leg moved, signed, beside our settled orders while others were on their way."""
        baseline = self._baselines.get(leg.symbol)
        return ZERO if baseline is None else self._moved_beside(leg, baseline)

    def _moved_beside(self, leg: Leg, baseline: Baseline) -> Decimal:
        idx = leg.position_idx
        moved = self.view.size(leg) - baseline.sizes.get(idx, ZERO)
        return moved - (self._moved.get(leg, ZERO) - baseline.moved.get(idx, ZERO))

    def _moved_of(self, symbol: str) -> dict[int, Decimal]:
        return {leg.position_idx: moved for leg, moved in self._moved.items() if leg.symbol == symbol}

    def is_unconfirmed(self, symbol: str) -> bool:
        """Tell whether the view lacks what an order of ours has filled: nothing is opened on that."""
        return any(count for leg, count in self.unconfirmed.items() if leg.symbol == symbol)

    async def write_outcomes(self, outcomes: Sequence[tuple[Claim | None, CopyOutcome]]) -> bool:
        """Write outcomes together, with the claims that they lack; return whether the ledger took them."""
        claims = tuple(claim for claim, _ in outcomes if claim is not None)
        try:
            await self.ledger.write(
                WriteBatch(claims=claims, outcomes=tuple(outcome for _, outcome in outcomes))
            )
        except LedgerUnreachable:
            return False
        self.undurable.difference_update(claim.copy_id for claim in claims)
        for claim in claims:
            self.unanswered.written(claim)
        return True

    async def keep_locally(
        self,
        claim: Claim | None,
        *,
        orders: Sequence[OrderRecord] = (),
        outcome: CopyOutcome | None = None,
    ) -> None:
        """Keep on local disk what the ledger cannot take (R18). Raises: LedgerUnreachable."""
        await self.ledger.keep_locally(claim=claim, orders=orders, outcome=outcome)
        if claim is not None:
            self.unanswered.written(claim)

    def present(self, holdings: Iterable[Holding]) -> tuple[Holding, ...]:
        """Return legs as they are known by now: later copies may have been written since."""
        return tuple(self.holdings.get(held.leg, held) for held in holdings)

    def take_positions(self, rows: Iterable[PositionReport]) -> None:
        """Take position rows into the view, and note which legs they moved."""
        rows, now = tuple(rows), trio.current_time()
        sizes = {row.leg: self.view.size(row.leg) for row in rows}
        self.view.apply_positions(rows)
        self.moved_at.update({leg: now for leg, size in sizes.items() if self.view.size(leg) != size})

    def take_wallet(self, report: WalletReport) -> None:
        """Take balances into the view, and note whether they changed."""
        before = self.view.wallet
        self.view.apply_wallet(report)
        self._note_payment(before)

    def _note_payment(self, before: WalletReport | None) -> None:
        after = self.view.wallet
        if before is None or after is None or before.wallet_balance != after.wallet_balance:
            self.paid_at = trio.current_time()

    async def read_symbol(self, symbol: str, *, for_exit: bool = False) -> None:
        """Read every leg of a symbol by REST into the view; raises ExchangeError."""
        self.take_positions(await self.gateway.positions_of(symbol, for_exit=for_exit))
        self.tell_news()

    def stream_came_up(self) -> None:
        """Note that only a snapshot read from now on tells what the stream did not (R14)."""
        self._streams += 1
        self.view.snapshot_agreed = False

    async def read_account(self) -> bool:
        """Read positions and wallet by REST into the view; return whether it had agreed (R21).

        Raises: ExchangeError's kinds.
        """
        return await self._account_read.lead(self._read_account)

    async def share_account_read(self) -> bool:
        """Have the account read as above, or wait for the read that runs: copies ask by the dozen."""
        return await self._account_read.share(self._read_account)

    async def _read_account(self) -> bool:
        streams = self._streams
        snapshot = await self.gateway.snapshot()
        for symbol in sorted(self.view.missing_from(snapshot)):
            await self.read_symbol(symbol)
        sizes = {row.leg: self.view.size(row.leg) for row in snapshot.positions}
        wallet = self.view.wallet
        agreed = self.view.apply_snapshot(snapshot, self.board.instruments)
        self._note_payment(wallet)
        if self._streams != streams:  # what happened between this read and the stream is known by neither
            self.view.snapshot_agreed = False
        now = self.read_at = trio.current_time()
        self.moved_at.update({leg: now for leg, size in sizes.items() if self.view.size(leg) != size})
        self.tell_news()
        return agreed
