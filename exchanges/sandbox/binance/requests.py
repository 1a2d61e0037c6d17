"""Requests on their way through the venue, however they came, with the faults that strike them."""

from collections.abc import Callable

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.budgets import (
    MINUTE_MS,
    Budgets,
    Limited,
    banned,
    too_many_orders,
    too_much_weight,
)
from exchanges.sandbox.binance.codes import VenueError, as_venue_error
from exchanges.sandbox.binance.orders import Placed
from exchanges.sandbox.binance.params import Params
from exchanges.sandbox.binance.routes import Access, Body, Call, Route
from exchanges.sandbox.binance.signing import check_key, check_window
from exchanges.sandbox.conduct import Conduct, Fate, fate_of
from exchanges.sandbox.events import OrderChanged
from exchanges.sandbox.faults import Fault, FaultKind
from exchanges.sandbox.refusals import Reason, Refused
from exchanges.sandbox.venue import SandboxVenue

RETRY_S = 5
BAN_MS = 120_000
SERVICE_UNAVAILABLE = "Service Unavailable."
INTERNAL_ERROR = "Internal error; unable to process your request. Please try again."
UNKNOWN_ERROR = "Unknown error, please check your request or try again later."
TIMEOUT = (
    -1007,
    "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
)


@attrs.frozen(kw_only=True)
class Asked:
    """One request as it came. ``verify`` checks its signature and raises VenueError."""

    name: str
    """Of the endpoint: ``POST /fapi/v1/order``, ``order.place``."""
    key: str
    params: Params
    verify: Callable[[Account], None]
    arrived_ns: int


@attrs.frozen(kw_only=True)
class Reply:
    """What becomes of a request: a body, an error, or nothing at all."""

    body: object = None
    error: VenueError | None = None
    account: Account | None = None
    is_order: bool = False
    fate: Fate = Fate.ANSWERED
    spoiler: Fault | None = None


Done = Callable[[Reply], None]


class Requests:
    """Lets requests in and carries them out. The answer to an order comes when the order is decided.

    Faults name endpoints by method and path, or by the WebSocket's method: ``POST /fapi/v1/order``,
    ``order.place``; and frames by their event: ``ACCOUNT_UPDATE``. A RATE_LIMIT of status 418 is a ban,
    of 429 the address's weight, of any other the account's orders (-1015).
    """

    def __init__(self, venue: SandboxVenue, budgets: Budgets) -> None:
        self._venue = venue
        self._budgets = budgets
        self._undecided: list[tuple[Placed, Callable[[], None]]] = []
        venue.subscribe(self._hear)

    def take(self, asked: Asked, route: Route, done: Done) -> None:
        """Do what is asked, at once or when its delays are over; ``done`` is called with what follows."""
        owner = self._venue.account_by_key(asked.key)
        name = owner.name if owner is not None else ""
        conduct = Conduct(faults=self._venue.faults, account=name, endpoint=asked.name)
        self._venue.later(conduct.request_delay_s(), lambda: self._enter(asked, route, conduct, done))

    def _enter(self, asked: Asked, route: Route, conduct: Conduct, done: Done) -> None:
        fault = conduct.refusal()
        owner = self._venue.account_by_key(asked.key)
        if fault is not None and fate_of(fault) is not Fate.ANSWERED:
            done(Reply(account=owner, is_order=route.orders > 0, fate=fate_of(fault)))
            return
        try:
            if fault is not None:
                raise self._struck(fault, route)
            account, until_ms = self._admit(asked, route)
        except VenueError as error:
            self._answer(Reply(error=error, account=owner, is_order=route.orders > 0), conduct, done)
            return
        self._venue.later(
            conduct.engine_delay_s(),
            lambda: self._carry_out(asked, route, account, until_ms, conduct, done),
        )

    def _admit(self, asked: Asked, route: Route) -> tuple[Account | None, int | None]:
        """Return whose request it is and until when it counts. Raises: VenueError."""
        self._budgets.spend_weight(route.weight_for(asked.params))
        if route.access is Access.PUBLIC:
            return None, None
        account = check_key(self._venue, asked.key)
        if route.access is Access.KEY:
            return account, None
        until_ms = check_window(self._venue, asked.params)
        asked.verify(account)
        if route.access is Access.TRADE and account.read_only:
            raise as_venue_error(Refused(Reason.READ_ONLY_KEY))
        if route.orders:
            self._budgets.spend_orders(account, route.orders)
        return account, until_ms

    def _carry_out(
        self,
        asked: Asked,
        route: Route,
        account: Account | None,
        until_ms: int | None,
        conduct: Conduct,
        done: Done,
    ) -> None:
        is_order = route.orders > 0
        try:
            if is_order and until_ms is not None and self._venue.now_ms() > until_ms:
                raise VenueError(-5028, "Timestamp for this request is outside of the ME recvWindow.")
            call = Call(account=account, params=asked.params, via=asked.name, arrived_ns=asked.arrived_ns)
            body = self._perform(route, call)
        except VenueError as error:
            self._answer(Reply(error=error, account=account, is_order=is_order), conduct, done)
            return
        fate, status = conduct.fate()
        if fate is not Fate.ANSWERED:
            unknown = _unknown(status) if fate is Fate.ERROR else None
            done(Reply(error=unknown, account=account, is_order=is_order, fate=fate))
            return

        spoiler = conduct.spoiler()

        def decided() -> None:
            told = body.tell() if isinstance(body, Placed) else body
            reply = Reply(body=told, account=account, is_order=is_order, spoiler=spoiler)
            self._answer(reply, conduct, done)

        if isinstance(body, Placed) and not body.is_decided:
            self._undecided.append((body, decided))
        else:
            decided()

    def _perform(self, route: Route, call: Call) -> Body:
        try:
            return route.act(call)
        except Refused as refused:
            raise as_venue_error(refused) from None

    def _answer(self, reply: Reply, conduct: Conduct, done: Done) -> None:
        self._venue.later(conduct.answer_delay_s(), lambda: done(reply))

    def _struck(self, fault: Fault, route: Route) -> VenueError:
        """The answer to a request that was not looked at."""
        if fault.kind is not FaultKind.RATE_LIMIT:
            text = SERVICE_UNAVAILABLE if fault.kind is FaultKind.MAINTENANCE else INTERNAL_ERROR
            return VenueError(-1001, fault.message or text, status=fault.status)
        now_ms = self._venue.now_ms()
        wait_s = RETRY_S if fault.headers else 0
        if fault.status == 418:
            error = banned(now_ms + BAN_MS, now_ms)
            return error if fault.headers else Limited(error.code, error.text, retry_after_s=0, status=418)
        if route.orders and fault.status != 429:
            return too_many_orders(MINUTE_MS, wait_s)
        return too_much_weight(wait_s)

    def _hear(self, event: object) -> None:
        if not isinstance(event, OrderChanged) or not self._undecided:
            return
        ready = [it for it in self._undecided if it[0].is_decided]
        self._undecided = [it for it in self._undecided if not it[0].is_decided]
        for _, decided in ready:
            decided()


def _unknown(status: int) -> VenueError:
    """Return the error after something that was done all the same."""
    if status == 503:
        return VenueError(-1000, UNKNOWN_ERROR, status=status)
    code, text = TIMEOUT
    return VenueError(code, text, status=status)
