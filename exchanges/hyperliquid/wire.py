"""Hyperliquid's words to ours and back, without I/O: states, balances, orders, fills, answers.

Unknown keys are ignored; what decides is read strictly, and anything else is MalformedMessage. Money is
text on this wire, with float noise in places. Rows of spot pairs and of builders' dexes are left out.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum, auto
from typing import Any, NoReturn

import attrs

from exchanges.encodable import encodable
from exchanges.errors import MalformedMessage
from exchanges.hyperliquid import codes
from exchanges.hyperliquid.limits import EXCHANGE
from model.account import Execution, PositionReport, WalletReport
from model.amounts import CONTEXT, INT64, ZERO, decimal_from_text, format_decimal
from model.leg import Leg, Side
from model.order import OrderReport, OrderRequest, OrderState

FRAME_TEXT_MAX = 4_000
EXPONENT_MAX = 40
"""No price or size has more digits than that on one side of the point."""
USDC_TOKEN = 0

Row = Mapping[str, Any]

SIDES = {"B": Side.BUY, "A": Side.SELL}
MARGIN_TYPES = {"cross": True, "isolated": False}


class Collateral(Enum):
    """Where an account's equity is (docs: "Account abstraction modes")."""

    PERP = auto()
    SPOT = auto()
    """One balance for spot and perps; the perp summaries say nothing then."""
    UNKNOWN = auto()


ABSTRACTIONS = {
    "disabled": Collateral.PERP,
    "default": Collateral.PERP,
    "unifiedAccount": Collateral.SPOT,
    "portfolioMargin": Collateral.SPOT,
}


@attrs.frozen(kw_only=True)
class State:
    """One clearinghouseState: all open positions of the first dex, and its summaries."""

    time_ms: int
    positions: Mapping[str, PositionReport]
    cross: Mapping[str, bool]
    """Whether a position's margin is cross, by symbol."""
    account_value: Decimal
    cross_value: Decimal
    cross_margin_used: Decimal
    unrealised: Decimal
    margin_used: Decimal


@attrs.frozen(kw_only=True)
class SpotBalance:
    """An account's USDC in its spot state."""

    total: Decimal
    hold: Decimal


@attrs.frozen(kw_only=True)
class Setting:
    """Leverage and margin type of a symbol."""

    leverage: Decimal
    is_cross: bool


@attrs.frozen(kw_only=True)
class FoundOrder:
    """What orderStatus says of one order: everything but how much of a cancelled one was filled."""

    report: OrderReport
    quantity: Decimal
    placed_at_ms: int
    status: str
    rest: Decimal
    """What the row says is not filled; of a cancelled order that may be nothing, whatever was filled."""
    is_certain: bool
    """The report's filled quantity is the venue's word; else only its fills tell."""

    @property
    def executed_at_most(self) -> Decimal:
        """How much was filled, if the row's rest is believed."""
        return CONTEXT.subtract(self.quantity, self.rest)


@attrs.frozen(kw_only=True)
class Role:
    """Who an address is, and for whom it acts."""

    name: str
    master: str = ""


def load(text: str | bytes) -> Any:
    """Return what a frame or body holds; raises MalformedMessage."""
    try:
        return encodable(json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant), text)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise MalformedMessage(f"not JSON: {error}", exchange=EXCHANGE) from error


def load_object(text: str | bytes) -> dict[str, Any]:
    """Return the object that a frame or body holds; raises MalformedMessage."""
    found = load(text)
    if not isinstance(found, dict):
        raise MalformedMessage(f"not an object: {type(found).__name__}", exchange=EXCHANGE)
    return found


def parse_state(data: Any) -> State:
    """Return a clearinghouseState. Raises: MalformedMessage, also for a second side of a coin."""
    with reading("clearinghouseState"):
        time_ms = whole(data["time"])
        cross: dict[str, bool] = {}
        positions: dict[str, PositionReport] = {}
        unrealised = margin_used = ZERO
        for row in data["assetPositions"]:
            if row["type"] != "oneWay":
                raise ValueError(f"position type {row['type']!r}")
            position = row["position"]
            unrealised += number(position["unrealizedPnl"])
            margin_used += number(position["marginUsed"])
            coin = text_of(position["coin"])
            if not is_followed(coin):
                continue
            if coin in positions:
                raise ValueError(f"two rows of {coin}")
            cross[coin] = MARGIN_TYPES[position["leverage"]["type"]]
            positions[coin] = _parse_position(coin, position, time_ms)
        return State(
            time_ms=time_ms,
            positions=positions,
            cross=cross,
            account_value=number(data["marginSummary"]["accountValue"]),
            cross_value=number(data["crossMarginSummary"]["accountValue"]),
            cross_margin_used=number(data["crossMarginSummary"]["totalMarginUsed"]),
            unrealised=unrealised,
            margin_used=margin_used,
        )


