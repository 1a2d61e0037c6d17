"""Bybit's REST: routes, envelope, headers, and the faults that strike requests."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import attrs
import trio

from exchanges.sandbox.account import Account
from exchanges.sandbox.bybit import params as read
from exchanges.sandbox.bybit.budgets import Allowance, Budgets
from exchanges.sandbox.bybit.codes import VenueError, as_venue_error
from exchanges.sandbox.bybit.market import Market
from exchanges.sandbox.bybit.orders import OrderDesk
from exchanges.sandbox.bybit.params import Params
from exchanges.sandbox.bybit.queries import Queries
from exchanges.sandbox.bybit.signing import authenticate
from exchanges.sandbox.bybit.wire import dump
from exchanges.sandbox.conduct import Conduct, Fate, fate_of, fated, spoilt
from exchanges.sandbox.faults import Fault, FaultKind
from exchanges.sandbox.http import HttpRequest, HttpResponse
from exchanges.sandbox.refusals import Refused
from exchanges.sandbox.venue import SandboxVenue

ORDER_PREFIX = "/v5/order/"
POSTS = frozenset(
    ORDER_PREFIX + name
    for name in ("create", "amend", "cancel", "cancel-all", "create-batch", "amend-batch", "cancel-batch")
) | {"/v5/position/set-leverage", "/v5/position/switch-mode"}
WITHOUT_TIME = "/v5/account/info"
"""Its answers carry neither ``retExtInfo`` nor ``time``, as documented."""


class Rest:
    """Answers requests; all state is the core's."""

    def __init__(self, venue: SandboxVenue, desk: OrderDesk, budgets: Budgets) -> None:
        self._venue = venue
        self._desk = desk
        self._budgets = budgets
        market = Market(venue)
        self.queries = Queries(venue)
        self._public = {
            "/v5/market/time": market.time,
            "/v5/market/instruments-info": market.instruments,
            "/v5/market/tickers": market.tickers,
            "/v5/market/price-limit": market.price_limit,
            "/v5/market/risk-limit": market.risk_limits,
        }
        self._private = self.queries.routes()

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one request, or do to it what a fault says."""
        owner = self._venue.account_by_key(request.headers.get("x-bapi-api-key", ""))
        name = owner.name if owner else ""
        conduct = Conduct(faults=self._venue.faults, account=name, endpoint=request.path)
        await _wait(conduct.request_delay_s())
        fault = conduct.refusal()
        if fault is not None:
            return self._struck(fault)
        response, done = self._perform(request, name)
        await _wait(conduct.answer_delay_s())
        fate, status = conduct.fate() if done else (Fate.ANSWERED, 200)
        if done and fate is Fate.ANSWERED and (spoiler := conduct.spoiler()) is not None:
            body = spoilt(response.body.decode(), spoiler).encode()
            return attrs.evolve(response, body=body)
        return fated(response, fate, status)

    def _struck(self, fault: Fault) -> HttpResponse:
        """The answer to a request that was not looked at."""
        if fault.kind is not FaultKind.RATE_LIMIT:
            return fated(HttpResponse(status=fault.status), fate_of(fault), fault.status)
        now_ms = self._venue.now_ms()
        headers = Allowance(limit=10, remaining=0, reset_ms=now_ms + 1000).headers() if fault.headers else {}
        if fault.status == 429:
            return HttpResponse(status=429, headers=headers)
        if fault.status == 403:
            return HttpResponse(status=403, body=b"access too frequent")
        return self._envelope(10006, "Too many visits. Exceeded the API Rate Limit.", {}, {}, headers)

    def _perform(self, request: HttpRequest, name: str) -> tuple[HttpResponse, bool]:
        """Return the answer, and whether it is a success."""
        if request.method == "GET" and request.body:
            return HttpResponse(status=403), False
        headers: dict[str, str] = {}
        try:
            result, extra = self._route(request, headers)
        except Refused as refused:
            error = as_venue_error(refused)
            return self._envelope(error.code, error.text, {}, {}, headers), False
        except VenueError as error:
            return self._envelope(error.code, error.text, {}, {}, headers), False
        except LookupError:
            return HttpResponse(status=404), False
        response = self._envelope(0, "OK", result, extra, headers, account=name)
        if request.path == WITHOUT_TIME:
            body = dump({"retCode": 0, "retMsg": "OK", "result": result}).encode()
            response = HttpResponse(headers=response.headers, body=body, account=name)
        return response, True

    def _route(self, request: HttpRequest, headers: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return result and retExtInfo; raise VenueError, Refused, or LookupError for a path unknown."""
        if request.method == "GET" and request.path in self._public:
            return self._public[request.path](_query(request)), {}
        if request.method == "GET" and request.path in self._private:
            account = self._admit(request, request.query, headers)
            return self._private[request.path](account, _query(request)), {}
        if request.method == "POST" and request.path in POSTS:
            account = self._admit(request, request.body.decode("utf-8", "replace"), headers)
            return self._post(request, account, _body(request))
        raise LookupError(request.path)

    def _admit(self, request: HttpRequest, payload: str, headers: dict[str, str]) -> Account:
        account = authenticate(self._venue, request.headers, payload)
        allowance = self._budgets.spend(account.uid, request.path, self._venue.now_ms())
        headers.update(allowance.headers())
        if allowance.exceeded:
            raise VenueError(10006, "Too many visits. Exceeded the API Rate Limit.")
        return account

    def _post(
        self, request: HttpRequest, account: Account, params: Params
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        if request.path.startswith(ORDER_PREFIX):
            operation = request.path.removeprefix(ORDER_PREFIX)
            return self._desk.perform(
                operation, account, params, via=request.path, arrived_ns=request.arrived_ns
            )
        if account.read_only:
            raise VenueError(10005, "Permission denied, please check your API key permissions.")
        read.check_category(params)
        if request.path.endswith("set-leverage"):
            self._set_leverage(account, params)
        else:
            self._switch_mode(account, params)
        return {}, {}

    def _set_leverage(self, account: Account, params: Params) -> None:
        buy, sell = read.decimal(params, "buyLeverage"), read.decimal(params, "sellLeverage")
        if buy != sell:
            raise read.error("buyLeverage and sellLeverage must be equal in cross margin")
        self._venue.set_leverage(account, read.required(params, "symbol"), buy)

    def _switch_mode(self, account: Account, params: Params) -> None:
        mode = read.integer(params, "mode", -1)
        if mode not in (0, 3):
            raise read.error("position_mode invalid")
        symbol = read.text(params, "symbol")
        if symbol:
            self._venue.switch_mode(account, symbol, hedge=mode == 3)
        elif read.text(params, "coin") == "USDT":
            self._venue.switch_default_mode(account, hedge=mode == 3)
        else:
            raise read.error("symbol or coin is required")

    def _envelope(
        self,
        code: int,
        text: str,
        result: Mapping[str, Any],
        extra: Mapping[str, Any],
        headers: Mapping[str, str],
        account: str = "",
    ) -> HttpResponse:
        now_ms = self._venue.now_ms()
        body = {"retCode": code, "retMsg": text, "result": result, "retExtInfo": extra, "time": now_ms}
        return HttpResponse(
            headers={"Timenow": str(now_ms), **headers}, body=dump(body).encode(), account=account
        )


async def _wait(delay_s: float) -> None:
    if delay_s > 0:
        await trio.sleep(delay_s)


def _query(request: HttpRequest) -> dict[str, str]:
    return dict(parse_qsl(request.query, keep_blank_values=True))


def _body(request: HttpRequest) -> Params:
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise VenueError(10001, "params error: body is not JSON") from None
    if not isinstance(body, dict):
        raise VenueError(10001, "params error: body is not an object")
    return body
