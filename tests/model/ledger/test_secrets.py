"""Sealed secrets open with their key, in their place, and nowhere else (section 4)."""

import pytest
from cryptography.fernet import Fernet

from model.ledger import FollowerRow
from model.ledger.secrets import (
    SealingKeys,
    SecretUnreadable,
    generate_key,
    key_name,
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
    with pytest.raises(ValueError, match=r"^no sealing key$"):
        SealingKeys([])


def test_a_row_does_not_show_its_tokens() -> None:
    row = FollowerRow(settings=FollowerSettings(name="a", exchange="bybit"), secrets={"api_key": CANARY})

    assert CANARY not in repr(row)


def test_what_cannot_be_opened_is_named_and_why() -> None:
    old, new = generate_key(), generate_key()
    token = SealingKeys([old]).seal(CANARY, **PLACE)

    with pytest.raises(SecretUnreadable, match="api_secret of alice: no sealing key opens it"):
        SealingKeys([new]).open(token, **PLACE)
    with pytest.raises(SecretUnreadable, match="api_key of alice: the token was sealed for another place"):
        SealingKeys([old]).open(token, **{**PLACE, "field": "api_key"})
    with pytest.raises(SecretUnreadable, match=r"^a token that no key opens$"):
        SealingKeys([new]).rotate(token)


@pytest.mark.parametrize("plain", ["[]", '"text"', "1", '{"account": "alice"}'])
def test_a_token_of_something_else_opens_nowhere(plain: str) -> None:
    key = generate_key()
    token = Fernet(key).encrypt(plain.encode()).decode()

    with pytest.raises(SecretUnreadable, match="another place"):
        SealingKeys([key]).open(token, **PLACE)


def test_a_key_has_a_short_name_of_its_own() -> None:
    one, other = generate_key(), generate_key()

    assert SealingKeys([one, other]).newest_name == key_name(one) != key_name(other)
    assert len(key_name(one)) == 8
    assert key_name(one) not in one
