"""What each request costs, who may send it, and what it does: the same for HTTP and for WebSocket."""

from collections.abc import Callable, Mapping
from enum import Enum, auto

import attrs

from exchanges.sandbox.account import Account
from exchanges.sandbox.binance.codes import as_venue_error
from exchanges.sandbox.binance.coins import coin_rows
from exchanges.sandbox.binance.listen_keys import ListenKeys
from exchanges.sandbox.binance.market import Market
from exchanges.sandbox.binance.modes import Modes
from exchanges.sandbox.binance.orders import OrderDesk, Placed
from exchanges.sandbox.binance.params import Params
from exchanges.sandbox.binance.queries import Queries
from exchanges.sandbox.binance.settings import SettingDesk
from exchanges.sandbox.binance.states import States
from exchanges.sandbox.binance.user_feed import UserFeed
from exchanges.sandbox.binance.wire import Row
from exchanges.sandbox.refusals import Refused

Body = Row | list[Row] | Placed
"""What is answered; an order that was placed may have to wait for its end."""


class Access(Enum):
    """What a request has to bring."""

    PUBLIC = auto()
    KEY = auto()
    SIGNED = auto()
    TRADE = auto()
    """Signed, with a key that may trade."""


@attrs.frozen(kw_only=True)
class Call:
    """One request that was let in. ``account`` is that of its key; public ones have none."""

    account: Account | None
    params: Params
    via: str
    arrived_ns: int

    @property
    def owner(self) -> Account:
        """The account, for requests that have to bring a key."""
        assert self.account is not None
        return self.account


@attrs.frozen(kw_only=True)
class Route:
    """``weight`` of a request; ``weight_of_all`` where it names no symbol."""

    access: Access
    act: Callable[[Call], Body]
    weight: int = 1
    weight_of_all: int | None = None
    orders: int = 0
    """How many orders it counts as."""

    def weight_for(self, params: Params) -> int:
        """Return what a request with these parameters costs."""
        return self.weight if params.get("symbol") or self.weight_of_all is None else self.weight_of_all


@attrs.frozen(kw_only=True)
class Desks:
    """Whoever does what the routes lead to."""

    market: Market
    orders: OrderDesk
    queries: Queries
    settings: SettingDesk
    states: States
    modes: Modes
    keys: ListenKeys
    feed: UserFeed


def http_routes(desks: Desks) -> Mapping[str, Route]:
    """Return the routes by method and path."""
    return {**_market(desks), **_orders(desks), **_account(desks), **_settings(desks), **_keys(desks)}


def socket_routes(desks: Desks) -> Mapping[str, Route]:
    """Return the routes of order entry by WebSocket, by method."""
    orders, queries, states = desks.orders, desks.queries, desks.states
    signed, trade, key = Access.SIGNED, Access.TRADE, Access.KEY
    return {
        "ticker.price": Route(
            access=Access.PUBLIC, act=lambda c: desks.market.prices(c.params), weight_of_all=2
        ),
        "ticker.book": Route(
            access=Access.PUBLIC, act=lambda c: desks.market.book_ticker(c.params), weight=2, weight_of_all=5
        ),
        "order.place": Route(access=trade, act=_placing(orders), weight=0, orders=1),
        "order.modify": Route(
            access=trade, act=lambda c: orders.amend(c.owner, c.params), weight=0, orders=1
        ),
        "order.cancel": Route(access=trade, act=lambda c: orders.cancel(c.owner, c.params)),
        "order.status": Route(access=signed, act=lambda c: queries.order(c.owner, c.params)),
        "v2/account.position": Route(access=signed, act=_positions(states), weight=5),
        "account.position": Route(access=signed, act=_positions_v2(states), weight=5),
        "v2/account.balance": Route(access=signed, act=lambda c: states.balances(c.owner), weight=5),
        "account.balance": Route(access=signed, act=lambda c: states.balances(c.owner), weight=5),
        "v2/account.status": Route(access=signed, act=lambda c: states.account(c.owner), weight=5),
        "userDataStream.start": Route(access=key, act=lambda c: {"listenKey": desks.keys.start(c.owner)}),
        "userDataStream.ping": Route(access=key, act=lambda c: {"listenKey": desks.keys.prolong(c.owner)}),
        "userDataStream.stop": Route(access=key, act=_deleting(desks.keys)),
    }


def _market(desks: Desks) -> dict[str, Route]:
    market, public = desks.market, Access.PUBLIC
    return {
        "GET /fapi/v1/ping": Route(access=public, act=lambda c: market.ping(c.params)),
        "GET /fapi/v1/time": Route(access=public, act=lambda c: market.time(c.params)),
        "GET /fapi/v1/exchangeInfo": Route(access=public, act=lambda c: market.exchange_info(c.params)),
        "GET /fapi/v1/premiumIndex": Route(access=public, act=_told(market.premium_index), weight_of_all=10),
        "GET /fapi/v1/ticker/price": Route(access=public, act=_told(market.prices), weight_of_all=2),
        "GET /fapi/v2/ticker/price": Route(access=public, act=_told(market.prices), weight_of_all=2),
        "GET /fapi/v1/ticker/bookTicker": Route(
            access=public, act=_told(market.book_ticker), weight=2, weight_of_all=5
        ),
        "GET /fapi/v1/leverageBracket": Route(access=Access.SIGNED, act=_told(market.brackets)),
    }


