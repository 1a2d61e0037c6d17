"""The venue's words, as recorded and as garbage."""

import contextlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.errors import MalformedMessage
from exchanges.hyperliquid import wire
from exchanges.hyperliquid.catalogue import parse_catalogue, parse_mark, parse_marks
from exchanges.hyperliquid.market import market_bound
from exchanges.hyperliquid.marks import parse_mark_frame
from exchanges.hyperliquid.wire import Collateral, SpotBalance, State
from model.account import Execution
from model.amounts import ZERO
from model.instrument import Instrument, InstrumentStatus
from model.leg import Leg, Side
from model.order import OrderReport, OrderRequest, OrderState
from tests.exchanges.hyperliquid.recordings import recorded

ORDER = OrderRequest(
    client_order_id="ab" * 16,
    leg=Leg("ETH"),
    side=Side.BUY,
    quantity=Decimal("0.02"),
    price=Decimal("1900"),
    reduce_only=False,
)


def parse_answer(answer: Any, order: OrderRequest = ORDER) -> OrderReport | str:
    """Return the report in an answer."""
    return wire.parse_order_answer(answer, order, venue_time_ms=1)


# Recordings


def test_a_recorded_state_tells_every_position_and_both_summaries() -> None:
    state = wire.parse_state(recorded("epigone_clearinghouse_state_whale.json"))

    sizes = {symbol: row.size for symbol, row in state.positions.items()}
    assert sizes == {
        "ETH": Decimal(-1500),
        "SOL": Decimal("61818.9"),
        "AAVE": Decimal("1026.28"),
        "NEAR": Decimal(188887),
        "JTO": Decimal(250000),
        "HYPE": Decimal("-9010.55"),
    }
    assert state.positions["ETH"].entry_price == Decimal("1677.9")
    assert state.positions["ETH"].initial_margin == Decimal("131257.5")
    assert state.positions["ETH"].leverage == Decimal(20)
    assert state.account_value == Decimal("1379146.572229")
    assert all(state.cross.values())


def test_a_recorded_accounts_balance_is_its_value_without_unrealised_profit() -> None:
    data = recorded("epigone_clearinghouse_state_whale.json")
    state = wire.parse_state(data)

    wallet = wire.wallet_of(state, Collateral.PERP, None)

    unrealised = sum(Decimal(row["position"]["unrealizedPnl"]) for row in data["assetPositions"])
    assert wallet.wallet_balance == Decimal("1379146.572229") - unrealised
    assert wallet.equity == Decimal("1379146.572229")
    assert wallet.available == Decimal("1379146.572229") - Decimal("572267.5193620001")


def test_a_recorded_universe_is_a_catalogue() -> None:
    meta = recorded("roq_testnet_meta_full.json")
    contexts = [{"markPx": "100"} for _ in meta["universe"]]

    catalogue = parse_catalogue([meta, contexts])

    assert len(catalogue.assets) == len(meta["universe"])
    bitcoin = catalogue.assets["BTC"]
    assert (bitcoin.index, bitcoin.instrument.lot_size) == (3, Decimal("0.00001"))
    assert (bitcoin.instrument.price_digits, bitcoin.instrument.price_decimals) == (5, 1)
    assert bitcoin.instrument.max_leverage == Decimal(40)
    assert catalogue.assets["ETH"].index == 4
    assert catalogue.assets["kPEPE"].instrument.lot_size == Decimal(1)
    assert catalogue.assets["MATIC"].instrument.status is InstrumentStatus.CLOSED
    assert not catalogue.assets["ZRO"].cross_allowed
    for asset in catalogue.assets.values():
        tiers = asset.instrument.tiers
        assert tiers
        assert [tier.notional_max for tier in tiers] == sorted(tier.notional_max for tier in tiers)
        assert all(tier.leverage_max <= asset.instrument.max_leverage for tier in tiers)


