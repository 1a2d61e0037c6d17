"""Signs and sends the actions of one account, by the order socket or by HTTP, each at most once."""

from typing import Any

import trio

from exchanges.errors import RequestNotSent
from exchanges.hyperliquid.codes import Asked
from exchanges.hyperliquid.limits import (
    ACTION_WEIGHT,
    EXCHANGE,
    ORDER_PATIENCE_S,
    ActionBudget,
    AddressLimits,
)
from exchanges.hyperliquid.nonces import NonceLane
from exchanges.hyperliquid.posts import PostSocket
from exchanges.hyperliquid.rest import HyperliquidRest, VenueClock
from exchanges.hyperliquid.signing import Action, Agent
from exchanges.pacing import Urgency

LIFE_MS_MIN = 100
"""An order with less time left is not worth sending; one that comes too late costs five actions."""


class ActionDoor:
    """Where the actions of one account leave."""

    __slots__ = ("_clock", "_lane", "_limits", "_posts", "_rest", "agent", "budget")

    def __init__(
        self,
        *,
        agent: Agent,
        lane: NonceLane,
        posts: PostSocket,
        rest: HyperliquidRest,
        limits: AddressLimits,
        clock: VenueClock,
    ) -> None:
        self.agent = agent
        self.budget = ActionBudget()
        self._lane = lane
        self._posts = posts
        self._rest = rest
        self._limits = limits
        self._clock = clock

    async def send(
        self,
        action: Action,
        *,
        vault: str | None,
        urgency: Urgency,
        asked: Asked,
        expires_after_ms: int | None = None,
    ) -> Any:
        """Wait for the turn, sign, and return the venue's answer as it came.

        Raises: RequestNotSent, RequestRejected, OutcomeUnknown.
        """
        if self._limits.paced:
            self.budget.check(trio.current_time(), urgency)
        await self._limits.pass_weight(ACTION_WEIGHT, urgency, patience_s=ORDER_PATIENCE_S)
        if expires_after_ms is not None and expires_after_ms - self._clock.venue_ms() < LIFE_MS_MIN:
            raise RequestNotSent("expired before it could leave", exchange=EXCHANGE)
        body = self.agent.sign(action, self._lane.take(), vault=vault, expires_after_ms=expires_after_ms)
        self.budget.count()
        try:
            return await self._posts.post(body, asked)
        except RequestNotSent:
            # Not a byte of it left by the socket: the same body may go by HTTP.
            return await self._rest.act(body, asked)