def parse_spot(data: Any) -> SpotBalance:
    """Return the USDC in a spotClearinghouseState; nothing of it is zero. Raises: MalformedMessage."""
    with reading("spotClearinghouseState"):
        for row in data["balances"]:
            if row["coin"] == "USDC" and row.get("token", USDC_TOKEN) == USDC_TOKEN:
                return SpotBalance(total=number(row["total"]), hold=number(row["hold"]))
        return SpotBalance(total=ZERO, hold=ZERO)


def parse_collateral(data: Any) -> Collateral:
    """Return where equity is, from userAbstraction; a mode that we do not know has none we can read."""
    if not isinstance(data, str):
        raise MalformedMessage(f"userAbstraction {str(data)[:80]!r}", exchange=EXCHANGE)
    return ABSTRACTIONS.get(data, Collateral.UNKNOWN)


def wallet_of(state: State, collateral: Collateral, spot: SpotBalance | None) -> WalletReport:
    """Return the balances of an account; None for what its mode does not tell (R21).

    In the modes with one balance it is not published whether `total` has unrealised profit in it: the
    smaller of both readings is taken, so no size is worked out from money that may not be there.
    """
    balance = equity = available = None
    if collateral is Collateral.PERP:
        equity = state.account_value
        balance = CONTEXT.subtract(equity, state.unrealised)
        available = max(ZERO, CONTEXT.subtract(state.cross_value, state.cross_margin_used))
    elif collateral is Collateral.SPOT and spot is not None:
        balance = CONTEXT.subtract(spot.total, max(ZERO, state.unrealised))
        equity = CONTEXT.add(balance, state.unrealised)
        taken = CONTEXT.add(spot.hold, state.margin_used)
        available = max(ZERO, CONTEXT.subtract(spot.total, taken))
    return WalletReport(
        wallet_balance=balance, equity=equity, available=available, venue_time_ms=state.time_ms
    )


def flat_row(symbol: str, *, leverage: Decimal | None, venue_time_ms: int) -> PositionReport:
    """Return the row of a symbol that a state leaves out: there it is flat."""
    return PositionReport(
        leg=Leg(symbol),
        size=ZERO,
        entry_price=None,
        leverage=leverage,
        initial_margin=None,
        mark_price=None,
        seq=-1,
        venue_time_ms=venue_time_ms,
    )


def parse_setting(data: Any) -> Setting:
    """Return leverage and margin type in activeAssetData. Raises: MalformedMessage."""
    with reading("activeAssetData"):
        leverage = data["leverage"]
        return Setting(leverage=positive(leverage["value"]), is_cross=MARGIN_TYPES[leverage["type"]])


def parse_role(data: Any) -> Role:
    """Return userRole's answer. Raises: MalformedMessage."""
    with reading("userRole"):
        name = text_of(data["role"])
        details = data.get("data") or {}
        master = details.get("user") if name == "agent" else details.get("master")
        return Role(name=name, master="" if master is None else text_of(master).lower())


def parse_agent_expiry(data: Any, agent: str) -> int | None:
    """Return when a named agent ends, Unix ms, from extraAgents; None for one that is not listed.

    Raises: MalformedMessage.
    """
    with reading("extraAgents"):
        for row in data:
            if text_of(row["address"]).lower() == agent:
                return whole(row["validUntil"])
        return None


def parse_rate_limit(data: Any) -> tuple[int, int]:
    """Return how many actions an account may have used, and has. Raises: MalformedMessage."""
    with reading("userRateLimit"):
        bought = whole(data.get("nRequestsSurplus") or 0)
        return whole(data["nRequestsCap"]) + bought, whole(data["nRequestsUsed"])


