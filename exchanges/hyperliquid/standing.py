"""For whom an agent acts, and whether an account of its is named as a vault (docs: "API wallets").

An agent that is asked about instead of its account has empty states and no errors; a master that is
named as a vault is refused. So both are asked once, before the first action.
"""

import trio

from exchanges.errors import Refusal, RequestRejected
from exchanges.hyperliquid.limits import EXCHANGE, READ_PATIENCE_S
from exchanges.hyperliquid.rest import HyperliquidRest
from exchanges.hyperliquid.wire import Role, parse_role
from exchanges.pacing import Urgency


class Standing:
    """What the venue says of one agent and one account."""

    __slots__ = (
        "_account",
        "_agent",
        "_answers",
        "_known",
        "_lock",
        "_master",
        "_patience",
        "_refusal",
        "_rest",
        "_vault",
    )

    def __init__(self, *, agent: str, account: str, rest: HyperliquidRest) -> None:
        self._agent = agent
        self._account = account
        self._rest = rest
        self._known = False
        self._master = ""
        self._vault: str | None = None
        self._refusal: RequestRejected | None = None
        self._lock = trio.Lock()
        self._patience = trio.Lock()
        self._answers = 0

    @property
    def is_known(self) -> bool:
        """Tell whether the venue has confirmed the agent."""
        return self._known

    async def vault(self, urgency: Urgency) -> str | None:
        """Return the account's address when actions must name it: it is a sub-account or a vault.

        Raises: RequestRejected (AUTH) for an agent that does not act for the account; ExchangeError's
        kinds when it cannot be asked.
        """
        if not self._known:
            async with self._lock:
                if not self._known:
                    await self._learn(urgency, READ_PATIENCE_S)
        return self._vault

    async def ask_ahead(self) -> None:
        """Ask when there is time; an order that cannot wait asks by itself meanwhile. Raises as above."""
        async with self._patience:
            if not self._known:
                await self._learn(Urgency.READ, float("inf"))

    async def ask_again(self) -> str:
        """Ask anew, when there is time; return the address of whoever approved the agent. Raises as above.

        An answer that comes meanwhile will do: at a start both ask, at the price of sixty other reads.
        """
        answers = self._answers
        async with self._patience:
            if self._answers == answers:
                await self._learn(Urgency.READ, float("inf"))
        return self._master

    def check(self) -> None:
        """Raise the refusal (AUTH) that was met last, if nothing better was heard since. Asks nobody."""
        if self._refusal is not None:
            raise _refused(str(self._refusal))

    def forget(self) -> None:
        """Ask again: the venue did not take the agent's word."""
        self._known = False

    async def _learn(self, urgency: Urgency, patience_s: float) -> None:
        try:
            self._vault = await self._ask(urgency, patience_s)
        except RequestRejected as error:
            if error.refusal is Refusal.AUTH:
                self._refusal = error
            raise
        self._known, self._refusal = True, None
        self._answers += 1

    async def _ask(self, urgency: Urgency, patience_s: float) -> str | None:
        agent = await self._role_of(self._agent, urgency, patience_s)
        if self._agent == self._account:
            raise _refused("this is the account's own key: it can withdraw; approve an agent instead")
        if agent.name != "agent":
            raise _refused(f"{self._agent} is no approved agent, or no longer one ({agent.name})")
        self._master = agent.master
        if agent.master == self._account:
            return None
        account = await self._role_of(self._account, urgency, patience_s)
        if account.name == "vault" or (account.name == "subAccount" and account.master == agent.master):
            return self._account
        raise _refused(f"the agent acts for {agent.master}, not for {self._account} ({account.name})")

    async def _role_of(self, user: str, urgency: Urgency, patience_s: float) -> Role:
        return parse_role(
            await self._rest.read("userRole", urgency=urgency, patience_s=patience_s, user=user)
        )


def _refused(why: str) -> RequestRejected:
    return RequestRejected(why, refusal=Refusal.AUTH, exchange=EXCHANGE)
