"""Every published code has a verdict, by what was asked; an unknown one leaves an order unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.bybit.codes import Asked, Verdict, failure, http_failure, meaning_of
from exchanges.errors import (
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestNotSent,
    RequestRejected,
)

RETRY = {10002}
RATE = {10006, 10403, 20003, 170005}
ASK = {10000, 10016, 10019, 429, 10429, 500000, 170001, 170007, 170032}
AUTH = {10003, 10004, 10005, 10007, 10008, 10009, 10010, 33004, -2015}
AUTH |= {10024, 10027, 10028, 100028, 110067, 110088, 110123, 110124, 110125, 110132}
DUPLICATE = {10014, 20006, 110030, 110072, 170141}
PARAMETER = {10017, 10404, 110092, 110093, 110108, 110109, 181017}
PRICE = {110003, 110120, 110121, 30208, 30209}
MARGIN = {110004, 110006, 110007, 110012, 110014, 110044, 110045, 110051, 110052, 110053}
MARGIN |= {110011, 110040, 110046, 170131}
LEVERAGE = {110013, 110036, 110038, 110077, 110085, 110086, 110089, 110090, 3400139}
SYMBOL = {10029, 110023, 110042, 30228, 110074, 110066, 110063}
MODE = {110024, 110028, 110029}
OTHER = {110005, 110009, 110020, 110061, 110021, 110022}
SAME = {110025, 110026, 110027, 110043, 34040, 20001}
OVER = {110001, 110008, 110010, 110079, 170213}
REFUSED = {
    Refusal.AUTH: AUTH,
    Refusal.DUPLICATE_ID: DUPLICATE,
    Refusal.PARAMETER: PARAMETER,
    Refusal.PRICE: PRICE,
    Refusal.MARGIN: MARGIN,
    Refusal.LEVERAGE: LEVERAGE,
    Refusal.REDUCE_ONLY: {110017},
    Refusal.SYMBOL: SYMBOL,
    Refusal.POSITION_MODE: MODE,
    Refusal.MIN_SIZE: {110094, 170136, 170140},
    Refusal.LIQUIDITY: {110118},
    Refusal.OTHER: OTHER,
}
PUBLISHED = {0, 10001, *RETRY, *RATE, *ASK, *SAME, *OVER, *(c for codes in REFUSED.values() for c in codes)}


def outcome(code: int, asked: Asked = Asked.ORDER, text: str = "said") -> ExchangeError:
    failed = failure(code, text, asked)
    assert failed is not None
    assert (failed.exchange, failed.code) == ("bybit", str(code))
    return failed


@pytest.mark.parametrize(("refusal", "code"), [(r, c) for r, codes in REFUSED.items() for c in codes])
def test_refusals_of_orders(refusal: Refusal, code: int) -> None:
    failed = outcome(code)

    assert type(failed) is RequestRejected
    assert failed.refusal is refusal


@pytest.mark.parametrize("code", sorted(ASK | SAME | OVER))
def test_codes_that_do_not_say_what_became_of_an_order(code: int) -> None:
    assert type(outcome(code)) is OutcomeUnknown


@pytest.mark.parametrize("code", sorted(RATE))
def test_rate_limits_say_how_long_to_wait(code: int) -> None:
    failed = failure(code, "", Asked.ORDER, retry_after_s=0.25)

    assert type(failed) is RateLimited
    assert failed.retry_after_s == 0.25


def test_a_request_outside_its_window_was_not_taken() -> None:
    assert type(outcome(10002)) is RequestNotSent


@pytest.mark.parametrize("code", sorted(SAME | {0}))
def test_a_setting_that_is_so_already_is_success(code: int) -> None:
    assert failure(code, "", Asked.SETTING) is None


def test_success_is_one_code_only() -> None:
    assert [code for code in PUBLISHED if failure(code, "", Asked.ORDER) is None] == [0]
    assert [code for code in PUBLISHED if failure(code, "", Asked.READ) is None] == [0]


@pytest.mark.parametrize("asked", list(Asked))
def test_no_published_code_is_unknown_by_oversight(asked: Asked) -> None:
    unknown = {code for code in PUBLISHED if meaning_of(code, asked) is Verdict.UNKNOWN}

    assert unknown <= ASK | (SAME | OVER if asked is Asked.ORDER else set())


@given(st.integers(), st.sampled_from(Asked), st.text())
def test_an_unpublished_code_is_neither_success_nor_refusal(code: int, asked: Asked, text: str) -> None:
    if code not in PUBLISHED:
        assert type(outcome(code, asked, text)) is OutcomeUnknown


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("position idx not match position mode", Refusal.POSITION_MODE),
        ("params error: position_mode invalid", Refusal.POSITION_MODE),
        ("The number of contracts exceeds minimum limit allowed", Refusal.MIN_SIZE),
        ("The number of contracts exceeds maximum limit allowed: too large", Refusal.MAX_SIZE),
        ("Not supported symbols", Refusal.SYMBOL),
        ("params error: side invalid", Refusal.PARAMETER),
        ("order link id is longer than 36", Refusal.PARAMETER),
        ("", Refusal.PARAMETER),
    ],
)
def test_10001_is_told_by_its_text(text: str, refusal: Refusal) -> None:
    failed = outcome(10001, text=text)

    assert isinstance(failed, RequestRejected)
    assert failed.refusal is refusal


def test_the_echoed_key_is_not_repeated() -> None:
    failed = outcome(10004, text="error sign! origin_string[1700000000000SECRETKEY5000a[b]=c]")

    assert "SECRETKEY" not in str(failed)
    assert "error sign!" in str(failed)


@pytest.mark.parametrize(
    ("status", "of_order", "of_read"),
    [
        (403, RateLimited, RateLimited),
        (429, OutcomeUnknown, RateLimited),
        (401, RequestRejected, RequestRejected),
        (404, RequestRejected, RequestRejected),
        (302, OutcomeUnknown, OutcomeUnknown),
        (500, OutcomeUnknown, OutcomeUnknown),
        (502, OutcomeUnknown, OutcomeUnknown),
        (503, OutcomeUnknown, OutcomeUnknown),
    ],
)
def test_http_statuses(status: int, of_order: type, of_read: type) -> None:
    assert type(http_failure(status, Asked.ORDER)) is of_order
    assert type(http_failure(status, Asked.READ)) is of_read
    assert http_failure(200, Asked.ORDER) is None