def parse_found_order(data: Any, client_order_id: str) -> FoundOrder | None:
    """Return orderStatus' answer; None for its well-formed "unknownOid". Raises: MalformedMessage."""
    with reading("orderStatus"):
        if data["status"] == "unknownOid":
            return None
        if data["status"] != "order":
            raise ValueError(f"status {data['status']!r}")
        found = parse_order(data["order"])
        if found.report.client_order_id != client_order_id:
            raise ValueError("it names another order")
        return found


def parse_order(row: Row) -> FoundOrder:
    """Return one order with its status, as orderStatus and orderUpdates have it.

    How much of a cancelled IOC order `sz` still counts is not published: `is_certain` is False then.
    """
    with reading("order"):
        order, status = row["order"], text_of(row["status"])
        quantity, rest = number(order["origSz"]), number(order["sz"])
        if not 0 <= rest <= quantity:
            raise ValueError(f"{rest} left of {quantity}")
        state = codes.STATES.get(status)
        filled = quantity - rest if state is not None else ZERO
        if state is OrderState.FILLED and rest:
            state = OrderState.ENDED
        return FoundOrder(
            report=OrderReport(
                leg=Leg(text_of(order["coin"])),
                client_order_id=client_id_of(order.get("cloid")),
                order_id=str(whole(order["oid"])),
                state=state or _terminal_state(status),
                filled=filled,
                average_price=None,
                venue_time_ms=whole(row["statusTimestamp"]),
                reject_reason="" if status in codes.STATES else status,
                side=SIDES[order["side"]],
            ),
            quantity=quantity,
            rest=rest,
            placed_at_ms=whole(order["timestamp"]),
            status=status,
            is_certain=state is not None,
        )


def with_fills(found: FoundOrder, fills: tuple[Execution, ...]) -> OrderReport:
    """Return the report of an order that has ended, as its fills tell."""
    report = found.report
    own = [fill for fill in fills if fill.order_id == report.order_id]
    filled = sum((fill.quantity for fill in own), ZERO)
    if found.is_certain and filled != report.filled:
        return report  # the listing is cut off, or lags: the order's own row stands
    if not filled:
        return report
    worth = sum((CONTEXT.multiply(fill.quantity, fill.price) for fill in own), ZERO)
    complete = filled >= found.quantity
    return attrs.evolve(
        report,
        state=OrderState.FILLED if complete else OrderState.ENDED,
        filled=filled,
        average_price=CONTEXT.divide(worth, filled),
    )


def parse_fills(data: Any) -> tuple[Execution, ...]:
    """Return the fills of perps in a list of rows. Raises: MalformedMessage."""
    with reading("fills"):
        if not isinstance(data, list):
            raise TypeError(type(data).__name__)
        return tuple(_parse_fill(row) for row in data if is_followed(text_of(row["coin"])))


def is_followed(coin: str) -> bool:
    """Tell whether a coin is a perp of the first dex: spot is `@107` or `A/B`, builders' are `dex:A`."""
    return not (coin.startswith(("@", "#")) or "/" in coin or ":" in coin)


def cloid_of(client_order_id: str) -> str:
    """Return our id as the venue takes it."""
    return f"0x{client_order_id}"


def client_id_of(cloid: object) -> str:
    """Return the id in a cloid, "" where an order has none."""
    return "" if cloid is None else text_of(cloid).lower().removeprefix("0x")


def format_order(order: OrderRequest, *, asset: int, price: Decimal) -> dict[str, Any]:
    """Return the action of one IOC order, its keys in the order in which they are hashed."""
    return {
        "type": "order",
        "orders": [
            {
                "a": asset,
                "b": order.side is Side.BUY,
                "p": format_decimal(price),
                "s": format_decimal(order.quantity),
                "r": order.reduce_only,
                "t": {"limit": {"tif": "Ioc"}},
                "c": cloid_of(order.client_order_id),
            }
        ],
        "grouping": "na",
    }


def format_leverage(*, asset: int, is_cross: bool, leverage: int) -> dict[str, Any]:
    """Return the action that sets leverage and margin type, its keys in the order of the hash."""
    return {"type": "updateLeverage", "asset": asset, "isCross": is_cross, "leverage": leverage}


