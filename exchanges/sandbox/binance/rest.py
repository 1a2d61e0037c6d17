"""REST: a request by HTTP, its parameters in query and body, and the answer with its headers."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import trio

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.budgets import Budgets, Limited
from exchanges.sandbox.binance.requests import Asked, Reply, Requests
from exchanges.sandbox.binance.routes import Route
from exchanges.sandbox.binance.signing import check_query
from exchanges.sandbox.binance.wire import dump
from exchanges.sandbox.conduct import Fate, spoilt
from exchanges.sandbox.http import HttpRequest, HttpResponse, Then


class Rest:
    """Answers HTTP requests."""

    def __init__(self, requests: Requests, routes: Mapping[str, Route], budgets: Budgets) -> None:
        self._requests = requests
        self._routes = routes
        self._budgets = budgets

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one request, or do to it what a fault says."""
        name = f"{request.method} {request.path}"
        route = self._routes.get(name)
        if route is None:
            body = {"code": -5000, "msg": f"Path {request.path}, Method {request.method} is invalid"}
            return HttpResponse(status=404, body=dump(body).encode())
        replies: list[Reply] = []
        answered = trio.Event()

        def done(reply: Reply) -> None:
            replies.append(reply)
            answered.set()

        self._requests.take(_asked(request, name), route, done)
        await answered.wait()
        return self._response(replies[0])

    def _response(self, reply: Reply) -> HttpResponse:
        account = reply.account.name if reply.account is not None else ""
        if reply.fate is Fate.LOST:
            return HttpResponse(then=Then.SILENCE, account=account)
        if reply.fate is Fate.RESET:
            return HttpResponse(then=Then.RESET, account=account)
        headers = self._budgets.headers(reply.account if reply.is_order else None)
        error = reply.error
        if error is None:
            text = spoilt(dump(reply.body), reply.spoiler)
            return HttpResponse(headers=headers, body=text.encode(), account=account)
        if isinstance(error, Limited) and error.retry_after_s:
            headers["Retry-After"] = str(error.retry_after_s)
        body = dump({"code": error.code, "msg": error.text}).encode()
        return HttpResponse(status=error.status, headers=headers, body=body, account=account)


def _asked(request: HttpRequest, name: str) -> Asked:
    body = request.body.decode("utf-8", "replace")
    # What is sent in both counts as it is in the query.
    params = dict(parse_qsl(body, keep_blank_values=True)) | dict(
        parse_qsl(request.query, keep_blank_values=True)
    )

    def verify(account: Account) -> None:
        check_query(account, request.query, body, params.get("signature", ""))

    return Asked(
        name=name,
        key=request.headers.get("x-mbx-apikey", ""),
        params=params,
        verify=verify,
        arrived_ns=request.arrived_ns,
    )
