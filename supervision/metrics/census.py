"""How everybody is, asked one after the other, slowly: a thousand questions at once would hold up copies."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
import trio

from actors.ledger import LedgerStatus
from actors.messages import Describe, FollowerStatus, LegStatus, MasterStatus, NotifierStatus
from actors.runtime import Address
from model.alerts.message import ChannelStatus
from model.amounts import decimal_from_text
from model.severity import Severity
from supervision.engine import Engine
from supervision.supervisor import TreeNode, UnknownName

ROUND_S = 15.0
STEP_S_MAX = 1.0
ASK_S = 1.0


@attrs.define
class Census:
    """What the last round found; a follower that did not answer keeps no numbers."""

    followers: dict[str, FollowerStatus | None] = attrs.field(factory=dict)
    states: Mapping[str, int] = attrs.field(factory=dict)
    """How many followers are in each state."""
    ledger: LedgerStatus | None = None
    master: MasterStatus | None = None
    notifier: NotifierStatus | None = None
    """None also where nobody is told of anything."""
    inboxes: Mapping[str, int] = attrs.field(factory=dict)
    """The deepest mailbox by kind of actor."""
    silences: Mapping[str, float] = attrs.field(factory=dict)
    """The longest time without a beat by kind of actor, in seconds."""

    async def go_round(self, engine: Engine, *, period_s: float = ROUND_S) -> None:
        """Ask everyone once, spread over ``period_s``."""
        inboxes: dict[str, int] = {}
        silences: dict[str, float] = {}

        def look(*names: str) -> None:
            for node in _nodes(engine, names):
                kind = node.name.partition(":")[0]
                inboxes[kind] = max(inboxes.get(kind, 0), node.mailbox_depth or 0)
                silences[kind] = max(silences.get(kind, 0.0), node.heartbeat_age_s or 0.0)

        self.ledger = await _ask(engine.address("ledger"))
        self.master = await _ask(engine.address("pairing"))
        self.notifier = await _ask_notifier(engine)
        names = list(engine.followers)
        for name in set(self.followers) - set(names):
            del self.followers[name]
        pause_s = min(STEP_S_MAX, period_s / (len(names) + 1))
        look("ledger", "pairing", "master_stream", *(f"marks:{name}" for name in engine.parts.venues))
        for name in names:
            address = engine.followers.get(name)
            if address is not None:
                look(f"stream:{name}", f"follower:{name}")
                self.followers[name] = await _ask(address)
            await trio.sleep(pause_s)
        await trio.sleep(max(0.0, period_s - pause_s * len(names)))
        self.inboxes, self.silences = inboxes, silences
        self.states = self._count_states(engine)

    @property
    def unknown_orders(self) -> int:
        """How many orders have no outcome yet, by what the followers said."""
        return sum(it.unknown_orders for it in self.followers.values() if it is not None)

    def drifts(self) -> Iterator[tuple[str, str, float]]:
        """Yield follower, symbol and |position - target| / |target| of each symbol that is the engine's."""
        for name, status in list(self.followers.items()):
            worst: dict[str, float] = {}
            for leg in () if status is None else status.legs:
                if leg.owned:
                    worst[leg.symbol] = max(worst.get(leg.symbol, 0.0), _drift(leg))
            for symbol, ratio in worst.items():
                yield name, symbol, ratio

    def exposures(self) -> Iterator[tuple[str, float]]:
        """Yield each follower whose worst-case exposure is known, and that, in USDT."""
        for name, status in list(self.followers.items()):
            if status is not None and status.exposure_worst_case is not None:
                yield name, float(decimal_from_text(status.exposure_worst_case))

    def alerts_firing(self) -> Mapping[str, int]:
        """Return how many alerts fire, by severity."""
        firing = dict.fromkeys((severity.value for severity in Severity), 0)
        for alert in () if self.notifier is None else self.notifier.firing:
            firing[alert.condition.severity.value] += 1
        return firing

    def channels(self) -> Sequence[ChannelStatus]:
        """Return how the channels of alerts are doing."""
        return () if self.notifier is None else self.notifier.channels

    def stream_ages(self) -> Iterator[tuple[str, float]]:
        """Yield each follower whose stream has spoken, and how long ago, in seconds."""
        for name, status in list(self.followers.items()):
            if status is not None and status.heard_age_s is not None:
                yield name, status.heard_age_s

    def held_back(self) -> Iterator[str]:
        """Yield the followers that the operator, or a limit, keeps from opening."""
        for name, status in list(self.followers.items()):
            if status is not None and status.state in ("paused", "close_only"):
                yield name

    def _count_states(self, engine: Engine) -> dict[str, int]:
        states = dict.fromkeys(("starting", "ready", "paused", "close_only", "unheard", "barred"), 0)
        for status in self.followers.values():
            state = "unheard" if status is None else status.state
            states[state] = states.get(state, 0) + 1
        states["barred"] = len(engine.barred)
        return states


def _drift(leg: LegStatus) -> float:
    target, drift = abs(decimal_from_text(leg.target)), abs(decimal_from_text(leg.drift))
    if not target:
        return 1.0 if drift else 0.0
    return float(round(drift / target, 6)) if drift else 0.0


def _nodes(engine: Engine, names: Iterable[str]) -> Iterator[TreeNode]:
    for name in names:
        with suppress(UnknownName):  # removed a moment ago, or a venue that nobody trades on
            yield engine.root.describe_actor(name)


async def _ask_notifier(engine: Engine) -> Any:
    return None if engine.parts.make_notifier is None else await _ask(engine.address("notifier"))


async def _ask(address: Address) -> Any:
    try:
        return await address.ask(Describe(), timeout_s=ASK_S)
    except Exception:  # noqa: BLE001 - between two lives, busy, or dying of the question
        return None  # shown as unheard
