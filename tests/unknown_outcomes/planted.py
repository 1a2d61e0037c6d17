"""Mistakes that settle an unknown order on a guess, put into a running engine to see that they are found."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

import attrs

import actors.order_life
import exchanges.binance.orders
from actors.order_life import LOOK_UP_AFTER_S, _has_ended, _move, _take
from exchanges.errors import ExchangeError, OutcomeUnknown, Refusal, RequestRejected
from model.order import OrderState
from tests.simulation.planted import BUGS as OTHERS

Plant = Callable[[], AbstractContextManager[None]]


@contextmanager
def not_found_at_once() -> Iterator[None]:
    """The first "there is none" ends an order, however soon it is said."""

    async def hasty(desk: Any, record: Any, baseline: Any) -> Any:
        while not record.state.is_final:
            if await desk.wait_until(_has_ended(desk, record), LOOK_UP_AFTER_S):
                return _take(desk, record, desk.reports[record.client_order_id])
            try:
                found = await desk.gateway.find_order(record.leg, record.client_order_id)
            except ExchangeError:
                continue
            if found is None:
                return _move(desk, record, OrderState.LOST)
            record = _take(desk, record, found)
        return record

    with mock.patch.object(actors.order_life, "_until_final", hasty):
        yield


@contextmanager
def not_found_while_it_may_arrive() -> Iterator[None]:
    """Two that say "there is none" are enough, although the request may still arrive."""
    with (
        mock.patch.object(actors.order_life, "REQUEST_LIFE_S", 0.0),
        mock.patch.object(actors.order_life, "NOT_FOUND_GRACE_S", 0.0),
    ):
        yield


@contextmanager
def no_answer_to_a_query_is_not_found() -> Iterator[None]:
    """A query that fails counts as one that was answered with "there is none"."""
    until_final = actors.order_life._until_final

    async def deaf(desk: Any, record: Any, baseline: Any) -> Any:
        find_order = desk.gateway.find_order

        async def found(*asked: Any) -> Any:
            try:
                return await find_order(*asked)
            except ExchangeError:
                return None

        with mock.patch.object(type(desk.gateway), "find_order", staticmethod(found)):
            return await until_final(desk, record, baseline)

    with mock.patch.object(actors.order_life, "_until_final", deaf):
        yield


@contextmanager
def an_error_of_the_server_is_a_refusal() -> Iterator[None]:
    """Binance's 5xx and -1007 count as "no"."""

    def refused(*asked: Any, **options: Any) -> Any:
        failed = failure(*asked, **options)
        return RequestRejected("5xx", refusal=Refusal.OTHER) if isinstance(failed, OutcomeUnknown) else failed

    failure = exchanges.binance.orders.failure
    with mock.patch.object(exchanges.binance.orders, "failure", refused):
        yield


@contextmanager
def a_lost_line_filled_the_order() -> Iterator[None]:
    """An order without an answer counts as filled whole."""
    until_final = actors.order_life._until_final

    async def sure(desk: Any, record: Any, baseline: Any) -> Any:
        if record.state is OrderState.UNKNOWN:
            return attrs.evolve(record, state=OrderState.FILLED, filled=record.quantity)
        return await until_final(desk, record, baseline)

    with mock.patch.object(actors.order_life, "_until_final", sure):
        yield


_SHARED = ("a_lost_answer_is_a_refusal", "resend_on_timeout", "drop_the_retry_after_a_crash")
BUGS: Mapping[str, Plant] = {
    **{name: OTHERS[name] for name in _SHARED},
    **{
        plant.__name__: plant
        for plant in (
            not_found_at_once,
            not_found_while_it_may_arrive,
            no_answer_to_a_query_is_not_found,
            an_error_of_the_server_is_a_refusal,
            a_lost_line_filled_the_order,
        )
    },
}
