"""Who subscribed what, and what is pushed: fills and orders as they happen, states once a block."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from exchanges.sandbox.account import Account
from exchanges.sandbox.events import Executed, OrderChanged, PriceChanged, VenueEvent
from exchanges.sandbox.hyperliquid.directory import Directory
from exchanges.sandbox.hyperliquid.queries import Queries
from exchanges.sandbox.hyperliquid.records import OrderRecord, OrderRecords
from exchanges.sandbox.hyperliquid.states import States
from exchanges.sandbox.hyperliquid.universe import Universe
from exchanges.sandbox.hyperliquid.wire import Row, fill_row, funding_row, opened_row, update_row
from exchanges.sandbox.order import FillKind
from exchanges.sandbox.venue import SandboxVenue

if TYPE_CHECKING:
    from exchanges.sandbox.hyperliquid.session import Session

BLOCK_S = 0.07
REPEAT_S = 1.0
STATE_REPEAT_S = 5.0
"""States are pushed this often when nothing happens."""
UNSAID_S_MAX = 60.0
"""A socket on which nothing was said so long is cut without a word."""
USERS_MAX = 10

OF_MARKET = frozenset({"allMids"})
OF_COIN = frozenset({"activeAssetCtx", "l2Book", "bbo"})
OF_USER = frozenset(
    {"clearinghouseState", "spotState", "openOrders", "orderUpdates", "userFills", "userEvents", "webData3"}
)
OF_BOTH = frozenset({"activeAssetData"})
Subscription = tuple[str, str, str]
"""Type, user and coin; blank where it has none."""
Wants = Callable[[str, str, str], bool]


class Feed:
    """Hears the core, and knows every session. ``users_max`` watched users come from one address."""

    def __init__(
        self,
        venue: SandboxVenue,
        *,
        universe: Universe,
        directory: Directory,
        states: States,
        records: OrderRecords,
        queries: Queries,
    ) -> None:
        self.users_max = USERS_MAX
        self._venue = venue
        self._universe = universe
        self._directory = directory
        self._states = states
        self._records = records
        self._queries = queries
        self._sessions: set[Session] = set()
        self._watched: Counter[str] = Counter()
        self._moved: dict[str, Account] = {}
        venue.subscribe(self._hear)

    def join(self, session: "Session") -> None:
        """Take a session in."""
        self._sessions.add(session)

    def leave(self, session: "Session") -> None:
        """Let a session go; its users are free at once."""
        self._sessions.discard(session)
        for _, user, _ in session.subscriptions:
            self.unwatch(user)

    def watch(self, user: str) -> str:
        """Count a user; return why it may not be watched, "" when it may."""
        if user and user not in self._watched and len(self._watched) >= self.users_max:
            return f"Cannot track more than {self.users_max} total users."
        if user:
            self._watched[user] += 1
        return ""

    def unwatch(self, user: str) -> None:
        """Take one subscription of a user back."""
        self._watched[user] -= 1
        if self._watched[user] <= 0:
            del self._watched[user]

    def account(self, user: str) -> Account | None:
        """Return whose address a subscription names."""
        return self._directory.account(user)

    async def run(self) -> None:
        """Repeat contexts and states, and cut sockets on which nothing was said, until cancelled."""
        rounds = 0
        while True:
            await trio.sleep(REPEAT_S)
            rounds += 1
            for session in tuple(self._sessions):
                if trio.current_time() - session.said_at >= UNSAID_S_MAX:
                    session.cut()
                    continue
                for subscription in tuple(session.subscriptions):
                    if self._repeats(subscription, rounds):
                        self.tell_now(session, subscription)

    def _repeats(self, subscription: Subscription, rounds: int) -> bool:
        kind = subscription[0]
        if kind in OF_MARKET or kind in OF_COIN:
            return True
        return kind in ("clearinghouseState", "spotState", "openOrders", "webData3") and (
            rounds % int(STATE_REPEAT_S / REPEAT_S) == 0
        )

    def tell_now(self, session: "Session", subscription: Subscription) -> None:
        """Push what a subscription begins with, or repeats."""
        kind, user, coin = subscription
        data = self._state(kind, user, coin)
        if data is not None:
            session.push(kind, data)

    def _state(self, kind: str, user: str, coin: str) -> object:
        account = self.account(user) if user else None
        match kind:
            case "allMids":
                return {"mids": self._universe.mids()}
            case "activeAssetCtx":
                return {"coin": coin, "ctx": self._universe.context(coin)}
            case "l2Book":
                return self._universe.book(coin)
            case "bbo":
                book = self._universe.book(coin)
                levels: list[list[Row]] = book["levels"]  # type: ignore[assignment]
                best = [level[0] if level else None for level in levels]
                return {"coin": coin, "time": book["time"], "bbo": best}
            case "activeAssetData":
                return self._states.active_asset(account, user, coin)
            case "clearinghouseState":
                state = self._states.clearinghouse(account)
                return {"dex": "", "user": user, "clearinghouseState": state}
            case "spotState":
                return {"user": user, "spotState": self._states.spot(account)}
            case "openOrders":
                return {"dex": "", "user": user, "orders": self._queries.open_orders(account)}
            case "webData3":
                return {"userState": self._user_state(account), "perpDexStates": []}
            case _:
                return None

    def _user_state(self, account: Account | None) -> Row:
        agents = [] if account is None else self._directory.agents(account)
        unnamed = next((agent for agent in agents if not agent.name), None)
        return {
            "abstraction": self._directory.mode(account),
            "agentAddress": unnamed.address if unnamed else None,
            "agentValidUntil": unnamed.valid_until_ms if unnamed else None,
            "serverTime": self._venue.now_ms(),
        }

    def snapshot(self, session: "Session", user: str) -> None:
        """Push a user's fills so far, oldest first, as a subscription begins."""
        fills = self._queries.fills(self.account(user))[-2000:]
        session.push("userFills", {"isSnapshot": True, "user": user, "fills": fills})

    def refused(self, record: OrderRecord) -> None:
        """Tell of an order that was refused within a block."""
        self._push_orders(record.account, [update_row(record, keeps_rest=True)])

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, PriceChanged):
            self._push_all(lambda kind, user, coin: kind == "activeAssetCtx" and coin == event.symbol)
            return
        self._note(event.account)
        if isinstance(event, Executed):
            self._push_fills(event)
        elif isinstance(event, OrderChanged):
            self._push_order(self._records.of(event.order))

    def _note(self, account: Account) -> None:
        """Push the account's states with the next block, however much happens in it."""
        if not self._watched.get(account.api_key):
            return
        if not self._moved:
            self._venue.later(BLOCK_S, self._flush)
        self._moved[account.api_key] = account

    def _flush(self) -> None:
        moved, self._moved = self._moved, {}
        states = ("clearinghouseState", "spotState", "openOrders", "activeAssetData")
        self._push_all(lambda kind, user, coin: kind in states and user in moved)

    def _push_all(self, wants: Wants) -> None:
        for session in tuple(self._sessions):
            for subscription in tuple(session.subscriptions):
                if wants(*subscription):
                    self.tell_now(session, subscription)

    def _push_order(self, record: OrderRecord) -> None:
        rows = [update_row(record, keeps_rest=self._queries.keeps_rest)]
        if not record.announced and record.status in ("filled", "canceled"):
            rows.insert(0, opened_row(record))
        record.announced = True
        self._push_orders(record.account, rows)

    def _push_orders(self, account: Account, rows: list[Row]) -> None:
        for session in self._watching("orderUpdates", account):
            session.push("orderUpdates", rows)

    def _push_fills(self, event: Executed) -> None:
        account = event.account
        rows = [
            fill_row(fill, self._records.oid_of(fill.order, fill.order_id), account.api_key)
            for fill in event.fills
            if fill.kind is not FillKind.FUNDING
        ]
        for session in self._watching("userFills", account) if rows else ():
            session.push("userFills", {"user": account.api_key, "fills": rows})
        for session in self._watching("userEvents", account):
            if rows:
                session.push("user", {"fills": rows})
            for fill in event.fills:
                if fill.kind is FillKind.FUNDING:
                    session.push("user", {"funding": funding_row(fill)})

    def _watching(self, kind: str, account: Account) -> list["Session"]:
        key = kind, account.api_key, ""
        return [session for session in self._sessions if key in session.subscriptions]
