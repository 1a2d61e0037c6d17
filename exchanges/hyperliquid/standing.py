"""For whom an agent acts, and whether an account of its is named as a vault (docs: "API wallets").

An agent that is asked about instead of its account has empty states and no errors; a master that is
named as a vault is refused. So both are asked once, before the first action.
"""

import trio

from exchanges.errors import Refusal, RequestRejected
from exchanges.hyperliquid.limits import EXCHANGE
from exchanges.hyperliquid.rest import HyperliquidRest
from exchanges.hyperliquid.wire import Role, parse_role
from exchanges.pacing import Urgency


class Standing:
    """What the venue says of one agent and one account."""

    __slots__ = ("_account", "_agent", "_known", "_lock", "_refusal", "_rest", "_vault")

    def __init__(self, *, agent: str, account: str, rest: HyperliquidRest) -> None:
        self._agent = agent
        self._account = account
        self._rest = rest
        self._known = False
        self._vault: str | None = None
        self._refusal: RequestRejected | None = None
        self._lock = trio.Lock()

    @property
    def is_known(self) -> bool:
        """Tell whether the venue has confirmed the agent."""
        return self._known

    async def vault(self) -> str | None:
        """Return the account's address when actions must name it: it is a sub-account or a vault.

        Raises: RequestRejected (AUTH) for an agent that does not act for the account; ExchangeError's
        kinds when it cannot be asked.
        """
        if not self._known:
            async with self._lock:
                if not self._known:
                    await self._learn()
        return self._vault

    def check(self) -> None:
        """Raise the refusal (AUTH) that was met last, if nothing better was heard since. Asks nobody."""
        if self._refusal is not None:
            raise _refused(str(self._refusal))

    def forget(self) -> None:
        """Ask again: the venue did not take the agent's word."""
        self._known = False

    async def _learn(self) -> None:
        try:
            self._vault = await self._ask()
        except RequestRejected as error:
            self._refusal = error
            raise
        self._known, self._refusal = True, None

    async def _ask(self) -> str | None:
        agent = await self._role_of(self._agent)
        if self._agent == self._account:
            raise _refused("this is the account's own key: it can withdraw; approve an agent instead")
        if agent.name != "agent":
            raise _refused(f"{self._agent} is no approved agent, or no longer one ({agent.name})")
        if agent.master == self._account:
            return None
        account = await self._role_of(self._account)
        if account.name == "vault" or (account.name == "subAccount" and account.master == agent.master):
            return self._account
        raise _refused(f"the agent acts for {agent.master}, not for {self._account} ({account.name})")

    async def _role_of(self, user: str) -> Role:
        # The dearest read of all, and no order leaves before it: it keeps its place in the queue.
        return parse_role(
            await self._rest.read("userRole", urgency=Urgency.OPEN, patience_s=float("inf"), user=user)
        )


def _refused(why: str) -> RequestRejected:
    return RequestRejected(why, refusal=Refusal.AUTH, exchange=EXCHANGE)
