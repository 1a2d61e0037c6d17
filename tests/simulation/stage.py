"""Where a schedule's steps happen: the venues, the network, the database and the process, until it heals."""

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import Any

import attrs
import trio
from pykka import ActorDeadError

from actors.messages import CrashNow
from exchanges.sandbox import DEFAULT_PRICES, FaultKind, Liquidity, Listing, Position
from exchanges.sandbox.listing import ListingStatus
from exchanges.sandbox.refusals import Refused
from model.amounts import ceil_to_step, floor_to_step
from model.ledger import LedgerUnreachable
from model.settings import FollowerMode
from supervision.supervisor import State
from tests.houses import House
from tests.simulation.awaits import AwaitMine
from tests.simulation.books import Books
from tests.simulation.hands import SMALL
from tests.simulation.outage import Outage, SlowDesk
from tests.simulation.step import LOTS, Step
from tests.simulation.story import say
from tests.world import MASTER, World

ARRIVAL_POLL_S = 0.002
DEAD_LINES_S = 100.0
"""After a silence: for so long lines may be dead, a stream 25 s and requests 15 s each."""
ORDER_AGAIN_S = 0.5
ROOT_CRASHES_MAX = 2
ACCOUNT_CRASHES_MAX = 4
"""One more within a minute ends the process by itself (exit 70), or quarantines the account."""
AT_ONCE = frozenset(
    {"trade", "price", "drop", "silence", "crash", "fund", "deposit", "owner", "leverage", "liquidation"}
    | {"deleveraging"}
)
"""Steps that take no time: they happen in their order."""