def _orders(desks: Desks) -> dict[str, Route]:
    orders, queries, signed, trade = desks.orders, desks.queries, Access.SIGNED, Access.TRADE
    return {
        "POST /fapi/v1/order": Route(access=trade, act=_placing(orders), weight=0, orders=1),
        "PUT /fapi/v1/order": Route(
            access=trade, act=lambda c: orders.amend(c.owner, c.params), weight=0, orders=1
        ),
        "POST /fapi/v1/order/test": Route(access=trade, act=lambda c: orders.test(c.owner, c.params)),
        "DELETE /fapi/v1/order": Route(access=trade, act=lambda c: orders.cancel(c.owner, c.params)),
        "DELETE /fapi/v1/allOpenOrders": Route(
            access=trade, act=lambda c: orders.cancel_all(c.owner, c.params)
        ),
        "GET /fapi/v1/order": Route(access=signed, act=lambda c: queries.order(c.owner, c.params)),
        "GET /fapi/v1/openOrder": Route(access=signed, act=lambda c: queries.open_order(c.owner, c.params)),
        "GET /fapi/v1/openOrders": Route(
            access=signed, act=lambda c: queries.open_orders(c.owner, c.params), weight_of_all=40
        ),
        "GET /fapi/v1/allOrders": Route(
            access=signed, act=lambda c: queries.all_orders(c.owner, c.params), weight=5
        ),
        "GET /fapi/v1/userTrades": Route(
            access=signed, act=lambda c: queries.trades(c.owner, c.params), weight=5
        ),
    }


def _account(desks: Desks) -> dict[str, Route]:
    states, signed = desks.states, Access.SIGNED
    return {
        "GET /fapi/v2/positionRisk": Route(access=signed, act=_positions_v2(states), weight=5),
        "GET /fapi/v3/positionRisk": Route(access=signed, act=_positions(states), weight=5),
        "GET /fapi/v2/balance": Route(access=signed, act=lambda c: states.balances(c.owner), weight=5),
        "GET /fapi/v3/balance": Route(access=signed, act=lambda c: states.balances(c.owner), weight=5),
        "GET /fapi/v3/account": Route(access=signed, act=lambda c: states.account(c.owner), weight=5),
        "GET /fapi/v1/accountConfig": Route(access=signed, act=lambda c: states.config(c.owner), weight=5),
        "GET /fapi/v1/symbolConfig": Route(
            access=signed,
            act=lambda c: states.symbol_configs(c.owner, c.params.get("symbol") or None),
            weight=5,
        ),
        "GET /sapi/v1/capital/config/getall": Route(
            access=signed, act=lambda c: coin_rows(c.owner), weight=10
        ),
        "GET /sapi/v1/margin/allPairs": Route(access=Access.KEY, act=lambda c: []),
        "GET /sapi/v1/account/apiRestrictions": Route(
            access=signed, act=lambda c: states.restrictions(c.owner)
        ),
    }


def _settings(desks: Desks) -> dict[str, Route]:
    settings, signed, trade = desks.settings, Access.SIGNED, Access.TRADE

    def set_margin_type(call: Call) -> Row:
        done = settings.set_margin_type(call.owner, call.params)
        desks.feed.tell(call.owner, desks.feed.events.margin_type_changed(call.owner, call.params["symbol"]))
        return done

    def set_multi_assets(call: Call) -> Row:
        done = settings.set_multi_assets(call.owner, call.params)
        on = desks.modes.is_multi_assets(call.owner)
        desks.feed.tell(call.owner, desks.feed.events.multi_assets_changed(on=on))
        return done

    return {
        "POST /fapi/v1/leverage": Route(access=trade, act=lambda c: settings.set_leverage(c.owner, c.params)),
        "POST /fapi/v1/marginType": Route(access=trade, act=set_margin_type),
        "POST /fapi/v1/positionSide/dual": Route(
            access=trade, act=lambda c: settings.set_position_mode(c.owner, c.params)
        ),
        "GET /fapi/v1/positionSide/dual": Route(
            access=signed, act=lambda c: settings.position_mode(c.owner, c.params), weight=30
        ),
        "POST /fapi/v1/multiAssetsMargin": Route(access=trade, act=set_multi_assets),
        "GET /fapi/v1/multiAssetsMargin": Route(
            access=signed, act=lambda c: settings.multi_assets(c.owner, c.params), weight=30
        ),
    }


def _keys(desks: Desks) -> dict[str, Route]:
    keys, key = desks.keys, Access.KEY
    return {
        "POST /fapi/v1/listenKey": Route(access=key, act=lambda c: {"listenKey": keys.start(c.owner)}),
        "PUT /fapi/v1/listenKey": Route(access=key, act=lambda c: {"listenKey": keys.prolong(c.owner)}),
        "DELETE /fapi/v1/listenKey": Route(access=key, act=_deleting(keys)),
    }


def _placing(orders: OrderDesk) -> Callable[[Call], Body]:
    return lambda c: orders.place(c.owner, c.params, via=c.via, arrived_ns=c.arrived_ns)


def _positions(states: States) -> Callable[[Call], Body]:
    return lambda c: states.positions(c.owner, c.params.get("symbol") or None)


def _positions_v2(states: States) -> Callable[[Call], Body]:
    return lambda c: states.positions_v2(c.owner, c.params.get("symbol") or None)


def _deleting(keys: ListenKeys) -> Callable[[Call], Body]:
    def act(call: Call) -> Row:
        keys.delete(call.owner)
        return {}

    return act


def _told(read: Callable[[Params], Row | list[Row]]) -> Callable[[Call], Body]:
    """Turn a symbol that is not listed into the venue's complaint."""

    def act(call: Call) -> Row | list[Row]:
        try:
            return read(call.params)
        except Refused as refused:
            raise as_venue_error(refused) from None

    return act
