"""Reads one follower's private stream and tells the follower; reconnects by itself (R21)."""

import random
from collections.abc import Callable

import trio

from actors.bus import Bus
from actors.events import FollowerStateChanged, FrameUnreadable
from actors.messages import (
    Describe,
    OrderReported,
    PositionsReported,
    StreamDown,
    StreamHeard,
    StreamUp,
    WalletReported,
)
from actors.runtime import Address, TrioActor
from exchanges.clock import Clock
from exchanges.errors import ExchangeError
from exchanges.port import AccountGateway, Heard, StreamEvent, Unreadable
from model.account import PositionReport, WalletReport
from model.order import OrderReport

RETRY_S_BASE = 0.1
RETRY_S_MAX = 30.0
HEALTHY_AFTER_S = 60.0


class AccountStream(TrioActor):
    """One private stream after another. Losing one is expected trouble: the follower is told.

    It does not crash for a lost socket, for that would restart the follower beside it.
    """

    def __init__(
        self,
        *,
        name: str,
        gateway: AccountGateway,
        follower: Callable[[], Address],
        clock: Clock,
        bus: Bus,
    ) -> None:
        super().__init__()
        self._name = name
        self._gateway = gateway
        self._follower = follower
        self._clock = clock
        self._bus = bus
        self._is_up = False
        self._jitter = random.Random(name)

    async def on_start(self) -> None:
        """Start reading; the first connection may take its time."""
        self.nursery.start_soon(self._read_for_ever)

    async def on_receive(self, message: object) -> object:
        """Tell whether a stream is subscribed now; anything else is a bug in its sender."""
        match message:
            case Describe():
                return self._is_up
            case _:
                raise TypeError(f"AccountStream does not know {message!r}")

    async def _read_for_ever(self) -> None:
        failures = 0
        while True:
            began = trio.current_time()
            try:
                await self._read_one()
            except (ExchangeError, OSError, trio.BrokenResourceError) as error:
                self._is_up = False
                self._follower().tell(StreamDown(str(error)))
                self._bus.publish(
                    FollowerStateChanged(follower=self._name, state="stream_lost", detail=str(error))
                )
            failures = 0 if trio.current_time() - began > HEALTHY_AFTER_S else failures + 1
            if failures > 1:
                delay = min(RETRY_S_MAX, RETRY_S_BASE * 2**failures)
                await trio.sleep(delay / 2 + self._jitter.random() * delay / 2)

    async def _read_one(self) -> None:
        async with self._gateway.private_stream() as stream:
            self._is_up = True
            self._follower().tell(StreamUp())
            self._bus.publish(FollowerStateChanged(follower=self._name, state="stream_live"))
            async for event in stream:
                self._pass_on(event)

    def _pass_on(self, event: StreamEvent) -> None:
        follower = self._follower()
        match event:
            case OrderReport():
                follower.tell(OrderReported(event))
            case WalletReport():
                follower.tell(WalletReported(event))
            case Heard():
                follower.tell(StreamHeard())
            case Unreadable(frame=frame, error=error):
                self._bus.publish(FrameUnreadable(account=self._name, error=error, frame=frame))
                follower.tell(StreamUp())  # a frame is missing: let the follower read its state again
            case tuple():
                rows = tuple(row for row in event if isinstance(row, PositionReport))
                if rows:  # executions are not needed here: order rows carry what was filled
                    follower.tell(
                        PositionsReported(
                            positions=rows,
                            received_at=trio.current_time(),
                            received_at_ms=self._clock.wall_ms(),
                        )
                    )
