"""Where a case happens: what the master trades, and what becomes of lines, names and requests meanwhile."""

import socket

import trio

from exchanges.sandbox import FaultKind
from tests.simulation.books import Books
from tests.simulation.outage import Outage
from tests.simulation.stage import Stage
from tests.unknown_outcomes.case import Case, share
from tests.unknown_outcomes.troubles import FOLLOWER
from tests.unknown_outcomes.wire import Wire
from tests.world import MASTER, World


class CaseStage(Stage):
    """Performs the steps of one case; ``wire`` is the network that the engine has."""

    def __init__(
        self, world: World, outage: Outage, books: Books, *, tells: bool, case: Case, wire: Wire
    ) -> None:
        super().__init__(world, outage, books, tells=tells)
        self.case = case
        self.wire = wire

    def heal(self) -> None:
        """Let everything be reached again."""
        super().heal()
        self.wire.trouble = None

    # What the master does

    def trade(self, kind: str) -> None:
        """Let the master make a move of this kind."""
        case, quantity = self.case, share(self.case, kind)
        idx = self._idx(case.sign)
        if not case.hedged or kind in ("open", "increase", "reduce"):
            reduces = kind in ("reduce", "close")
            self._world.trade(case.symbol, str(quantity), position_idx=idx, reduce_only=reduces)
            return
        self._world.close(case.symbol, idx)
        if kind == "flip":
            self._world.trade(case.symbol, str(-share(case, "open")), position_idx=self._idx(-case.sign))

    def _idx(self, sign: int) -> int:
        return 0 if not self.case.hedged else 1 if sign > 0 else 2

    async def _do_next(self, *, kind: str) -> None:
        """Let the master go on from where it is."""
        await trio.lowlevel.checkpoint()
        case = self.case
        for leg in tuple(self._world.account(MASTER).open_positions()):
            if kind == "close":
                self._world.close(leg.symbol, leg.position_idx)
                continue
            sign = 1 if leg.size > 0 else -1
            part = abs(share(case, kind)) * sign * (-1 if kind == "reduce" else 1)
            reduces = kind == "reduce"
            self._world.trade(leg.symbol, str(part), position_idx=leg.position_idx, reduce_only=reduces)

    # What happens

    async def _do_cut_off(self, *, why: str, lasts_s: float) -> None:
        refused = ConnectionRefusedError("nothing listens")
        nameless = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        self.wire.trouble = nameless if why == "dns" else refused
        await trio.sleep(lasts_s)
        self.wire.trouble = None

    async def _do_drop_reads(self) -> None:
        self._drop(("rest",))
        await trio.lowlevel.checkpoint()

    async def _do_drop_orders(self) -> None:
        self._drop(self._world.house(FOLLOWER).order_sockets)
        await trio.lowlevel.checkpoint()

    async def _do_silence_orders(self) -> None:
        self._world.house(FOLLOWER).silence_orders()
        await trio.lowlevel.checkpoint()

    async def _do_refuse_entry(self) -> None:
        self._world.core(FOLLOWER).faults.add(FaultKind.MAINTENANCE, endpoint=self.case.place.entry)
        await trio.lowlevel.checkpoint()

    def _drop(self, kinds: tuple[str, ...]) -> None:
        for kind in kinds:
            self._world.house(FOLLOWER).server.drop_connections(kind=kind, reset=True)
