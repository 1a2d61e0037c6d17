"""Sealed secrets open with their key, in their place, and nowhere else (section 4)."""

import pytest

from model.ledger import FollowerRow
from model.ledger.secrets import (
    SealingKeys,
    SecretUnreadable,
    generate_key,
    open_secrets,
    rotate_secrets,
    seal_secrets,
)
from model.settings import FollowerSettings

PLACE = {"account": "alice", "exchange": "binance", "field": "api_secret"}
CANARY = "canary-5e1f"


def test_what_is_sealed_opens_in_its_place_only() -> None:
    keys = SealingKeys([generate_key()])
    token = keys.seal(CANARY, **PLACE)

    assert keys.open(token, **PLACE) == CANARY
    for field, value in (("account", "bob"), ("exchange", "bybit"), ("field", "api_key")):
        with pytest.raises(SecretUnreadable) as caught:
            keys.open(token, **{**PLACE, field: value})
        assert CANARY not in str(caught.value)
        assert token not in str(caught.value)


def test_a_token_that_was_altered_or_sealed_by_another_key_does_not_open() -> None:
    keys = SealingKeys([generate_key()])
    token = keys.seal(CANARY, **PLACE)

    for wrong in (token[:-4] + "AAA=", "", "not a token", "é"):
        with pytest.raises(SecretUnreadable):
            keys.open(wrong, **PLACE)
    with pytest.raises(SecretUnreadable):
        SealingKeys([generate_key()]).open(token, **PLACE)


def test_rotation_seals_with_the_newest_key_and_has_nothing_to_do_twice() -> None:
    old, new = generate_key(), generate_key()
    settings = FollowerSettings(name="alice", exchange="binance")
    secrets = {"api_key": "k", "api_secret": CANARY}
    sealed = seal_secrets(SealingKeys([old]), secrets, name="alice", exchange="binance")
    row = FollowerRow(settings=settings, secrets=sealed)
    both = SealingKeys([new, old])

    (renewed,) = rotate_secrets(both, [row])

    assert rotate_secrets(both, [renewed]) == []
    assert open_secrets(SealingKeys([new]), renewed) == secrets
    with pytest.raises(SecretUnreadable):
        open_secrets(SealingKeys([new]), row)
    with pytest.raises(SecretUnreadable):
        rotate_secrets(SealingKeys([new]), [row])


def test_keys_are_never_shown() -> None:
    key = generate_key()

    assert key not in repr(SealingKeys([key]))
    with pytest.raises(ValueError, match="sealing key 2") as caught:
        SealingKeys([key, "too-short-a-key"])
    assert "too-short" not in str(caught.value)
    with pytest.raises(ValueError, match="no sealing key"):
        SealingKeys([])


def test_a_row_does_not_show_its_tokens() -> None:
    row = FollowerRow(settings=FollowerSettings(name="a", exchange="bybit"), secrets={"api_key": CANARY})

    assert CANARY not in repr(row)