class Stage:
    """Performs steps; nothing that began before the healing strikes after it."""

    def __init__(self, world: World, outage: Outage, books: Books, *, tells: bool) -> None:
        self._world = world
        self._outage = outage
        self._books = books
        self._listed = {house.exchange: dict(house.core.listings) for house in world.houses}
        self._tells = tells
        self._engine_lock = trio.Lock()
        self._crashes: defaultdict[str, list[float]] = defaultdict(list)
        """When actors of the root, "", or of an account failed."""
        self._mines: list[AwaitMine] = []
        self.healing = False

    def heal(self) -> None:
        self.healing = True
        for mine in self._mines:
            mine.lift()
        for house in self._world.houses:
            house.core.faults.clear()
        self._world.host_clock.ahead_ms = 0
        self._outage.is_down = False
        self._outage.loses_commits = 0
        for symbol in LOTS:
            self._set_liquidity(symbol, Liquidity())
        for house in self._world.houses:
            house.core.listings.update(self._listed[house.exchange])
        for account in self._world.followers:
            self._order(account.settings.name, FollowerMode.ACTIVE)

    def _set_liquidity(self, symbol: str, liquidity: Liquidity) -> None:
        for house in self._world.houses:
            own = house.own_symbol(symbol)
            depth, lot = liquidity.depth, house.core.listing(own).lot_size
            whole = None if depth is None else floor_to_step(depth, lot)
            house.core.set_liquidity(own, attrs.evolve(liquidity, depth=whole))

    def _houses(self, account: str | None) -> tuple[House, ...]:
        """Return where something happens to an account, everywhere for none."""
        return self._world.houses if account is None else (self._world.house(account),)

    async def perform(self, step: Step) -> None:
        if self._tells:
            say(f"STEP {step}")
        await getattr(self, f"_do_{step.act}")(**step.what)

    # Steps

    async def _do_trade(
        self,
        *,
        symbol: str,
        idx: int,
        quantity: Decimal,
        parts: int,
        one_frame: bool,
        leverage: Decimal | None = None,
    ) -> None:
        lot, sign = LOTS[symbol], 1 if quantity > 0 else -1
        lots = int(abs(quantity) / lot)
        parts = min(parts, lots)
        shares = [lot * (lots // parts + (n < lots % parts)) for n in range(parts)]
        side_price = self._world.venue.mark(symbol)
        held = self._world.size(MASTER, symbol, idx)
        takes_off = bool(idx) and (idx == 1) is not (sign > 0)
        if takes_off and not held:
            return  # nothing is left to reduce: it was liquidated
        self._world.trade(
            symbol,
            str(quantity),
            position_idx=idx,
            fills=[(side_price, share) for share in shares],
            one_frame=one_frame,
            reduce_only=takes_off or (held * sign < 0 and abs(quantity) <= abs(held)),
            **({} if leverage is None else {"leverage": leverage}),
        )

    async def _do_price(self, *, symbol: str, price: Decimal) -> None:
        self._world.venue.set_price(symbol, price)

    async def _do_drop(self, *, account: str, kind: str | None, reset: bool) -> None:
        for house in self._houses(account):
            house.server.drop_connections(account=account, kind=kind, reset=reset)
        self._books.cut_lines()

    async def _do_silence(self, *, account: str, kind: str | None) -> None:
        self._world.house(account).server.silence_connections(account=account, kind=kind)
        self._books.cut_lines(dead_s=DEAD_LINES_S)
        if account == MASTER and kind in (None, "private"):
            self._books.go_deaf()

    async def _do_fault(self, *, kind: str, lasts_s: float | None = None, **fields: Any) -> None:
        if self.healing:
            return
        every = [house.core.faults for house in self._houses(fields.get("account"))]
        struck = [(faults, faults.add(FaultKind[kind], **fields)) for faults in every]
        if lasts_s is not None:
            await trio.sleep(lasts_s)
            for faults, fault in struck:
                faults.remove(fault)

    async def _do_thin(self, *, symbol: str, liquidity: Liquidity, lasts_s: float) -> None:
        self._set_liquidity(symbol, liquidity)
        await trio.sleep(lasts_s)
        self._set_liquidity(symbol, Liquidity())

    async def _do_skew(self, *, ms: int, lasts_s: float) -> None:
        for skewed in (ms, 0):
            self._world.host_clock.ahead_ms = skewed
            await trio.sleep(lasts_s if skewed else 0)

    async def _do_outage(self, *, lasts_s: float) -> None:
        if self.healing:
            return
        self._outage.is_down = True
        await trio.sleep(lasts_s)
        self._outage.is_down = False

    async def _do_commits(self, *, lost: int) -> None:
        if not self.healing:
            self._outage.loses_commits = lost

    async def _do_crash(self, *, actor: str) -> None:
        if not self._may_fail(actor):
            return
        with suppress(ActorDeadError, AssertionError, LookupError):
            if self._world.engine.root.state_of(actor) is State.BACKOFF:
                return  # it would wait in the mailbox, and strike the next life: even after the healing
            self._world.engine.address(actor).tell(CrashNow("a drill"))

    def _may_fail(self, actor: str, *, within_s: float = 0.0) -> bool:
        """Tell whether another failure is not one too many, and count it."""
        now, account = trio.current_time(), actor.partition(":")[2]
        lately = self._crashes[account] = [at for at in self._crashes[account] if now - at < 60.0]
        if len(lately) >= (ACCOUNT_CRASHES_MAX if account else ROOT_CRASHES_MAX):
            return False
        lately.append(now + within_s)
        return True

    async def _do_mine(self, *, actor: str, nth: int, lasts_s: float, away_s: float | None) -> None:
        kills = away_s is not None
        if self.healing or not (kills or self._may_fail(actor, within_s=lasts_s)):
            return
        mine = AwaitMine(actor, nth, kills=kills)
        self._mines.append(mine)
        mine.lay()
        with trio.move_on_after(lasts_s):
            await mine.struck.wait()
        mine.lift()
        if away_s is not None and mine.struck.is_set():
            await self._do_kill(away_s=away_s)

    async def _do_kill(self, *, away_s: float) -> None:
        async with self._engine_lock:
            if isinstance(self._world.desk, SlowDesk):
                self._world.desk.is_killed = True
            await self._world.kill_engine()
            await trio.sleep(away_s)
            await self._world.start_engine()

    async def _do_ambush(self, *, after_s: float, times: int, away_s: float) -> None:
        for _ in range(times):
            if not await self._order_arrives():
                return
            await trio.sleep(after_s)
            await self._do_kill(away_s=away_s)

    async def _order_arrives(self) -> bool:
        """Wait for the next order of a follower; tell whether one came before the healing."""
        seen = self._orders_of_followers()
        while not self.healing:
            if self._orders_of_followers() > seen:
                return True
            await trio.sleep(ARRIVAL_POLL_S)
        return False

    def _orders_of_followers(self) -> int:
        return sum(len(house.core.ledger) for house in self._world.houses) - len(
            self._world.venue.ledger.of(MASTER)
        )

    async def _do_drain(self, *, away_s: float) -> None:
        async with self._engine_lock:
            await self._world.stop_engine()
            await trio.sleep(away_s)
            await self._world.start_engine()

    # People and markets

    async def _do_fund(self, *, symbol: str, rate: Decimal) -> None:
        for house in self._world.houses:
            house.core.fund(house.own_symbol(symbol), rate)

    async def _do_deposit(self, *, account: str, share: Decimal) -> None:
        core = self._world.core(account)
        self._books.note_payment(account, share)
        core.deposit(account, (core.balance(account).equity * share).quantize(Decimal("0.01")))

    async def _do_owner(self, *, account: str, how: str, which: int) -> None:
        core = self._world.core(account)
        if how == "foreign":
            return self._open_foreign(account)
        leg = self._leg(account, which)
        if leg is not None:
            lot = core.listing(leg.symbol).lot_size
            taken = abs(leg.size) if how == "all" else max(lot, floor_to_step(abs(leg.size) / 2, lot))
            self._books.touch(account, leg)
            signed = -min(taken, abs(leg.size)).copy_sign(leg.size)
            core.trade(account, leg.symbol, signed, position_idx=leg.position_idx, reduce_only=True)
        return None

    def _open_foreign(self, account: str) -> None:
        """Open what the master never trades in this run."""
        symbol = self._books.never_traded
        if symbol is not None and self._books.never_held(account, symbol):
            self._books.foreign.add((account, symbol))
            self._world.core(account).trade(account, self._books.own(account, symbol), SMALL[symbol])

    async def _do_leverage(self, *, account: str, symbol: str, leverage: Decimal) -> None:
        with suppress(Refused):
            self._world.core(account).set_leverage(account, self._books.own(account, symbol), leverage)

    async def _do_liquidation(self, *, account: str) -> None:
        for leg in self._world.account(account).open_positions():
            self._books.touch(account, leg)
        self._world.core(account).liquidate(account)

    async def _do_deleveraging(self, *, account: str, which: int, share: Decimal) -> None:
        core, leg = self._world.core(account), self._leg(account, which)
        if leg is not None:
            lot = core.listing(leg.symbol).lot_size
            self._books.touch(account, leg)
            taken = max(lot, floor_to_step(abs(leg.size) * share, lot))
            core.deleverage(account, leg, min(abs(leg.size), taken))

    def _leg(self, account: str, which: int) -> Position | None:
        legs = [
            leg
            for leg in self._world.account(account).open_positions()
            if not self._books.is_foreign(account, leg.symbol)
        ]
        return legs[which % len(legs)] if legs else None

    async def _do_operator(self, *, account: str, mode: FollowerMode, lasts_s: float) -> None:
        for ordered in (mode, FollowerMode.ACTIVE):
            while not self.healing and not self._order(account, ordered):
                await trio.sleep(ORDER_AGAIN_S)
            await trio.sleep(lasts_s if ordered is mode else 0)

    def _order(self, name: str, mode: FollowerMode) -> bool:
        """Give an order as the control socket does; tell whether the ledger took it."""
        try:
            self._world.store.set_mode(name, mode)
        except LedgerUnreachable:
            return False
        self._books.ordered(name, mode)
        if self._world.runs:
            settings = attrs.evolve(self._world.engine.settings_of(name), mode=mode)
            self._world.engine.change_settings(settings, resumes=mode is FollowerMode.ACTIVE)
        return True

    async def _do_filters(self, *, account: str, symbol: str, what: str, lasts_s: float) -> None:
        house = self._world.house(account)
        before = self._listed[house.exchange][house.own_symbol(symbol)]
        changed = _refiltered(before, what, house.exchange)
        if self.healing or changed is None:
            return
        self._books.lots[symbol] = max(self._books.lots[symbol], changed.lot_size)
        house.core.listings[before.symbol] = changed
        await trio.sleep(lasts_s)
        house.core.listings[before.symbol] = before


def _refiltered(listing: Listing, what: str, exchange: str) -> Listing | None:
    """Return new filters; None for what a venue does not have, or does not tell in its catalogue."""
    if what == "halt":
        return attrs.evolve(listing, status=ListingStatus.CLOSED)
    if exchange == "hyperliquid" and what != "lot_size":
        return None
    if what == "lot_size":
        return attrs.evolve(listing, lot_size=listing.lot_size * 10, min_quantity=listing.lot_size * 10)
    if what == "max_market_quantity":
        # No venue sets a maximum below its own minimum: parts of it could not be traded.
        least = ceil_to_step(2 * listing.min_notional / DEFAULT_PRICES[listing.symbol], listing.lot_size)
        return attrs.evolve(listing, max_market_quantity=max(listing.lot_size * 30, least))
    return attrs.evolve(listing, **{what: getattr(listing, what) * (2 if what == "min_notional" else 10)})
