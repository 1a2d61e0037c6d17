"""Keeps the view of one account true: read at the start, at least every 60 s, and when the stream came up."""

from collections.abc import Callable, Iterable

import attrs
import trio

from actors.events import FollowerStateChanged, ForeignPositionSeen
from actors.follower_desk import FollowerDesk
from actors.risk_watch import RiskWatch
from exchanges.errors import ExchangeError, RateLimited
from model.account import PositionReport
from model.leg import Leg

SNAPSHOT_S = 55.0
"""R21: at least every 60 s, spread out."""
SNAPSHOT_SPREAD = 0.2
"""By up to which part of it a follower's own period is shorter."""
RETRY_S_BASE = 0.2
RETRY_S_MAX = 30.0
REFRESH_RETRY_S = 1.0


class AccountWatch:
    """The part of a follower's actor that reads its account and looks at what is held there."""

    def __init__(
        self,
        desk: FollowerDesk,
        risk: RiskWatch,
        *,
        is_busy: Callable[[str], bool],
        watch_mark: Callable[[str], None],
        readable: Callable[[], None],
    ) -> None:
        """Watch the account of ``desk``.

        Args:
            risk: looks at the equity after each reading.
            is_busy: tells whether a copy is at work on a symbol: what is held there is in motion.
            watch_mark: asks for a symbol's mark.
            readable: called when the account can be read again.
        """
        self._desk = desk
        self._risk = risk
        self._is_busy = is_busy
        self._watch_mark = watch_mark
        self._readable = readable
        self._wanted = trio.Event()
        self._is_begun = False
        self._is_unreadable = False
        self._foreign_told: set[Leg] = set()

    def read_soon(self) -> None:
        """Read the account as soon as the reading under way, if any, is done."""
        self._wanted.set()

    async def read_until_it_works(self) -> None:
        """Read the account for the first time."""
        wait_s = RETRY_S_BASE
        while True:
            try:
                await self._desk.read_account()
                if not self._wanted.is_set():
                    break
                self._wanted = trio.Event()  # the stream came up meanwhile: what lies between counts
            except RateLimited as error:
                self._tell("starting", str(error))
                await trio.sleep(max(RETRY_S_BASE, error.retry_after_s))
            except ExchangeError as error:
                self._tell("starting", str(error))
                await trio.sleep(wait_s)
                wait_s = min(RETRY_S_MAX, wait_s * 2)
        self.see(self._desk.view.positions.values())

    def begin(self, nursery: trio.Nursery) -> None:
        """Go on reading, and tell of what is not ours: by now it is known what is."""
        self._is_begun = True
        nursery.start_soon(self._read_for_ever)

    def see(self, rows: Iterable[PositionReport]) -> None:
        """Look at positions as they are told or read: whose they are, and whether their marks are known."""
        for row in tuple(rows):
            if row.size:
                self._watch_mark(row.leg.symbol)  # the equity counts it, whoever opened it
            busy = self._is_busy(row.leg.symbol)
            holding = self._desk.holdings.get(row.leg)
            if not row.size and holding is not None and holding.owned and not busy:
                # Closed by other hands or by the venue: what is opened there next is not ours.
                self._desk.holdings[row.leg] = attrs.evolve(holding, owned=False)
            if row.size and not busy and self._is_begun and not self._desk.owns(row.leg):
                self._tell_foreign(row)
            if not row.size:
                self.forget_foreign(row.leg)

    def forget_foreign(self, leg: Leg) -> None:
        """Tell of a leg again, should a position there be foreign once more."""
        self._foreign_told.discard(leg)

    async def _read_for_ever(self) -> None:
        """Read when the stream came up and at least every 60 s, spread out (R21)."""
        share = sum(self._desk.settings.name.encode()) % 100 / 100
        while True:
            with trio.move_on_after(SNAPSHOT_S * (1 - SNAPSHOT_SPREAD * (1 - share))):
                await self._wanted.wait()
            self._wanted = trio.Event()
            await self._read()

    async def _read(self) -> None:
        try:
            if not await self._desk.read_account():
                await self._desk.read_account()
            self.see(self._desk.view.positions.values())
            await self._risk.keep()
        except ExchangeError as error:
            self._is_unreadable = True
            self._desk.view.snapshot_agreed = False
            self._tell("snapshot_failed", str(error))
            await trio.sleep(REFRESH_RETRY_S)
            self._wanted.set()
        else:
            if self._is_unreadable:
                self._is_unreadable = False
                self._readable()

    def _tell(self, state: str, detail: str) -> None:
        self._desk.bus.publish(
            FollowerStateChanged(follower=self._desk.settings.name, state=state, detail=detail)
        )

    def _tell_foreign(self, row: PositionReport) -> None:
        if row.leg in self._foreign_told:
            return
        self._foreign_told.add(row.leg)
        self._desk.bus.publish(
            ForeignPositionSeen(
                follower=self._desk.settings.name,
                symbol=row.leg.symbol,
                position_idx=row.leg.position_idx,
                size=str(row.size),
            )
        )
