"""Every text of the venue that is known, and what it lets the caller do."""

import pytest

from exchanges.errors import (
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    Refusal,
    RequestNotSent,
    RequestRejected,
)
from exchanges.hyperliquid import codes
from exchanges.hyperliquid.codes import Asked, failure, http_failure, posted_failure

AGENT = "0x4b6c5b1287e38b78e61d5dbca726d5e267eda747"

REFUSALS = [
    ("Insufficient margin to place order. asset=5", Refusal.MARGIN),
    ("Order would cause position to exceed margin tier limit at current leverage. asset=5", Refusal.MARGIN),
    ("Order must have minimum value of $10.", Refusal.MIN_SIZE),
    ("Order must have minimum value of $10. asset=1", Refusal.MIN_SIZE),
    ("Order has zero size.", Refusal.MIN_SIZE),
    ("Price must be divisible by tick size. asset=0", Refusal.PRICE),
    ("Order has invalid price.", Refusal.PRICE),
    ("Order has invalid size.", Refusal.PARAMETER),
    ("Order price cannot be more than 95% away from the reference price", Refusal.PRICE),
    ("Order price cannot be more than 80% away from the reference price", Refusal.PRICE),
    ("Price too far from oracle asset=3", Refusal.PRICE),
    ("Order could not immediately match against any resting orders. asset=5", Refusal.LIQUIDITY),
    ("No liquidity available for market order.", Refusal.LIQUIDITY),
    ("Reduce only order would increase position. asset=5", Refusal.REDUCE_ONLY),
    ("Post only order would have immediately matched, bbo was 1@2. asset=5", Refusal.OTHER),
    ("Cannot increase position when open interest is at cap.", Refusal.OTHER),
    ("Order is more aggressive than oracle when at open interest cap.", Refusal.OTHER),
    ("Open interest is increasing too quickly.", Refusal.OTHER),
    ("Too many open orders", Refusal.OTHER),
    ("Order value too large. Max is $30000000.", Refusal.MAX_SIZE),
    ("Cannot switch leverage type with open position.", Refusal.LEVERAGE),
    ("Invalid leverage value", Refusal.LEVERAGE),
    ("Cross margin is not allowed for this asset.", Refusal.LEVERAGE),
    (
        "Isolated position does not have sufficient margin available to decrease leverage. "
        "Please add margin to the position.",
        Refusal.LEVERAGE,
    ),
    (
        "Cross position does not have sufficient margin available to decrease leverage. "
        "Please deposit more collateral.",
        Refusal.LEVERAGE,
    ),
    ("Builder fee has not been approved.", Refusal.PARAMETER),
    ("Duplicate cloid", Refusal.DUPLICATE_ID),
    ("Cloid already used", Refusal.DUPLICATE_ID),
    ("Order was never placed, already canceled, or filled. asset=0", Refusal.NOT_FOUND),
    ("Must deposit before performing actions. User: 0x0", Refusal.AUTH),
    ("Vault not registered: 0x1719884eb866cb12b2287399b15f7db5e7d775ea", Refusal.AUTH),
    ("Vault may not perform this action.", Refusal.AUTH),
    (f"User or API Wallet {AGENT} does not exist.", Refusal.AUTH),
    ("User or API Wallet 0x00000000000000000000000000000000000000aa does not exist.", Refusal.PARAMETER),
    ("Failed to deserialize the JSON body into the target type", Refusal.PARAMETER),
    ("Insufficient spot balance asset=10107", Refusal.MARGIN),
    ("Trading is halted for this asset", Refusal.SYMBOL),
    ("Asset is delisted", Refusal.SYMBOL),
    ("Invalid asset. asset=777", Refusal.SYMBOL),
]

NOT_TAKEN = [
    "Invalid nonce: duplicate nonce 1763800000000",
    "Invalid nonce: too low",
    "User has pending agent removal",
    "Only post-only orders allowed immediately after network upgrade.",
    "Action expired: expiresAfter 1763800000000",
]


@pytest.mark.parametrize(("text", "refusal"), REFUSALS)
def test_a_known_text_is_a_refusal_of_its_kind(text: str, refusal: Refusal) -> None:
    failed = failure(text, agent=AGENT)

    assert isinstance(failed, RequestRejected)
    assert failed.refusal is refusal


@pytest.mark.parametrize("text", NOT_TAKEN)
def test_what_was_not_looked_at_may_be_sent_again(text: str) -> None:
    assert type(failure(text, agent=AGENT)) is RequestNotSent


def test_an_account_without_actions_left_waits_for_the_next_one() -> None:
    failed = failure(
        "Too many cumulative requests sent (37986 > 10436) for cumulative volume traded $437.92. "
        "Place taker orders to free up 1 request per USDC traded."
    )

    assert isinstance(failed, RateLimited)
    assert failed.retry_after_s == 10.0


@pytest.mark.parametrize("text", ["", "Something the venue never said before", "ok"])
def test_an_unknown_text_leaves_the_outcome_unknown(text: str) -> None:
    assert type(failure(text)) is OutcomeUnknown


def test_every_row_of_the_table_is_held_by_an_example() -> None:
    """Fails on a row that no example reaches: one that is shadowed by an earlier row, or unheard of."""
    examples = [text for text, _ in REFUSALS] + NOT_TAKEN + ["Too many cumulative requests sent"]

    reached = set()
    for text in examples:
        part = next((part for part, _ in codes.MEANINGS if part in text.lower()), None)
        assert part is not None, f"unmapped: {text}"
        reached.add(part)

    assert reached == {part for part, _ in codes.MEANINGS}


@pytest.mark.parametrize(
    ("status", "asked", "kind"),
    [
        (429, Asked.READ, RateLimited),
        (429, Asked.ORDER, OutcomeUnknown),
        (429, Asked.SETTING, OutcomeUnknown),
        (422, Asked.ORDER, RequestRejected),
        (422, Asked.READ, RequestRejected),
        (500, Asked.ORDER, OutcomeUnknown),
        (502, Asked.READ, OutcomeUnknown),
        (403, Asked.ORDER, OutcomeUnknown),
        (302, Asked.ORDER, OutcomeUnknown),
    ],
)
def test_a_status_alone_decides(status: int, asked: Asked, kind: type[ExchangeError]) -> None:
    assert type(http_failure(status, asked)) is kind
    assert type(posted_failure(f"{status} Some Words: text", asked)) is kind


def test_a_success_is_no_failure_and_an_error_that_claims_one_is_unknown() -> None:
    assert http_failure(200, Asked.ORDER) is None
    assert type(posted_failure("200 OK", Asked.ORDER)) is OutcomeUnknown
    assert type(posted_failure("no status at all", Asked.ORDER)) is OutcomeUnknown
