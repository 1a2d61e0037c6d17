"""What the handlers of control calls share."""

from collections.abc import Callable

import attrs
import trio

from actors.ledger import LedgerDesk
from actors.notifier_desk import NotifierDesk
from exchanges.clock import Clock
from model.ledger.secrets import SealingKeys
from supervision.engine import Engine
from supervision.event_log import LastWords
from supervision.service.confirmations import Confirmations


@attrs.define
class StopRequest:
    """Somebody wants the engine to stop, and perhaps at once."""

    wanted: trio.Event = attrs.field(factory=trio.Event)
    hurried: trio.Event = attrs.field(factory=trio.Event)

    def ask(self, *, now: bool) -> None:
        """Stop; ``now`` gives up what is in flight, also of a drain that is under way."""
        self.wanted.set()
        if now:
            self.hurried.set()


@attrs.define(kw_only=True)
class ServiceDesk:
    """The engine and everything beside it that an operator may ask about."""

    engine: Engine
    keys: SealingKeys
    find_keys: Callable[[], SealingKeys] | None = None
    """Reads the sealing keys again from where they were found; None: they do not change."""
    confirmations: Confirmations = attrs.field(factory=Confirmations)
    words: LastWords = attrs.field(factory=LastWords)
    stop: StopRequest = attrs.field(factory=StopRequest)
    barred: dict[str, str] = attrs.field(factory=dict)
    """Followers of the ledger that could not be started, and why."""
    instance: str = ""
    version: str = ""
    started_at: float = attrs.field(factory=trio.current_time)
    set_log_level: Callable[[str], None] = lambda level: None
    lag_s: Callable[[], float] = lambda: 0.0
    alerts: NotifierDesk | None = None
    """What the notifier works with; None where an engine has none."""
    changing: trio.Lock = attrs.field(factory=trio.Lock)
    """Held by whoever changes followers: the ledger and the engine are changed together."""

    @property
    def ledger(self) -> LedgerDesk:
        """The engine's way to its ledger."""
        return self.engine.parts.ledger

    @property
    def clock(self) -> Clock:
        """Wall-clock time, for labels."""
        return self.engine.parts.clock