def test_documented_universes_leave_builders_out() -> None:
    for example in recorded("gitbook_perpetuals_examples.json"):
        data = example["json"]
        if isinstance(data, list) and len(data) == 2 and isinstance(data[0], dict) and "universe" in data[0]:
            catalogue = parse_catalogue(data)
            names = {row["name"] for row in data[0]["universe"]}
            assert set(catalogue.assets) == {name for name in names if ":" not in name}
            assert not any(":" in symbol for symbol in catalogue.assets)


ACKNOWLEDGED = {
    "success_created": OrderState.ACCEPTED,
    "success_filled": OrderState.FILLED,
    "failure_price": "95% away",
    "failure_quantity": "minimum value of $10",
    "ioc_failed": "could not immediately match",
    "insufficient_margin": "Insufficient margin",
    "general_failure": "does not exist",
}


def test_recorded_answers_to_orders_are_reports_or_refusing_texts() -> None:
    examples = recorded("roq_json_create_order_ack.json")

    assert {example["case"] for example in examples} == set(ACKNOWLEDGED)
    for example in examples:
        expected = ACKNOWLEDGED[example["case"]]
        order = attrs.evolve(ORDER, client_order_id=_cloid_in(example["message"]) or ORDER.client_order_id)
        found = parse_answer(example["message"], order)
        if isinstance(expected, str):
            assert isinstance(found, str)
            assert expected in found
        else:
            assert isinstance(found, OrderReport)
            assert found.order_id.isdigit()
            # The filled order was 0.01 of our 0.02: that is the end of an IOC order all the same.
            assert found.state is (OrderState.ENDED if found.filled == Decimal("0.01") else expected)


def _cloid_in(message: Any) -> str:
    text = json.dumps(message)
    return text.partition('"cloid": "0x')[2][:32]


def test_recorded_order_updates_are_orders() -> None:
    found = {
        example["case"]: [wire.parse_order(row) for row in example["message"]["data"]]
        for example in recorded("roq_json_order_updates.json")
    }

    states = {case: [order.report.state for order in orders] for case, orders in found.items()}
    assert states == {
        "create_resting": [OrderState.ACCEPTED],
        "create_failure_min_notional": [OrderState.REJECTED],
        "create_failure_": [OrderState.REJECTED],
        "create_filled": [OrderState.ACCEPTED, OrderState.FILLED],
        "cancel": [OrderState.ENDED],
    }
    filled = found["create_filled"][1]
    assert filled.report.client_order_id == "000300511b45504e0000010000000054"
    assert (filled.report.filled, filled.is_certain) == (Decimal("0.01"), True)
    assert not found["cancel"][0].is_certain


@pytest.mark.parametrize("name", ["roq_json_user_fills.json", "pysdk_test_get_user_fills.json"])
def test_recorded_fills_are_executions_of_the_first_dex_with_ids_of_their_own(name: str) -> None:
    rows = [row for part in recorded(name) for row in _fill_rows(part)]

    fills = wire.parse_fills(rows)

    assert fills
    assert all(":" not in fill.symbol and "@" not in fill.symbol for fill in fills)
    followed = [row for row in rows if wire.is_followed(row["coin"])]
    assert [fill.quantity for fill in fills] == [Decimal(row["sz"]) for row in followed]
    assert len({fill.execution_id for fill in fills}) == len({json.dumps(row) for row in followed})


def _fill_rows(part: Any) -> list[Any]:
    rows: list[Any] = part["response"] if "response" in part else part["message"]["data"]["fills"]
    return rows


def test_a_recorded_role_and_rate_limit_are_read() -> None:
    assert wire.parse_role(recorded("pysdk_test_user_role.json")[0]["response"]).name == "vault"

    cap, used = wire.parse_rate_limit(recorded("pysdk_test_user_rate_limit.json")[0]["response"])
    assert (cap, used) == (170043731737, 36589831368)


# Rules


