"""Watches what a follower has lost, and keeps it: a broken limit outlives the process (R9)."""

from collections.abc import Callable

import trio

from actors.events import TroubleMet
from actors.follower_desk import FollowerDesk
from model.breach import breach_from_plain
from model.equity_record import equity_record_from_plain
from model.ledger import LedgerUnreachable
from model.ledger.risk import breach_key, equity_key
from model.settings import FollowerMode

EVERY_S = 1.0


class RiskWatch:
    """Looks at the equity every second, of a follower whose limits ask for it."""

    def __init__(self, desk: FollowerDesk, *, is_busy: Callable[[], bool]) -> None:
        """Watch the account of ``desk``; ``is_busy`` tells whether a copy is at work there."""
        self._desk = desk
        self._is_busy = is_busy
        self._is_watching = False

    def begin(self, nursery: trio.Nursery) -> None:
        """Watch from now on, if a limit asks for it and nobody watches yet."""
        if self._desk.watches_equity and not self._is_watching:
            self._is_watching = True
            nursery.start_soon(self._watch_while_limited)

    async def read(self) -> None:
        """Read what losses are measured from, and the limit that holds the follower back.

        Raises: LedgerUnreachable.
        """
        desk, name = self._desk, self._desk.settings.name
        equities = await desk.ledger.read(lambda store: store.meta(equity_key(name)))
        breaches = await desk.ledger.read(lambda store: store.meta(breach_key(name)))
        if plain := equities.get(equity_key(name)):
            desk.equity_record = equity_record_from_plain(plain)
        broken = breaches.get(breach_key(name))
        if broken and desk.settings.mode is not FollowerMode.ACTIVE:
            desk.breach = breach_from_plain(broken)

    async def keep(self) -> None:
        """Look at the equity and write what has changed since it was last written."""
        self._look()
        await _write(self._desk)

    def _look(self) -> None:
        """Look at the equity where it is of one moment; the first of a follower is taken as it is."""
        is_first = self._desk.equity_record is None and not self._is_busy()
        if is_first or (self._desk.is_settled() and not self._is_busy()):
            self._desk.watch_equity()

    async def _watch_while_limited(self) -> None:
        desk = self._desk
        while desk.watches_equity:
            self._look()
            if desk.breach_unkept or desk.day_unkept:
                await _write(desk)
            await trio.sleep(EVERY_S)
        self._is_watching = False


async def _write(desk: FollowerDesk) -> None:
    """Write what losses are measured from and, of a limit broken just now, the mode that follows from it."""
    if not (desk.unkept or desk.breach_unkept):
        return
    name, record, breach = desk.settings.name, desk.equity_record, desk.breach
    is_broken = desk.breach_unkept and breach is not None
    values: dict[str, object] = {equity_key(name): None if record is None else record.to_plain()}
    if is_broken and breach is not None:
        values[breach_key(name)] = breach.to_plain()
    was_unkept = desk.unkept, desk.breach_unkept, desk.day_unkept
    desk.unkept = desk.breach_unkept = desk.day_unkept = False
    try:
        await desk.ledger.read(lambda store: store.keep_risk(name, values, is_broken=is_broken))
    except LedgerUnreachable as error:
        desk.unkept, desk.breach_unkept, desk.day_unkept = was_unkept
        desk.bus.publish(TroubleMet(where=name, what=f"equity not kept: {error}"))
