"""What the demo hears on the engine's bus: changes, copies, latencies, restarts."""

from collections import Counter, deque
from collections.abc import Sequence

import attrs
import trio

from actors.bus import Bus, Gap
from actors.events import CopyFinished, MasterChangeSeen, MasterStreamChanged
from supervision.events import ActorRestarting

CAPACITY = 100_000
STAGES = ("sent", "acknowledged", "filled")
RECENT_MAX = 3


@attrs.define
class Watch:
    """Counts and times since the session began; latencies in ms from receiving the master's frame."""

    change_ids: set[str] = attrs.field(factory=set)
    moved: dict[str, None] = attrs.field(factory=dict)
    """The master's symbols, in the order of their last changes."""
    copies: Counter[str] = attrs.field(factory=Counter)
    restarts: Counter[str] = attrs.field(factory=Counter)
    latencies: dict[str, dict[str, list[float]]] = attrs.field(factory=dict)
    """By exchange and stage."""
    recent: deque[str] = attrs.field(factory=lambda: deque(maxlen=RECENT_MAX))
    answers: Counter[str] = attrs.field(factory=Counter)
    """Copies that have their outcome, by change."""
    master_live: bool = False
    missed_events: int = 0
    _last_change_id: str = ""
    _heard: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, bus: Bus) -> None:
        """Listen until cancelled."""
        with bus.subscribe(capacity=CAPACITY) as subscription:
            async for item in subscription:
                if isinstance(item, Gap):
                    self.missed_events += item.count
                else:
                    self.take(item.event)

    async def wait_answered(self, *, changes: int, followers: int) -> None:
        """Wait until so many changes were seen and so many followers have answered the last one."""
        while len(self.change_ids) < changes or self.answers[self._last_change_id] < followers:
            self._heard = trio.Event()
            await self._heard.wait()

    def take(self, event: object) -> None:
        """Count one event."""
        self._heard.set()
        match event:
            case MasterChangeSeen(change=change):
                self.change_ids.add(change.change_id)
                self._last_change_id = change.change_id
                self.moved.pop(change.leg.symbol, None)
                self.moved[change.leg.symbol] = None
            case CopyFinished():
                self._take_copy(event)
            case ActorRestarting(name=name, delay_s=delay_s):
                self.restarts[name] += 1
                self.recent.append(f"{name} restarts in {delay_s:.2f} s")
            case MasterStreamChanged(live=live, detail=detail):
                self.master_live = live
                self.recent.append("master stream live" if live else f"master stream lost: {detail}")

    def _take_copy(self, event: CopyFinished) -> None:
        self.copies[event.state.value] += 1
        self.answers[event.change_id] += 1
        if event.caught_up:
            return  # judged late on purpose: its time tells how long somebody was away
        venue = self.latencies.setdefault(event.exchange, {stage: [] for stage in STAGES})
        times = (event.received_to_sent_ms, event.received_to_acknowledged_ms, event.received_to_filled_ms)
        for stage, value in zip(STAGES, times, strict=True):
            if value is not None:
                venue[stage].append(value)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value that ``share`` of all are not above; None for none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