def universe_of(size_decimals: int, mark: str) -> Instrument:
    """Return the one asset of a universe."""
    meta = {"universe": [{"name": "ANY", "szDecimals": size_decimals, "maxLeverage": 3}]}
    return parse_catalogue([meta, [{"markPx": mark}]]).assets["ANY"].instrument


def test_the_largest_order_is_a_lot_at_least() -> None:
    """None would be no maximum."""
    assert universe_of(0, "400010").max_quantity == 1
    assert universe_of(0, "40").max_quantity == 10_000


@pytest.mark.parametrize(
    ("mark", "side", "expected"),
    [
        ("0.0100", Side.BUY, "0.011"),
        ("0.0002", Side.BUY, "0.0003"),
        ("0.0001", Side.BUY, "0.0001"),
        ("0.0002", Side.SELL, "0.0001"),
        ("0.0001", Side.SELL, "0.0001"),
    ],
)
def test_a_market_order_of_a_coarse_price_is_not_refused_for_it(mark: str, side: Side, expected: str) -> None:
    """A step may be as much as the price: twice the mark would be refused for ever."""
    assert market_bound(Decimal(mark), side, universe_of(2, mark)) == Decimal(expected)


def position(coin: str = "BTC", size: str = "1", pnl: str = "0", used: str = "10") -> dict[str, Any]:
    """Return a row of a state."""
    return {
        "type": "oneWay",
        "position": {
            "coin": coin,
            "szi": size,
            "entryPx": "100",
            "unrealizedPnl": pnl,
            "marginUsed": used,
            "leverage": {"type": "cross", "value": 10},
        },
    }


def make_state(*rows: dict[str, Any], value: str = "1000") -> State:
    """Return a state."""
    summary = {"accountValue": value, "totalMarginUsed": "10"}
    return wire.parse_state(
        {"marginSummary": summary, "crossMarginSummary": summary, "assetPositions": list(rows), "time": 1}
    )


@pytest.mark.parametrize(
    ("pnl", "balance", "equity"), [("50", "950", "1000"), ("-50", "1000", "950"), ("0", "1000", "1000")]
)
def test_one_balance_for_all_is_read_so_that_either_meaning_of_total_is_safe(
    pnl: str, balance: str, equity: str
) -> None:
    """With profit in `total` the equity is 1000; without, 1000 + pnl: never more than the smaller."""
    state = make_state(position(pnl=pnl), value="0.0")

    wallet = wire.wallet_of(state, Collateral.SPOT, SpotBalance(total=Decimal(1000), hold=Decimal(5)))

    assert (wallet.wallet_balance, wallet.equity) == (Decimal(balance), Decimal(equity))
    assert wallet.available == Decimal(985)


def test_an_unknown_mode_has_no_equity_that_we_could_size_from() -> None:
    assert wire.parse_collateral("somethingNew") is Collateral.UNKNOWN
    assert wire.parse_collateral("dexAbstraction") is Collateral.UNKNOWN
    wallet = wire.wallet_of(make_state(), Collateral.UNKNOWN, None)
    assert (wallet.wallet_balance, wallet.equity, wallet.available) == (None, None, None)


@pytest.mark.parametrize("mode", ["disabled", "default"])
def test_a_standard_account_has_its_equity_in_perps(mode: str) -> None:
    assert wire.parse_collateral(mode) is Collateral.PERP


@pytest.mark.parametrize("mode", ["unifiedAccount", "portfolioMargin"])
def test_a_unified_account_has_its_equity_in_spot(mode: str) -> None:
    assert wire.parse_collateral(mode) is Collateral.SPOT


def test_an_account_without_usdc_has_none() -> None:
    balances = [{"coin": "HYPE", "token": 150, "total": "5", "hold": "0"}]
    assert wire.parse_spot({"balances": balances}) == SpotBalance(total=ZERO, hold=ZERO)


def test_builders_positions_count_as_margin_and_are_not_followed() -> None:
    state = make_state(position(), position("xyz:TSLA", used="7"))

    assert set(state.positions) == {"BTC"}
    assert state.margin_used == Decimal(17)