def parse_refusal(answer: Any) -> str | None:
    """Return why a whole action was refused, None when it was taken. Raises: MalformedMessage."""
    with reading("answer"):
        if answer["status"] == "err":
            return text_of(answer["response"])
        if answer["status"] != "ok":
            raise ValueError(f"status {answer['status']!r}")
        return None


def parse_order_answer(answer: Any, order: OrderRequest, *, venue_time_ms: int) -> OrderReport | str:
    """Return how one order fared, or the text that refuses it: "ok" is said of the action only.

    Raises: MalformedMessage, also when the answer names an order that is not ours.
    """
    with reading("order answer"):
        refusal = parse_refusal(answer)
        if refusal is not None:
            return refusal
        (status,) = answer["response"]["data"]["statuses"]
        if "error" in status:
            return text_of(status["error"])
        ((kind, details),) = status.items()
        if kind not in ("filled", "resting"):
            raise ValueError(f"order status {str(kind)[:40]!r}")
        if client_id_of(details.get("cloid")) not in ("", order.client_order_id):
            raise ValueError("it names another order")
        filled = positive(details["totalSz"]) if kind == "filled" else ZERO
        return OrderReport(
            leg=order.leg,
            client_order_id=order.client_order_id,
            order_id=str(whole(details["oid"])),
            state=_answered_state(kind, filled, order),
            filled=filled,
            average_price=positive(details["avgPx"]) if kind == "filled" else None,
            venue_time_ms=venue_time_ms,
        )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while words are read into MalformedMessage."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise MalformedMessage(f"{what}: {type(error).__name__}: {error}"[:400], exchange=EXCHANGE) from error


def number(text: object) -> Decimal:
    """Return a finite decimal of sane size; raises ValueError."""
    value = decimal_from_text(text)
    if value and abs(value.adjusted()) > EXPONENT_MAX:
        raise ValueError(f"out of any range: {str(text)[:60]}")
    return value


def positive(text: object) -> Decimal:
    """Return a decimal > 0; raises ValueError."""
    value = number(text)
    if value <= 0:
        raise ValueError(f"not positive: {text!r}")
    return value


def whole(value: object) -> int:
    """Return an integer >= 0 that is one; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or value not in INT64:
        raise ValueError(f"no integer: {str(value)[:60]!r}")
    return value


def text_of(value: object) -> str:
    """Return a text that is not empty; raises ValueError."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"no text: {str(value)[:60]!r}")
    return value


def _parse_position(coin: str, row: Row, time_ms: int) -> PositionReport:
    size = number(row["szi"])
    entry = row["entryPx"]
    return PositionReport(
        leg=Leg(coin),
        size=size,
        entry_price=None if entry is None else positive(entry),
        leverage=positive(row["leverage"]["value"]),
        initial_margin=number(row["marginUsed"]),
        mark_price=None,
        seq=-1,
        venue_time_ms=time_ms,
    )


def _parse_fill(row: Row) -> Execution:
    return Execution(
        # `tid` alone is neither unique nor always there: the venue keys a row by all of these.
        execution_id=":".join(str(row.get(key, "")) for key in ("hash", "oid", "tid", "time", "sz"))
        + f":{row.get('startPosition', '')}",
        symbol=text_of(row["coin"]),
        position_idx=0,
        side_sign=SIDES[row["side"]].sign,
        quantity=positive(row["sz"]),
        price=positive(row["px"]),
        closed_size=_closed_size(row),
        order_id=str(whole(row["oid"])),
        client_order_id=client_id_of(row.get("cloid")),
        seq=-1,
        venue_time_ms=whole(row["time"]),
    )


def _closed_size(row: Row) -> Decimal | None:
    """Return how much of a position a fill closed: what it moved against where it stood."""
    if row.get("startPosition") is None:
        return None
    before = number(row["startPosition"])
    against = before * SIDES[row["side"]].sign < 0
    return min(abs(before), positive(row["sz"])) if against else ZERO


def _terminal_state(status: str) -> OrderState:
    rejected = status.endswith(codes.REJECTED_SUFFIX) and status != codes.UNMATCHED
    return OrderState.REJECTED if rejected else OrderState.ENDED


def _answered_state(kind: str, filled: Decimal, order: OrderRequest) -> OrderState:
    if kind == "resting":
        return OrderState.ACCEPTED
    return OrderState.FILLED if filled >= order.quantity else OrderState.ENDED


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
