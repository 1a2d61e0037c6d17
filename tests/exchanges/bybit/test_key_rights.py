"""What a key may do, as Bybit tells it, and against the sandbox's own answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from exchanges.bybit.account import SNAPSHOT_REQUESTS
from exchanges.bybit.key_rights import ACCOUNT_PATH, KEY_PATH, parse_key
from exchanges.bybit.rest import Answer
from exchanges.errors import MalformedMessage, OutcomeUnknown, Refusal, RequestRejected
from model.key_check import KeyReport, MarginMode
from tests.exchanges.bybit import samples
from tests.exchanges.bybit.scripted import Scripted, no, ok

INFO = {"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 5, "updatedTime": "1697078946000"}


def make_permissions(**changes: Any) -> dict[str, Any]:
    return {
        "ContractTrade": ["Order", "Position"],
        "Spot": ["SpotTrade"],
        "Wallet": [],
        "Options": ["OptionsTrade"],
        "Derivatives": ["DerivativesTrade"],
        "Exchange": ["ExchangeHistory"],
        "Earn": ["Earn"],
        **changes,
    }


def make_key(**changes: Any) -> dict[str, Any]:
    return {
        "id": "13770661",
        "note": "copy",
        "apiKey": "XXXXXX",
        "readOnly": 0,
        "secret": "",
        "permissions": make_permissions(),
        "ips": ["203.0.113.7"],
        "type": 1,
        "deadlineDay": -2,
        "expiredAt": "1970-01-01T00:00:00Z",
        "uta": 1,
        "isMaster": True,
        **changes,
    }


def parse(key: Any = None, info: Any = None) -> KeyReport:
    told = make_key() if key is None else key
    return parse_key(
        Answer(result=told, venue_time_ms=1), Answer(result=INFO if info is None else info, venue_time_ms=1)
    )


def test_a_key_that_only_trades() -> None:
    report = parse()

    assert report == KeyReport(
        is_read_only=False,
        may_trade=True,
        may_withdraw=False,
        may_transfer=False,
        is_ip_bound=True,
        expires_at_ms=None,
        is_unified=True,
        margin_mode=MarginMode.CROSS,
    )


@pytest.mark.parametrize(
    ("permissions", "withdraw", "transfer"),
    [
        (make_permissions(Wallet=["AccountTransfer", "SubMemberTransfer", "Withdraw"]), True, True),
        (make_permissions(Wallet=["Withdraw"]), True, False),
        (make_permissions(Wallet=["AccountTransfer"]), False, True),
        (make_permissions(Wallet=["SomethingNew"]), False, True),
        (make_permissions(Wallet=["SubMemberTransferList"]), False, False),
        (make_permissions(FiatP2P=["FiatP2POrder"]), False, True),
        (make_permissions(Novel=["FastWithdrawal"]), True, False),
        (make_permissions(Novel=["UniversalTransfer"]), False, True),
        ({"ContractTrade": ["Order", "Position"]}, None, None),
        (make_permissions(Wallet=None), None, None),
        (make_permissions(Wallet="Withdraw"), None, None),
        (make_permissions(Wallet=[7]), None, None),
        (make_permissions(Novel={"Withdraw": 1}), None, None),
        ([], None, None),
        (None, None, None),
    ],
)
def test_rights_over_money_are_seen_wherever_they_stand(
    permissions: Any, withdraw: bool | None, transfer: bool | None
) -> None:
    report = parse(make_key(permissions=permissions))

    assert (report.may_withdraw, report.may_transfer) == (withdraw, transfer)


@pytest.mark.parametrize(
    ("changes", "may_trade"),
    [
        ({"readOnly": 1}, False),
        ({"readOnly": 2}, False),
        ({"permissions": make_permissions(ContractTrade=["Order"])}, False),
        ({"permissions": make_permissions(ContractTrade=[])}, False),
        ({"permissions": {"Wallet": []}}, False),
    ],
)
def test_a_key_that_may_not_trade(changes: dict[str, Any], may_trade: bool) -> None:
    assert parse(make_key(**changes)).may_trade is may_trade


@pytest.mark.parametrize(
    ("ips", "bound"),
    [
        (["*"], False),
        ([], False),
        (["10.0.0.1", "*"], False),
        (["0.0.0.0/0"], False),
        (None, None),
        ([1], None),
    ],
)
def test_a_key_that_works_from_everywhere(ips: Any, bound: bool | None) -> None:
    assert parse(make_key(ips=ips)).is_ip_bound is bound


@pytest.mark.parametrize(
    ("text", "expires_at_ms"),
    [
        ("2023-05-15T03:21:05Z", 1_684_120_865_000),
        ("1970-01-01T00:00:00Z", None),
        ("", None),
        ("soon", None),
        (None, None),
        ("2023-05-15", None),
    ],
)
def test_when_a_key_ends(text: Any, expires_at_ms: int | None) -> None:
    assert parse(make_key(expiredAt=text)).expires_at_ms == expires_at_ms


@pytest.mark.parametrize(("status", "unified"), [(1, False), (3, True), (6, True), (7, None), (2, None)])
def test_which_kind_of_account_it_is(status: int, unified: bool | None) -> None:
    assert parse(info={**INFO, "unifiedMarginStatus": status}).is_unified is unified


@pytest.mark.parametrize(
    ("word", "mode", "unknown"),
    [
        ("ISOLATED_MARGIN", MarginMode.ISOLATED, ""),
        ("PORTFOLIO_MARGIN", MarginMode.PORTFOLIO, "portfolio margin"),
        ("NOVEL", None, ""),
    ],
)
def test_how_positions_are_backed(word: str, mode: MarginMode | None, unknown: str) -> None:
    report = parse(info={**INFO, "marginMode": word})

    assert (report.margin_mode, report.unknown_equity) == (mode, unknown)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(make_key(), JSON)), st.dictionaries(st.text(), JSON))
def test_garbage_is_malformed_or_unknown_and_never_harmless(key: Any, info: Any) -> None:
    try:
        report = parse(key, {**INFO, **info})
    except MalformedMessage:
        return

    assert report.may_withdraw is not False or "Wallet" in key["permissions"]


async def test_both_questions_are_asked_and_signed(autojump_clock: MockClock) -> None:
    bybit = Scripted(rest={KEY_PATH: [ok(make_key(ips=["*"]))], ACCOUNT_PATH: [ok(INFO)]})
    async with bybit.account() as account:
        report = await account.check_key()

    assert (report.may_withdraw, report.is_ip_bound) == (False, False)
    for path in (KEY_PATH, ACCOUNT_PATH):
        (request,) = bybit.asked(path)
        assert request.headers["x-bapi-sign"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (no(10003, "API key is invalid."), RequestRejected),
        (no(10010, "Unmatched IP, please check your API key's bound IP addresses."), RequestRejected),
        ((503, {}, b""), OutcomeUnknown),
        (ok({"readOnly": 0}), None),
        ((200, {}, b"<html>"), MalformedMessage),
    ],
)
async def test_what_stands_in_the_way_of_asking(
    autojump_clock: MockClock, reply: Any, kind: type[Exception] | None
) -> None:
    bybit = Scripted(rest={KEY_PATH: [reply], ACCOUNT_PATH: [ok(INFO)]})
    async with bybit.account() as account:
        if kind is None:
            assert (await account.check_key()).may_withdraw is None
            return
        with pytest.raises(kind) as failed:
            await account.check_key()

    if isinstance(failed.value, RequestRejected):
        assert failed.value.refusal is Refusal.AUTH


async def test_a_snapshot_costs_what_it_is_planned_with(autojump_clock: MockClock) -> None:
    rows = {"list": [samples.position()], "nextPageCursor": "", "category": "linear"}
    wallet = {"list": [samples.wallet()]}
    bybit = Scripted(rest={"/v5/position/list": [ok(rows)], "/v5/account/wallet-balance": [ok(wallet)]})
    async with bybit.account() as account:
        await account.snapshot()

    assert len(bybit.http.asked) == SNAPSHOT_REQUESTS