@pytest.mark.parametrize(
    "row",
    [
        position() | {"type": "hedge"},
        position(size="NaN"),
        position(size=""),
        position(coin=""),
        {"type": "oneWay", "position": {**position()["position"], "leverage": {"type": "odd", "value": 3}}},
    ],
)
def test_a_state_with_one_odd_row_is_no_state(row: dict[str, Any]) -> None:
    """A position that is left out would be taken for flat."""
    with pytest.raises(MalformedMessage):
        make_state(position("ETH"), row)


def test_two_rows_of_a_coin_are_no_state() -> None:
    with pytest.raises(MalformedMessage):
        make_state(position(), position())


def test_an_answer_that_names_another_order_is_no_answer() -> None:
    status = {"resting": {"oid": 1, "cloid": "0x" + "cd" * 16}}
    with pytest.raises(MalformedMessage):
        parse_answer({"status": "ok", "response": {"data": {"statuses": [status]}}})


def test_not_found_is_only_what_the_venue_calls_so() -> None:
    assert wire.parse_found_order({"status": "unknownOid"}, "ab" * 16) is None
    answers: tuple[Any, ...] = (None, {}, [], {"status": "missing"}, "unknownOid", {"status": "order"})
    for answer in answers:
        with pytest.raises(MalformedMessage):
            wire.parse_found_order(answer, "ab" * 16)


@pytest.mark.parametrize(
    ("side", "start", "size", "closed"),
    [
        ("B", "0.0", "2", "0"),
        ("B", "5", "2", "0"),
        ("A", "5", "2", "2"),
        ("A", "5", "8", "5"),
        ("B", "-3", "8", "3"),
        ("B", None, "8", None),
    ],
)
def test_what_a_fill_closed_is_what_it_moved_against_the_position(
    side: str, start: str | None, size: str, closed: str | None
) -> None:
    row = {"coin": "BTC", "side": side, "sz": size, "px": "1", "time": 1, "oid": 1, "startPosition": start}

    (fill,) = wire.parse_fills([row])

    assert fill.closed_size == (None if closed is None else Decimal(closed))


def test_fills_that_disagree_with_a_filled_order_do_not_shrink_it() -> None:
    row = {"coin": "BTC", "side": "B", "oid": 7, "cloid": None, "sz": "0.0", "origSz": "2", "timestamp": 1}
    found = wire.parse_order({"order": row, "status": "filled", "statusTimestamp": 2})
    (fill,) = wire.parse_fills(
        [{"coin": "BTC", "side": "B", "sz": "1", "px": "9", "time": 1, "oid": 7, "startPosition": "0"}]
    )

    assert wire.with_fills(found, (fill,)).filled == Decimal(2)
    assert wire.with_fills(found, (fill, fill)).average_price == Decimal(9)
    assert wire.with_fills(found, (attrs.evolve(fill, order_id="8"),)).filled == Decimal(2)


def test_marks_that_are_missing_are_not_there() -> None:
    meta = {"universe": [{"name": "A"}, {"name": "B"}, {"name": "C"}]}

    assert parse_marks([meta, [{"markPx": "5"}, {"markPx": None}]]) == {"A": Decimal(5)}
    with pytest.raises(MalformedMessage):
        parse_marks([{"universe": []}, [{"markPx": "5"}]])


# Garbage

