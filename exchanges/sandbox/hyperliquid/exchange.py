"""``/exchange``: signed actions, admitted and carried out; the answer comes when every order is decided."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.conduct import Conduct, Fate, fate_of
from exchanges.sandbox.events import OrderChanged
from exchanges.sandbox.faults import Fault, FaultKind
from exchanges.sandbox.hyperliquid.actions import SignedRequest
from exchanges.sandbox.hyperliquid.budgets import EXPIRED_COST, Budgets
from exchanges.sandbox.hyperliquid.directory import Directory
from exchanges.sandbox.hyperliquid.nonces import Nonces
from exchanges.sandbox.hyperliquid.orders import OrderDesk, Placed
from exchanges.sandbox.hyperliquid.settings import SettingDesk
from exchanges.sandbox.hyperliquid.signing import signer_of
from exchanges.sandbox.hyperliquid.wire import Row
from exchanges.sandbox.venue import SandboxVenue

Status = object
SCHEDULE_VOLUME = Decimal(1_000_000)


class Refusal(Exception):
    """The whole action is refused; nothing of it was done."""


@attrs.frozen(kw_only=True)
class Reply:
    """What becomes of a request: an answer, an HTTP status instead, or nothing at all."""

    body: object = None
    status: int = 200
    fate: Fate = Fate.ANSWERED
    account: str = ""
    spoiler: Fault | None = None


Done = Callable[[Reply], None]


class Exchange:
    """Takes signed requests from HTTP and WebSocket alike. ``chain`` is whose signatures are right."""

    def __init__(
        self,
        venue: SandboxVenue,
        *,
        chain: str,
        directory: Directory,
        orders: OrderDesk,
        settings: SettingDesk,
        budgets: Budgets,
    ) -> None:
        self._venue = venue
        self._chain = chain
        self._directory = directory
        self._orders = orders
        self._settings = settings
        self._budgets = budgets
        self._nonces = Nonces()
        self._undecided: list[tuple[list[Placed], Done]] = []
        venue.subscribe(self._hear)

    def take(self, request: SignedRequest, *, via: str, arrived_ns: int, done: Done) -> None:
        """Do what is asked, at once or when its delays are over; ``done`` is called with what follows."""
        signer = signer_of(request, self._chain)
        target = self._target(request, signer)
        name = target.name if target is not None else ""
        endpoint = f"{via}/{request.kind}"
        conduct = Conduct(faults=self._venue.faults, account=name, endpoint=endpoint)

        def enter() -> None:
            fault = conduct.refusal()
            if fault is not None:
                done(self._struck(fault, target))
                return
            self._venue.later(conduct.engine_delay_s(), carry_out)

        def carry_out() -> None:
            self._carry_out(request, signer, endpoint, arrived_ns, conduct, done)

        self._venue.later(conduct.request_delay_s(), enter)

    def _carry_out(
        self,
        request: SignedRequest,
        signer: str,
        endpoint: str,
        arrived_ns: int,
        conduct: Conduct,
        done: Done,
    ) -> None:
        name = conduct.account

        def answer(body: object, spoiler: Fault | None = None) -> None:
            reply = Reply(body=body, account=name, spoiler=spoiler)
            self._venue.later(conduct.answer_delay_s(), lambda: done(reply))

        try:
            account = self._admit(request, signer)
            kind, statuses, placed = self._perform(request, account, endpoint, arrived_ns)
        except Refusal as refusal:
            answer({"status": "err", "response": str(refusal)})
            return
        fate, status = conduct.fate()
        if fate is not Fate.ANSWERED:
            done(Reply(fate=fate, status=status, account=name))
            return
        if statuses is None:
            answer({"status": "ok", "response": {"type": "default"}})
            return

        spoiler = conduct.spoiler()

        def decided(reply: Reply) -> None:
            told = [it.told() if isinstance(it, Placed) else it for it in statuses]
            answer({"status": "ok", "response": {"type": kind, "data": {"statuses": told}}}, spoiler)

        if all(it.is_decided for it in placed):
            decided(Reply())
        else:
            self._undecided.append((placed, decided))

    def _target(self, request: SignedRequest, signer: str) -> Account | None:
        """Return the account that is meant, whether or not it may be."""
        if request.vault is not None:
            return self._directory.account(request.vault)
        return self._directory.acts_for(signer)

    def _admit(self, request: SignedRequest, signer: str) -> Account:
        owner = self._directory.acts_for(signer)
        if owner is None:
            raise Refusal(f"User or API Wallet {signer} does not exist.")
        account = owner
        if request.vault is not None:
            found = self._directory.account(request.vault)
            if found is None or self._directory.master(found) is None:
                raise Refusal(f"Vault not registered: {request.vault}")
            if self._directory.master(found) is not owner:
                raise Refusal("Vault may not perform this action.")
            account = found
        if not account.deposited:
            raise Refusal(f"Must deposit before performing actions. User: {account.api_key}")
        now_ms = self._venue.now_ms()
        if wrong := self._nonces.take(signer, request.nonce, now_ms):
            raise Refusal(wrong)
        if request.expires_after_ms is not None and request.expires_after_ms < now_ms:
            self._budgets.spend_actions(account, EXPIRED_COST)
            raise Refusal(f"Action expired: {request.expires_after_ms} < {now_ms}")
        rows: Any = request.action.get("orders") or request.action.get("cancels") or [None]
        if not self._budgets.spend_actions(account, len(rows)):
            raise Refusal(self._budgets.refusal(account))
        return account

    def _perform(
        self, request: SignedRequest, account: Account, endpoint: str, arrived_ns: int
    ) -> tuple[str, list[Status] | None, list[Placed]]:
        action: Row = request.action
        match request.kind:
            case "order":
                statuses = self._orders.place(account, action, via=endpoint, arrived_ns=arrived_ns)
                return "order", statuses, [it for it in statuses if isinstance(it, Placed)]
            case "cancel" | "cancelByCloid":
                return "cancel", self._orders.cancel(account, action), []
            case "updateLeverage":
                wrong = self._settings.set_leverage(account, action)
            case "updateIsolatedMargin":
                wrong = self._settings.add_margin(account, action)
            case "scheduleCancel":
                wrong = (
                    "Cannot set scheduled cancel time until enough volume traded. Required: "
                    f"${SCHEDULE_VOLUME}. Traded: ${self._budgets.volume(account)}"
                )
            case _:
                wrong = ""
        if wrong:
            raise Refusal(wrong)
        return "default", None, []

    def _struck(self, fault: Fault, account: Account | None) -> Reply:
        """The answer to a request that was not looked at."""
        name = account.name if account is not None else ""
        if fault.kind is FaultKind.RATE_LIMIT and fault.status != 429 and account is not None:
            body = {"status": "err", "response": self._budgets.refusal(account)}
            return Reply(body=body, account=name)
        return Reply(status=fault.status, account=name, fate=fate_of(fault))

    def _hear(self, event: object) -> None:
        if not isinstance(event, OrderChanged) or not self._undecided:
            return
        ready = [it for it in self._undecided if all(placed.is_decided for placed in it[0])]
        self._undecided = [it for it in self._undecided if it not in ready]
        for _, decided in ready:
            decided(Reply())
