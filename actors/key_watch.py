"""Checks one follower's key: at the start, daily, before it expires, and when asked (design section 4)."""

from collections.abc import Callable

import trio

from actors.events import KeyAccepted, KeyRefused, TroubleMet
from actors.follower_desk import FollowerDesk
from actors.messages import KeyStatus
from exchanges.errors import ExchangeError, RateLimited
from exchanges.key_verdict import KeyVerdict, ask_verdict, in_words
from model.key_check import DAY_MS, Role
from model.key_standing import KeyStanding, remembered_standing
from model.ledger import LedgerUnreachable
from model.ledger.meta import key_check_name

DAY_S = DAY_MS / 1000
RETRY_S_BASE = 0.5
RETRY_S_MAX = 60.0
"""While the venue cannot be asked."""
REFUSED_S_BASE = 60.0
REFUSED_S_MAX = 3_600.0
"""A refused key is asked about again: it may have been mended, or the venue may have been wrong."""
KEEP_RETRY_S = 30.0
HELD_OUT_S = 10.0
"""A key that this very engine has accepted is asked about when its crashed actor has held out so long."""


class KeyWatch:
    """The part of a follower's actor that knows how far its key is trusted."""

    def __init__(self, desk: FollowerDesk, *, changed: Callable[[KeyStanding], None]) -> None:
        """Watch the key of ``desk``; ``changed`` is called with the standing before, after each verdict."""
        self._desk = desk
        self._changed = changed
        self._wanted = trio.Event()
        self._asked = 0
        self._failures = 0
        self._refused = 0
        self._trouble = ""
        self._told: KeyStanding | None = None
        self._is_kept = True
        self._share = sum(desk.settings.name.encode()) % 100 / 100

    @property
    def meta_key(self) -> str:
        """Under which name the ledger keeps the standing."""
        return key_check_name(self._desk.settings.name)

    @property
    def _mark(self) -> str:
        """Of which key, and for what: acceptance for a dry run is not one for trading."""
        return f"{self._desk.key_mark}{'-dry' if self._desk.settings.dry_run else ''}"

    def remember(self, plain: object) -> None:
        """Take what the ledger kept of this follower's key, if it is the same one.

        What this very engine has accepted stays so when the actor crashes; it is checked again later.
        """
        began_ms = self._desk.engine_began_ms
        self._desk.key = remembered_standing(plain, self._mark, trusted_since_ms=began_ms)

    def ask_soon(self) -> int:
        """Check as soon as it is one's turn; return the number of checks made by then."""
        self._wanted.set()
        return self._asked

    def forget(self) -> None:
        """Ask anew: a dry run is over, for which a key is accepted that may not trade."""
        self._desk.key = KeyStanding()
        self._wanted.set()

    def describe(self) -> KeyStatus:
        """Return what `status` shows of the key."""
        standing = self._desk.key
        return KeyStatus(
            state=standing.state,
            checked_at_ms=standing.checked_at_ms,
            refusals=standing.refusals,
            warnings=standing.warnings,
            trouble=self._trouble,
            checks=self._asked,
        )

    async def run(self) -> None:
        """Check for ever; the venue's other followers take their turns (`VenueBoard.key_checks`)."""
        if self._desk.key.state.may_open:  # one that crashes again and again asks for nothing
            with trio.move_on_after(HELD_OUT_S):
                await self._wanted.wait()
        while True:
            self._wanted = trio.Event()
            due = trio.current_time() + await self._check()
            while not self._wanted.is_set() and (left_s := due - trio.current_time()) > 0:
                if not self._is_kept:
                    await self._keep()
                with trio.move_on_after(left_s if self._is_kept else min(left_s, KEEP_RETRY_S)):
                    await self._wanted.wait()

    async def _check(self) -> float:
        """Ask once; return after how many seconds to ask again."""
        desk, mark = self._desk, self._mark
        try:
            async with desk.board.key_checks:
                verdict = await ask_verdict(
                    desk.gateway,
                    Role.FOLLOWER,
                    now_ms=desk.clock.wall_ms(),
                    clock_offset_ms=desk.board.clock_offset_ms,
                    dry_run=desk.settings.dry_run,
                )
        except ExchangeError as error:
            return self._could_not(error)
        finally:
            self._asked += 1
        if mark != self._mark:
            return 0.0  # it was asked about for a dry run, which is over
        await self._judge(verdict)
        return self._until_next(verdict)

    def _could_not(self, error: ExchangeError) -> float:
        self._failures += 1
        self._trouble = in_words(error)
        self._desk.bus.publish(
            TroubleMet(where=self._desk.settings.name, what=f"its key cannot be checked: {in_words(error)}")
        )
        wait_s = min(RETRY_S_MAX, RETRY_S_BASE * 2.0 ** min(self._failures, 20))
        told_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
        return max(told_s, wait_s * (0.75 + self._share / 4))

    async def _judge(self, verdict: KeyVerdict) -> None:
        desk, before = self._desk, self._desk.key
        self._failures, self._trouble = 0, ""
        desk.key = before.judged(verdict.findings, desk.clock.wall_ms())
        self._refused = self._refused + 1 if desk.key.state.is_refused else 0
        self._tell()
        self._changed(before)
        await self._keep()

    def _until_next(self, verdict: KeyVerdict) -> float:
        if self._refused:
            return min(REFUSED_S_MAX, REFUSED_S_BASE * 2.0 ** min(self._refused - 1, 20))
        wait_s = DAY_S * (0.9 + self._share / 10)
        expires_at_ms = None if verdict.report is None else verdict.report.expires_at_ms
        if expires_at_ms is None:
            return wait_s
        return max(1.0, min(wait_s, (expires_at_ms - self._desk.clock.wall_ms()) / 1000 + 1))

    def _tell(self) -> None:
        """Say a verdict once: the same again, a day later, is no news."""
        now = self._desk.key
        if self._told is not None and (self._told.state, self._told.findings) == (now.state, now.findings):
            return
        self._told = now
        name = self._desk.settings.name
        if now.state.is_refused:
            self._desk.bus.publish(
                KeyRefused(account=name, why=now.refusals, may_reduce=now.state.may_reduce)
            )
        else:
            self._desk.bus.publish(KeyAccepted(account=name, warnings=now.warnings))

    async def _keep(self) -> None:
        """Keep the standing for the next start; tried again later while the ledger is away."""
        values = {self.meta_key: self._desk.key.to_plain(self._mark)}
        try:
            await self._desk.ledger.read(lambda store: store.put_meta(values))
        except LedgerUnreachable as error:
            if self._is_kept:
                what = f"the key's verdict is not kept: {error}"
                self._desk.bus.publish(TroubleMet(where=self._desk.settings.name, what=what))
            self._is_kept = False
        else:
            self._is_kept = True
