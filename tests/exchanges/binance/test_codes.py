"""Every documented code decides something, and nothing undocumented is taken for an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.binance.codes import CODES, failure, is_clock, is_mode, stops_address
from exchanges.errors import (
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestNotSent,
    RequestRejected,
)

REFUSED = {
    Refusal.AUTH: [-2014, -2015, -1002, -1022, -2017, -4056, -4057, -1099, -1011],
    Refusal.OTHER: [
        *(-4088, -4087, -4189, -4192, -4400, -4401, -4402, -4109, -2023, -1109),
        *(-4067, -4068, -4531, -4047, -4048, -4049, -4167, -4168, -4169, -4170, -4172),
        *(-5041, -2025, -4045, -1125),
    ],
    Refusal.SYMBOL: [-1121, -1122, -4140, -4141, -4105, -4106, -4107, -2016, -4411],
    Refusal.MARGIN: [-2019, -2018, -4050, -4051],
    Refusal.LEVERAGE: [-2027, -2028, -4028, -4161, -4202, -4203, -4205, -4206, -4208, -4209, -4403],
    Refusal.MIN_SIZE: [-4003, -4004, -4164, -5029],
    Refusal.MAX_SIZE: [-4005],
    Refusal.PRICE: [-4001, -4002, -4013, -4014, -4016, -4024, -4183, -4184, -2021],
    Refusal.REDUCE_ONLY: [-2022, -4118, -4062, -2026, -5047, -2024],
    Refusal.DUPLICATE_ID: [-4116],
    Refusal.POSITION_MODE: [-4061, -4060],
    Refusal.NOT_FOUND: [-2013, -2011],
    Refusal.LIQUIDITY: [-2020, -5021, -5022, -4131],
    Refusal.PARAMETER: [
        *(-1111, -4023, -4015, -4120, -4104, -4144),
        *(-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1115, -1116, -1117, -1128, -1130, -1136),
    ],
}
NOT_TAKEN = [-1008, -1016, -1021, -5028]
RATES = [-1003, -1015]
ALREADY_SO = [-4046, -4059, -4171]
UNKNOWN = [-1000, -1001, -1006, -1007]
DOCUMENTED = {*(code for codes in REFUSED.values() for code in codes)}
DOCUMENTED |= {*NOT_TAKEN, *RATES, *ALREADY_SO, *UNKNOWN}


def judge(code: int | None, text: str = "no text", status: int = 400, **more) -> ExchangeError | None:
    return failure(code, text, status=status, **more)


def test_the_table_is_the_documented_one() -> None:
    assert set(CODES) == DOCUMENTED


@pytest.mark.parametrize(("refusal", "codes"), REFUSED.items(), ids=lambda it: str(getattr(it, "value", "")))
def test_refusals(refusal: Refusal, codes: list[int]) -> None:
    for code in codes:
        error = judge(code)
        assert isinstance(error, RequestRejected), code
        assert (error.refusal, error.code) == (refusal, str(code))


def test_what_was_certainly_not_acted_on_may_be_sent_again() -> None:
    for code in NOT_TAKEN:
        assert type(judge(code)) is RequestNotSent


def test_what_was_so_already_is_success() -> None:
    for code in ALREADY_SO:
        assert judge(code) is None
    assert judge(-4028, "Leverage 10 already exist") is None


@pytest.mark.parametrize("code", UNKNOWN)
@pytest.mark.parametrize("status", [200, 400, 408, 500, 503])
def test_what_the_venue_does_not_know_is_unknown(code: int, status: int) -> None:
    assert type(judge(code, "Timeout waiting for response.", status)) is OutcomeUnknown


@given(
    code=st.integers(-99_999, 99_999).filter(lambda code: code not in DOCUMENTED), status=st.integers(0, 599)
)
def test_a_code_that_no_table_has_never_decides(code: int, status: int) -> None:
    error = judge(code, "?", status)

    assert type(error) is (RateLimited if status in (403, 418, 429) else OutcomeUnknown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Unknown error, please check your request or try again later.", OutcomeUnknown),
        ("Service Unavailable.", RequestNotSent),
        ("Internal error; unable to process your request. Please try again.", RequestNotSent),
        ("<html>503 Bad gateway</html>", OutcomeUnknown),
        ("", OutcomeUnknown),
    ],
)
def test_the_three_kinds_of_503(text: str, expected: type[ExchangeError]) -> None:
    assert type(judge(None, text, 503)) is expected


def test_disconnected_is_not_executed_only_with_503() -> None:
    text = "Internal error; unable to process your request. Please try again."

    assert type(judge(-1001, text, 503)) is RequestNotSent
    assert type(judge(-1001, text, 400)) is OutcomeUnknown


def test_reduce_only_in_hedge_mode_is_a_matter_of_the_mode() -> None:
    error = judge(-1106, "Parameter 'reduceonly' sent when not required.")

    assert isinstance(error, RequestRejected)
    assert error.refusal is Refusal.POSITION_MODE
    assert is_mode(error)


def test_a_ban_names_its_end() -> None:
    by_header = judge(-1003, "Too many requests", 429, retry_after="7")
    by_text = judge(
        -1003,
        "Way too many requests; IP(1.2.3.4) banned until 1750000090000. Please use the websocket",
        418,
        venue_ms=1_750_000_000_000,
    )
    by_default = judge(None, "<html>", 403)

    assert [error.retry_after_s for error in (by_header, by_text, by_default)] == [7, 90, 60]
    assert all(stops_address(error) for error in (by_header, by_text, by_default))


def test_too_many_orders_stop_one_account_only() -> None:
    error = judge(-1015, "Too many new orders", 429)

    assert isinstance(error, RateLimited)
    assert not stops_address(error)


def test_nonsense_in_a_header_is_no_wait() -> None:
    for header in ("soon", "-5", "1e9", "", "９"):
        error = judge(-1003, "", 429, retry_after=header)
        assert isinstance(error, RateLimited)
        assert error.retry_after_s == 60


def test_clock_refusals_are_known_as_such() -> None:
    for code in CODES:
        error = judge(code)
        assert error is None or is_clock(error) is (code in (-1021, -5028))
