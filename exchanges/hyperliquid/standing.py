"""For whom an agent acts, and whether an account of its is named as a vault (docs: "API wallets").

An agent that is asked about instead of its account has empty states and no errors; a master that is
named as a vault is refused. So both are asked once, before the first action.
"""

import trio

from exchanges.errors import Refusal, RequestRejected
from exchanges.hyperliquid.limits import EXCHANGE
from exchanges.hyperliquid.rest import HyperliquidRest
from exchanges.hyperliquid.wire import parse_role


class Standing:
    """What the venue says of one agent and one account."""

    __slots__ = ("_account", "_agent", "_known", "_lock", "_rest", "_vault")

    def __init__(self, *, agent: str, account: str, rest: HyperliquidRest) -> None:
        self._agent = agent
        self._account = account
        self._rest = rest
        self._known = False
        self._vault: str | None = None
        self._lock = trio.Lock()

    async def vault(self) -> str | None:
        """Return the account's address when actions must name it: it is a sub-account or a vault.

        Raises: RequestRejected (AUTH) for an agent that does not act for the account; ExchangeError's
        kinds when it cannot be asked.
        """
        if not self._known:
            async with self._lock:
                if not self._known:
                    self._vault = await self._ask()
                    self._known = True
        return self._vault

    def forget(self) -> None:
        """Ask again: the venue did not take the agent's word."""
        self._known = False

    async def _ask(self) -> str | None:
        agent = parse_role(await self._rest.read("userRole", user=self._agent))
        if self._agent == self._account:
            raise _refused("this is the account's own key: it can withdraw; approve an agent instead")
        if agent.name != "agent":
            raise _refused(f"{self._agent} is no approved agent, or no longer one ({agent.name})")
        if agent.master == self._account:
            return None
        account = parse_role(await self._rest.read("userRole", user=self._account))
        if account.name == "vault" or (account.name == "subAccount" and account.master == agent.master):
            return self._account
        raise _refused(f"the agent acts for {agent.master}, not for {self._account} ({account.name})")


def _refused(why: str) -> RequestRejected:
    return RequestRejected(why, refusal=Refusal.AUTH, exchange=EXCHANGE)
