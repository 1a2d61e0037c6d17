"""Where a schedule's steps happen: the venues, the network, the database and the process, until it heals."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import trio
from pykka import ActorDeadError

from actors.messages import CrashNow
from exchanges.sandbox import FaultKind, Liquidity
from tests.houses import House
from tests.simulation.outage import Outage
from tests.simulation.step import LOTS, Step
from tests.simulation.story import say
from tests.world import MASTER, World

ARRIVAL_POLL_S = 0.002
AT_ONCE = frozenset({"trade", "price", "drop", "silence", "crash"})
"""Steps that take no time: they happen in their order."""


class Stage:
    """Performs steps; nothing that began before the healing strikes after it."""

    def __init__(self, world: World, outage: Outage, *, tells: bool) -> None:
        self._world = world
        self._outage = outage
        self._tells = tells
        self._engine_lock = trio.Lock()
        self.healing = False

    def heal(self) -> None:
        self.healing = True
        for house in self._world.houses:
            house.core.faults.clear()
        self._outage.is_down = False
        self._outage.loses_commits = 0
        for symbol in LOTS:
            self._set_liquidity(symbol, Liquidity())

    def _set_liquidity(self, symbol: str, liquidity: Liquidity) -> None:
        for house in self._world.houses:
            house.core.set_liquidity(house.own_symbol(symbol), liquidity)

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
        self._world.trade(
            symbol,
            str(quantity),
            position_idx=idx,
            fills=[(side_price, share) for share in shares],
            one_frame=one_frame,
            reduce_only=bool(held) and (held > 0) != (sign > 0) and abs(quantity) <= abs(held),
            **({} if leverage is None else {"leverage": leverage}),
        )

    async def _do_price(self, *, symbol: str, price: Decimal) -> None:
        self._world.venue.set_price(symbol, price)

    async def _do_drop(self, *, account: str, kind: str | None, reset: bool) -> None:
        for house in self._houses(account):
            house.server.drop_connections(account=account, kind=kind, reset=reset)

    async def _do_silence(self, *, account: str, kind: str | None) -> None:
        self._world.house(account).server.silence_connections(account=account, kind=kind)

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
            for house in self._world.houses:
                house.core.faults.clock_skew_ms = skewed
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
        with suppress(ActorDeadError, AssertionError, LookupError):
            self._world.engine.address(actor).tell(CrashNow("a drill"))

    async def _do_kill(self, *, away_s: float) -> None:
        async with self._engine_lock:
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
