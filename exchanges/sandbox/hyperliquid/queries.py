"""``/info``: what anybody may ask, of the market and of any address."""

from collections.abc import Callable, Mapping
from typing import Any

from exchanges.sandbox.account import Account
from exchanges.sandbox.hyperliquid.actions import Undeserializable, address, cloid
from exchanges.sandbox.hyperliquid.budgets import Budgets
from exchanges.sandbox.hyperliquid.directory import Directory
from exchanges.sandbox.hyperliquid.records import OrderRecords
from exchanges.sandbox.hyperliquid.states import States
from exchanges.sandbox.hyperliquid.universe import Universe
from exchanges.sandbox.hyperliquid.wire import Row, fill_row, full_order_row, money, order_row
from exchanges.sandbox.order import FillKind
from exchanges.sandbox.venue import SandboxVenue
from model.amounts import format_decimal

ROWS_MAX = 2000
FOR_EVER_MS = 4_102_444_800_000

Query = Mapping[str, Any]


class Queries:
    """``keeps_rest``: a cancelled order still counts what it had not filled; the venue does not say.

    ``visible_after_ms`` hides young orders from orderStatus, and young fills from their lists.
    """

    def __init__(
        self,
        venue: SandboxVenue,
        *,
        universe: Universe,
        directory: Directory,
        states: States,
        records: OrderRecords,
        budgets: Budgets,
    ) -> None:
        self.keeps_rest = True
        self.visible_after_ms = 0
        self._venue = venue
        self._universe = universe
        self._directory = directory
        self._states = states
        self._records = records
        self._budgets = budgets
        self._market: dict[str, Callable[[Query], object]] = {
            "meta": lambda query: universe.meta(),
            "metaAndAssetCtxs": lambda query: [universe.meta(), universe.contexts()],
            "allPerpMetas": lambda query: [universe.meta()],
            "perpDexs": lambda query: [None],
            "spotMeta": lambda query: SPOT_META,
            "spotMetaAndAssetCtxs": lambda query: [SPOT_META, []],
            "allMids": lambda query: universe.mids(),
            "l2Book": lambda query: universe.book(self._coin(query)),
            "exchangeStatus": lambda query: {"time": venue.now_ms(), "specialStatuses": None},
            "perpsAtOpenInterestCap": lambda query: [],
        }
        self._private: dict[str, Callable[[str, Account | None, Query], object]] = {
            "clearinghouseState": lambda user, account, query: states.clearinghouse(account),
            "spotClearinghouseState": lambda user, account, query: states.spot(account),
            "activeAssetData": lambda user, account, query: states.active_asset(
                account, user, self._coin(query)
            ),
            "userRole": lambda user, account, query: directory.role(user),
            "userAbstraction": lambda user, account, query: directory.mode(account),
            "extraAgents": lambda user, account, query: self._extra_agents(account),
            "subAccounts": lambda user, account, query: self._sub_accounts(account),
            "userRateLimit": lambda user, account, query: self._rate_limit(account),
            "userFees": lambda user, account, query: {
                "userCrossRate": format_decimal(venue.taker_fee),
                "userAddRate": format_decimal(venue.maker_fee),
            },
            "orderStatus": lambda user, account, query: self._order_status(account, query),
            "openOrders": lambda user, account, query: self.open_orders(account),
            "frontendOpenOrders": lambda user, account, query: self._frontend_orders(account),
            "historicalOrders": lambda user, account, query: self._history(account),
            "userFills": lambda user, account, query: self.fills(account)[::-1][:ROWS_MAX],
            "userFillsByTime": lambda user, account, query: self._fills_by_time(account, query),
            "webData2": lambda user, account, query: self._web_data(user, account),
        }

    def kind_of(self, body: object) -> str:
        """Return the type of a query. Raises: Undeserializable."""
        kind = body.get("type") if isinstance(body, dict) else None
        if not isinstance(kind, str) or (kind not in self._market and kind not in self._private):
            raise Undeserializable(f"type {str(kind)[:40]!r}")
        return kind

    def user_of(self, body: object) -> str:
        """Return the address that a query names, "" where none is."""
        user = body.get("user") if isinstance(body, dict) else None
        return user.lower() if isinstance(user, str) else ""

    def answer(self, body: Query) -> object:
        """Answer one query. Raises: Undeserializable."""
        kind = self.kind_of(body)
        if kind in self._market:
            return self._market[kind](body)
        user = address(body.get("user"))
        return self._private[kind](user, self._directory.account(user), body)

    def open_orders(self, account: Account | None) -> list[Row]:
        """Return the open orders, oldest first."""
        return [order_row(it, keeps_rest=True) for it in self._open(account)]

    def fills(self, account: Account | None) -> list[Row]:
        """Return an account's fills, oldest first; funding is no fill."""
        if account is None:
            return []
        return [
            fill_row(fill, self._records.oid_of(fill.order, fill.order_id), account.api_key)
            for fill in account.fills
            if fill.kind is not FillKind.FUNDING and self._is_visible(fill.time_ms)
        ]

    def _is_visible(self, time_ms: int) -> bool:
        return not self.visible_after_ms or time_ms <= self._venue.now_ms() - self.visible_after_ms

    def _coin(self, query: Query) -> str:
        coin = query.get("coin")
        if not isinstance(coin, str) or coin not in self._venue.listings:
            raise Undeserializable(f"coin {str(coin)[:40]!r}")
        return coin

    def _open(self, account: Account | None) -> list[Any]:
        if account is None:
            return []
        return [self._records.of(order) for order in account.open_orders.values()]

    def _frontend_orders(self, account: Account | None) -> list[Row]:
        return [full_order_row(record, keeps_rest=True) for record in self._open(account)]

    def _order_status(self, account: Account | None, query: Query) -> Row:
        key = query.get("oid")
        if isinstance(key, str):
            key = cloid(key)
        elif isinstance(key, bool) or not isinstance(key, int):
            raise Undeserializable("oid")
        record = None if account is None else self._records.find(account, key)
        if record is None or not self._is_visible(record.placed_ms):
            return {"status": "unknownOid"}
        return {
            "status": "order",
            "order": {
                "order": full_order_row(record, keeps_rest=self.keeps_rest),
                "status": record.status,
                "statusTimestamp": record.changed_ms,
            },
        }

    def _history(self, account: Account | None) -> list[Row]:
        records = [] if account is None else self._records.history(account)
        return [
            {
                "order": full_order_row(record, keeps_rest=self.keeps_rest),
                "status": record.status,
                "statusTimestamp": record.changed_ms,
            }
            for record in records[:ROWS_MAX]
        ]

    def _fills_by_time(self, account: Account | None, query: Query) -> list[Row]:
        start, end = query.get("startTime"), query.get("endTime", FOR_EVER_MS)
        end = FOR_EVER_MS if end is None else end
        if not isinstance(start, int) or not isinstance(end, int):
            raise Undeserializable("startTime")
        rows = [row for row in self.fills(account) if start <= int(str(row["time"])) <= end]
        return rows[:ROWS_MAX]

    def _extra_agents(self, account: Account | None) -> list[Row]:
        agents = [] if account is None else self._directory.agents(account)
        return [
            {
                "name": agent.name,
                "address": agent.address,
                "validUntil": agent.valid_until_ms or FOR_EVER_MS,
            }
            for agent in agents
            if agent.name
        ]

    def _sub_accounts(self, account: Account | None) -> list[Row] | None:
        subs = [] if account is None else self._directory.subs(account)
        if not subs:
            return None
        return [
            {
                "name": sub.name,
                "subAccountUser": sub.api_key,
                "master": account.api_key if account else "",
                "clearinghouseState": self._states.clearinghouse(sub),
                "spotState": self._states.spot(sub),
            }
            for sub in subs
        ]

    def _rate_limit(self, account: Account | None) -> Row:
        return {
            "cumVlm": money(self._budgets.volume(account)),
            "nRequestsUsed": self._budgets.used(account),
            "nRequestsCap": self._budgets.cap(account),
            "nRequestsSurplus": 0,
        }

    def _web_data(self, user: str, account: Account | None) -> Row:
        agents = [] if account is None else self._directory.agents(account)
        unnamed = next((agent for agent in agents if not agent.name), None)
        return {
            "user": user,
            "clearinghouseState": self._states.clearinghouse(account),
            "openOrders": self._frontend_orders(account),
            "agentAddress": unnamed.address if unnamed else None,
            "agentValidUntil": unnamed.valid_until_ms if unnamed else None,
            "meta": self._universe.meta(),
            "assetCtxs": self._universe.contexts(),
            "serverTime": self._venue.now_ms(),
            "spotState": self._states.spot(account),
        }


SPOT_META: Row = {
    "tokens": [
        {
            "name": "USDC",
            "szDecimals": 8,
            "weiDecimals": 8,
            "index": 0,
            "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
            "isCanonical": True,
        }
    ],
    "universe": [],
}