few = settings(max_examples=20, deadline=None)

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["NaN", "1e9999", "-0", "0x", "ok", "order", "unknownOid", "BTC", "B", "filled", "1.5"])
)
garbage = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6)
            | st.sampled_from(
                [
                    "status",
                    "response",
                    "order",
                    "data",
                    "statuses",
                    "coin",
                    "universe",
                    "name",
                    "role",
                    "time",
                    "assetPositions",
                    "position",
                    "balances",
                    "leverage",
                    "markPx",
                    "filled",
                    "channel",
                    "user",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)

GOOD: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "state": (
        wire.parse_state,
        {
            "marginSummary": {"accountValue": "1"},
            "crossMarginSummary": {"accountValue": "1", "totalMarginUsed": "1"},
            "assetPositions": [position()],
            "time": 5,
        },
    ),
    "spot": (wire.parse_spot, {"balances": [{"coin": "USDC", "token": 0, "total": "1", "hold": "0"}]}),
    "mode": (wire.parse_collateral, "default"),
    "setting": (wire.parse_setting, {"leverage": {"type": "cross", "value": 3}}),
    "role": (wire.parse_role, {"role": "agent", "data": {"user": "0x1"}}),
    "limit": (wire.parse_rate_limit, {"nRequestsCap": 5, "nRequestsUsed": 4, "nRequestsSurplus": 0}),
    "answer": (
        parse_answer,
        {"status": "ok", "response": {"data": {"statuses": [{"resting": {"oid": 5}}]}}},
    ),
    "order": (
        wire.parse_order,
        {
            "order": {"coin": "A", "side": "B", "oid": 7, "sz": "0", "origSz": "2", "timestamp": 1},
            "status": "filled",
            "statusTimestamp": 2,
        },
    ),
    "found": (lambda data: wire.parse_found_order(data, "ab" * 16), {"status": "unknownOid"}),
    "fills": (
        wire.parse_fills,
        [{"coin": "A", "side": "B", "sz": "1", "px": "9", "time": 1, "oid": 7, "startPosition": "0"}],
    ),
    "catalogue": (
        parse_catalogue,
        [
            {
                "universe": [{"name": "A", "szDecimals": 2, "maxLeverage": 5, "marginTableId": 51}],
                "marginTables": [[51, {"marginTiers": [{"lowerBound": "0", "maxLeverage": 5}]}]],
            },
            [{"markPx": "1"}],
        ],
    ),
    "mark": (parse_mark, {"markPx": "1"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_garbage_is_made_from_is_good(name: str) -> None:
    parse, good = GOOD[name]
    parse(good)


@pytest.mark.parametrize("name", GOOD)
@few
@given(data=garbage)
def test_any_json_is_read_or_malformed_and_nothing_else(name: str, data: Any) -> None:
    parse, _ = GOOD[name]
    with contextlib.suppress(MalformedMessage):
        parse(data)


@pytest.mark.parametrize("name", GOOD)
@few
@given(data=st.data())
def test_a_good_message_with_one_part_replaced_is_read_or_malformed(name: str, data: st.DataObject) -> None:
    parse, good = GOOD[name]
    with contextlib.suppress(MalformedMessage):
        parse(_spoiled(good, data))


def _spoiled(good: Any, data: st.DataObject) -> Any:
    """Return a copy with one part replaced by garbage."""
    if isinstance(good, dict) and good and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(good)))
        return {**good, key: _spoiled(good[key], data)}
    if isinstance(good, list) and good and data.draw(st.integers(0, 9)):
        return [_spoiled(good[0], data), *good[1:]]
    return data.draw(garbage)


@few
@given(st.text() | st.binary())
def test_any_text_is_json_or_malformed(text: str | bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        wire.load(text)
    if isinstance(text, str):
        assert parse_mark_frame(text) is None


@pytest.mark.parametrize("text", ["NaN", "Infinity", "[" * 100_000, '{"a": 1e999999999}', "", "\ud800"])
def test_absurd_json_is_malformed_or_harmless(text: str) -> None:
    with contextlib.suppress(MalformedMessage):
        assert wire.load(text) is not None


def test_a_fill_keeps_our_id() -> None:
    row = {"coin": "A", "side": "A", "sz": "1", "px": "9", "time": 1, "oid": 7, "startPosition": "0"}

    (fill,) = wire.parse_fills([row | {"cloid": "0x" + "AB" * 16}])

    assert isinstance(fill, Execution)
    assert (fill.client_order_id, fill.side_sign) == ("ab" * 16, -1)
