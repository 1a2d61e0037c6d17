"""Checks the master's key: it has to be read-only, unless the operator says otherwise (design section 4)."""

from collections.abc import Callable

import attrs
import trio

from actors.bus import Bus
from actors.events import KeyAccepted, KeyRefused, TroubleMet
from actors.messages import AskedToCrash, CrashNow, KeyStatus
from actors.runtime import TrioActor
from exchanges.clock import Clock
from exchanges.errors import ExchangeError, RateLimited
from exchanges.key_verdict import KeyVerdict, ask_verdict, in_words
from exchanges.port import AccountGateway
from model import key_check
from model.key_check import DAY_MS, Role
from model.key_standing import KeyStanding

MASTER = "master"
DAY_S = DAY_MS / 1000
FIRST_S = 5.0
"""How long the rest of the engine waits for the first verdict."""
RETRY_S_BASE = 0.5
RETRY_S_MAX = 60.0
REFUSED_AGAIN_S = 3_600.0
STARTING_S = 60.0
"""After which a first verdict ends nothing any more: by then followers may depend on the engine."""
DOUBT_S = 2.0
"""After which a key that the venue did not take at all is tried once more, before the engine ends for it."""


@attrs.define(kw_only=True)
class MasterKeyDesk:
    """What is known of the master's key; written by its actor alone, outlives the actor's crash."""

    allow_trading_key: bool = False
    standing: KeyStanding = attrs.field(factory=KeyStanding)
    trouble: str = ""
    checks: int = 0
    began_at: float | None = None
    """Trio time of the first check."""

    def describe(self) -> KeyStatus:
        """Return what `status` shows of the key."""
        return KeyStatus(
            state=self.standing.state,
            checked_at_ms=self.standing.checked_at_ms,
            refusals=self.standing.refusals,
            warnings=self.standing.warnings,
            trouble=self.trouble,
            checks=self.checks,
        )


class MasterKey(TrioActor):
    """A key that is refused at the start ends the engine: `KeyRefused`, which no restart mends.

    Later it is told and the copying goes on, also where the first verdict came late: followers must not be
    left alone for a right of a key that only reads for us. A venue that cannot be asked ends nothing.
    """

    def __init__(
        self,
        *,
        desk: MasterKeyDesk,
        gateway: AccountGateway,
        clock: Clock,
        bus: Bus,
        clock_offset_ms: Callable[[], int | None] = lambda: None,
    ) -> None:
        super().__init__()
        self._desk = desk
        self._gateway = gateway
        self._clock = clock
        self._bus = bus
        self._clock_offset_ms = clock_offset_ms
        self._failures = 0
        self._told: KeyStanding | None = None

    async def on_start(self) -> None:
        """Ask once before anybody trades, and go on asking. Raises: KeyRefused."""
        wait_s = 0.0
        if self._desk.began_at is None:
            self._desk.began_at = trio.current_time()
        with trio.move_on_after(FIRST_S):
            wait_s = await self._check()
        self.nursery.start_soon(self._check_for_ever, wait_s)

    async def on_receive(self, message: object) -> object:
        """Take no messages but an order to crash."""
        match message:
            case CrashNow(why=why):
                raise AskedToCrash(why)
            case _:
                raise TypeError(f"MasterKey does not know {message!r}")

    async def _check_for_ever(self, wait_s: float) -> None:
        while True:
            await trio.sleep(wait_s)
            wait_s = await self._check()

    async def _check(self) -> float:
        """Ask once; return after how many seconds to ask again. Raises: KeyRefused."""
        try:
            verdict = await self._ask()
            if verdict.report is None and self._desk.standing.accepted_at_ms is None:
                await trio.sleep(DOUBT_S)
                verdict = await self._ask()
        except ExchangeError as error:
            return self._could_not(error)
        self._failures, self._desk.trouble = 0, ""
        self._desk.standing = self._desk.standing.judged(verdict.findings, self._clock.wall_ms())
        self._tell()
        standing = self._desk.standing
        if standing.state.is_refused and standing.accepted_at_ms is None and self._is_starting:
            raise key_check.KeyRefused("the master's key is refused: " + "; ".join(standing.refusals))
        return REFUSED_AGAIN_S if standing.state.is_refused else DAY_S

    @property
    def _is_starting(self) -> bool:
        began_at = self._desk.began_at
        return began_at is None or trio.current_time() - began_at < STARTING_S

    async def _ask(self) -> KeyVerdict:
        self._desk.checks += 1
        return await ask_verdict(
            self._gateway,
            Role.MASTER,
            now_ms=self._clock.wall_ms(),
            allow_trading_key=self._desk.allow_trading_key,
            clock_offset_ms=self._clock_offset_ms(),
        )

    def _could_not(self, error: ExchangeError) -> float:
        self._failures += 1
        self._desk.trouble = in_words(error)
        self._bus.publish(
            TroubleMet(where=MASTER, what=f"the master's key cannot be checked: {in_words(error)}")
        )
        wait_s = min(RETRY_S_MAX, RETRY_S_BASE * 2.0 ** min(self._failures, 20))
        return max(wait_s, error.retry_after_s if isinstance(error, RateLimited) else 0.0)

    def _tell(self) -> None:
        """Say a verdict once: the same again, a day later, is no news."""
        now = self._desk.standing
        if self._told is not None and (self._told.state, self._told.findings) == (now.state, now.findings):
            return
        self._told = now
        if now.state.is_refused:
            self._bus.publish(KeyRefused(account=MASTER, why=now.refusals, may_reduce=True))
        else:
            self._bus.publish(KeyAccepted(account=MASTER, warnings=now.warnings))
