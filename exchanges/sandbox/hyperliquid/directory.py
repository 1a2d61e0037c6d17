"""Whose address is whose: accounts, their agents, sub-accounts, vaults, and the modes they are in."""

from decimal import Decimal

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.hyperliquid.signing import address_of
from exchanges.sandbox.venue import SandboxVenue

MODES = ("default", "disabled", "unifiedAccount", "portfolioMargin")
ONE_BALANCE = frozenset({"unifiedAccount", "portfolioMargin"})


@attrs.define(kw_only=True, eq=False)
class AgentKey:
    """An approved agent; unnamed where ``name`` is blank."""

    address: str
    account: Account
    name: str = ""
    valid_until_ms: int | None = None
    """None lives for ever."""


class Directory:
    """An account of the core is one address (its api_key); its api_secret is the key of its first agent."""

    def __init__(self, venue: SandboxVenue) -> None:
        self._venue = venue
        self._agents: dict[str, AgentKey] = {}
        self._known: set[str] = set()
        self._masters: dict[str, Account] = {}
        self._vaults: set[str] = set()
        self._modes: dict[str, str] = {}

    def account(self, address: str) -> Account | None:
        """Return whose address this is; None for agents and strangers."""
        return self._venue.account_by_key(address)

    def approve_agent(
        self, account: str, address: str, *, name: str = "", valid_until_ms: int | None = None
    ) -> None:
        """Approve an agent; one of the same name is replaced, as approvals do."""
        self._learn()
        found = self._venue.account(account)
        for other in tuple(self._agents.values()):
            if other.account is found and other.name == name:
                del self._agents[other.address]
        key = AgentKey(address=address.lower(), account=found, name=name, valid_until_ms=valid_until_ms)
        self._agents[key.address] = key

    def expire_agents(self, account: str, at_ms: int) -> None:
        """Let every agent of an account end at a moment."""
        for agent in self.agents(self._venue.account(account)):
            agent.valid_until_ms = at_ms

    def revoke_agents(self, account: str) -> None:
        """Take an account's agents their rights."""
        for agent in self.agents(self._venue.account(account)):
            del self._agents[agent.address]

    def open_sub_account(self, name: str, *, master: str, address: str, equity: Decimal) -> Account:
        """Open a sub-account; its master's agents act for it."""
        self._learn()
        self._known.add(name)
        sub = self._venue.add_account(name, api_key=address.lower(), api_secret="", equity=equity)
        self._masters[name] = self._venue.account(master)
        return sub

    def make_vault(self, name: str) -> None:
        """Let a sub-account be called a vault."""
        self._vaults.add(name)

    def set_mode(self, account: str, mode: str) -> None:
        """Set where an account's collateral is: one of MODES."""
        if mode not in MODES:
            raise ValueError(f"no account mode: {mode!r}")
        self._modes[account] = mode

    def mode(self, account: Account | None) -> str:
        """Return the account's mode."""
        return "default" if account is None else self._modes.get(account.name, "default")

    def has_one_balance(self, account: Account) -> bool:
        """Tell whether spot and perps share a balance: the perp summaries say nothing then."""
        return self.mode(account) in ONE_BALANCE

    def agents(self, account: Account) -> list[AgentKey]:
        """Return an account's agents that have not expired."""
        self._learn()
        return [agent for agent in self._agents.values() if agent.account is account and self._lives(agent)]

    def acts_for(self, signer: str) -> Account | None:
        """Return the account for which an address signs: its own, or its master's."""
        agent = self._agent(signer)
        return agent.account if agent is not None else self.account(signer)

    def master(self, account: Account) -> Account | None:
        """Return the master of a sub-account or vault."""
        return self._masters.get(account.name)

    def subs(self, master: Account) -> list[Account]:
        """Return a master's sub-accounts."""
        return [self._venue.account(name) for name, owner in self._masters.items() if owner is master]

    def role(self, address: str) -> dict[str, object]:
        """Return userRole's answer."""
        agent, account = self._agent(address), self.account(address)
        if agent is not None:
            return {"role": "agent", "data": {"user": agent.account.api_key}}
        if account is None:
            return {"role": "missing"}
        if account.name in self._vaults:
            return {"role": "vault"}
        master = self.master(account)
        if master is not None:
            return {"role": "subAccount", "data": {"master": master.api_key}}
        return {"role": "user"}

    def _agent(self, address: str) -> AgentKey | None:
        self._learn()
        agent = self._agents.get(address)
        return agent if agent is not None and self._lives(agent) else None

    def _lives(self, agent: AgentKey) -> bool:
        return agent.valid_until_ms is None or self._venue.now_ms() < agent.valid_until_ms

    def _learn(self) -> None:
        """Take the agents of accounts that the core has got meanwhile."""
        if len(self._known) == len(self._venue.accounts):
            return
        for name, account in self._venue.accounts.items():
            if name in self._known:
                continue
            self._known.add(name)
            address = address_of(account.api_secret)
            if address is not None and address != account.api_key:
                self._agents.setdefault(address, AgentKey(address=address, account=account))
