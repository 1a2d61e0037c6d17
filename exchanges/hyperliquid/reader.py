"""Reads of one account: its state and balances, wherever its mode keeps them, and its leverages."""

import trio

from exchanges.errors import ExchangeError, MalformedMessage
from exchanges.hyperliquid.limits import READ_PATIENCE_S
from exchanges.hyperliquid.rest import HyperliquidRest
from exchanges.hyperliquid.wire import (
    Collateral,
    Setting,
    SpotBalance,
    State,
    flat_row,
    parse_collateral,
    parse_setting,
    parse_spot,
    parse_state,
    wallet_of,
)
from exchanges.pacing import Urgency
from model.account import PositionReport, WalletReport

MODE_S = 900.0
"""The operator may change the account's mode at any time; it is asked for again this often,"""
MODE_DOUBTED_S = 60.0
"""and this often while the perp summary contradicts it."""
MODE_YOUNG_S = 300.0
"""The check of a key takes an answer that is no older."""
SETTING_S = 600.0
"""A flat symbol's leverage is asked for again after this."""


class AccountReader:
    """Reads one account, and remembers what seldom changes."""

    def __init__(self, address: str, rest: HyperliquidRest) -> None:
        self.address = address
        self._rest = rest
        self._collateral: Collateral | None = None
        self._mode = ""
        self._asked_at = 0.0
        self._settings: dict[str, tuple[Setting, float]] = {}
        self._nudged = trio.Event()
        self._asking = trio.Lock()

    def nudge(self) -> None:
        """Say that the account has just moved: whoever waits to read it need not wait longer."""
        self._nudged.set()

    @property
    def is_nudged(self) -> bool:
        """Tell whether the account moved since it was last read."""
        return self._nudged.is_set()

    async def wait_nudge(self, most_s: float) -> None:
        """Wait for a nudge, at most so long."""
        with trio.move_on_after(max(0.0, most_s)):
            await self._nudged.wait()

    async def read(self, urgency: Urgency = Urgency.READ) -> tuple[State, WalletReport]:
        """Read positions and balances; raises ExchangeError's kinds."""
        self._nudged = trio.Event()
        state = await self.read_state(urgency)
        collateral = await self.collateral(state, urgency)
        spot = await self._read_spot(urgency) if collateral is Collateral.SPOT else None
        return state, wallet_of(state, collateral, spot)

    async def read_state(self, urgency: Urgency) -> State:
        """Read the positions; raises ExchangeError's kinds."""
        found = await self._rest.read("clearinghouseState", urgency=urgency, user=self.address)
        state = parse_state(found)
        self.learn(state)
        return state

    async def _read_spot(self, urgency: Urgency) -> SpotBalance:
        found = await self._rest.read("spotClearinghouseState", urgency=urgency, user=self.address)
        return parse_spot(found)

    @property
    def known_collateral(self) -> Collateral | None:
        """Where the account's equity was when that was last asked."""
        return self._collateral

    async def collateral(self, state: State, urgency: Urgency) -> Collateral:
        """Return where the account's equity is. Raises: ExchangeError's kinds where it was never read.

        Who asks at the same time shares the answer: at a start the stream and the follower do.
        """
        async with self._asking:
            known, age_s = self._collateral, trio.current_time() - self._asked_at
            if known is not None and age_s < (MODE_DOUBTED_S if _contradicts(state, known) else MODE_S):
                return known
            try:
                return await self._ask_mode(urgency, READ_PATIENCE_S)
            except ExchangeError:
                if known is None:
                    raise
            self._asked_at = trio.current_time()
            return known

    async def mode(self) -> str:
        """Return the account's mode in the venue's words, as of the last minutes; asks when there is time.

        Raises: ExchangeError's kinds.
        """
        if not self._mode or trio.current_time() - self._asked_at > MODE_YOUNG_S:
            await self._ask_mode(Urgency.READ, float("inf"))
        return self._mode

    async def _ask_mode(self, urgency: Urgency, patience_s: float) -> Collateral:
        found = await self._rest.read(
            "userAbstraction", urgency=urgency, patience_s=patience_s, user=self.address
        )
        known = parse_collateral(found)
        self._mode, self._collateral, self._asked_at = found, known, trio.current_time()
        return known

    def learn(self, state: State) -> None:
        """Remember leverages and margin types of open positions."""
        now = trio.current_time()
        for symbol, row in state.positions.items():
            if row.leverage is not None:
                self._settings[symbol] = Setting(leverage=row.leverage, is_cross=state.cross[symbol]), now

    def learn_setting(self, symbol: str, setting: Setting) -> None:
        """Remember what we set."""
        self._settings[symbol] = setting, trio.current_time()

    def is_cross(self, symbol: str) -> bool | None:
        """Return whether a symbol's margin is cross, None when never told."""
        known = self._settings.get(symbol)
        return None if known is None else known[0].is_cross

    async def rows_of(self, symbol: str, urgency: Urgency) -> tuple[PositionReport, ...]:
        """Read the one leg of a symbol, flat or not; raises ExchangeError's kinds.

        The leverage of a flat one costs ten times as much as all positions: only who sets it asks.
        """
        state = await self.read_state(urgency)
        row = state.positions.get(symbol)
        if row is not None:
            return (row,)
        known = self._settings.get(symbol)
        is_known = known is not None and trio.current_time() - known[1] < SETTING_S
        leverage = known[0].leverage if known is not None and is_known else None
        return (flat_row(symbol, leverage=leverage, venue_time_ms=state.time_ms),)

    async def ask_setting(self, symbol: str) -> Setting | None:
        """Ask how a symbol is set; None where the venue does not say. Raises: ExchangeError's kinds."""
        try:
            setting = parse_setting(
                await self._rest.read("activeAssetData", urgency=Urgency.OPEN, user=self.address, coin=symbol)
            )
        except MalformedMessage:
            return None  # what an untouched asset answers is not published; then it is set first
        self.learn_setting(symbol, setting)
        return setting


def _contradicts(state: State, collateral: Collateral) -> bool:
    """Tell whether the perp summary looks like another mode's: in unified ones it reads zero."""
    if collateral is Collateral.PERP:
        return not state.account_value
    return bool(state.account_value)
