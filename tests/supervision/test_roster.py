"""Followers in the ledger: opened for the engine, sealed when applied; no account is ever traded twice."""

import attrs
import pytest

from exchanges.port import Credentials
from model.ledger import FollowerRow
from model.ledger.secrets import SealingKeys, generate_key
from supervision.roster import NoUsableKey, RosterRefused, open_roster, require_some, seal_roster
from supervision.settings import FollowerEntry, Secret
from tests.supervision.engine_house import KEYS, MASTER, make_row, make_settings

OTHER_KEYS = SealingKeys([generate_key()])


def make_entry(name: str = "alice", *, key: str = "", **other: object) -> FollowerEntry:
    secrets = {"api_key": Secret(key or f"{name}-key"), "api_secret": Secret(f"{name}-secret")}
    return FollowerEntry(settings=make_settings(name, **other), secrets=secrets)


def seal(*entries: FollowerEntry, known: tuple[FollowerRow, ...] = ()) -> list[FollowerRow]:
    return seal_roster(entries, known, KEYS, master=MASTER, now_ms=7)


def test_what_was_sealed_opens_again_with_the_time_of_joining() -> None:
    rows = seal(make_entry())

    roster = open_roster(rows, KEYS, exchanges=["bybit"], master=MASTER)

    (account,) = roster.accounts
    assert account.credentials == Credentials(api_key="alice-key", api_secret="alice-secret")
    assert account.settings.joined_at_ms == 7
    assert "alice-secret" not in repr(rows) + repr(roster)


def test_one_that_cannot_be_opened_bars_itself_and_not_the_others() -> None:
    rows = [make_row("alice"), make_row("bob", keys=OTHER_KEYS), make_row("carol", exchange="binance")]

    roster = open_roster(rows, KEYS, exchanges=["bybit"], master=MASTER)

    assert [account.settings.name for account in roster.accounts] == ["alice"]
    assert set(roster.barred) == {"bob", "carol"}


def test_tokens_of_another_follower_do_not_open() -> None:
    swapped = attrs.evolve(make_row("alice"), secrets=make_row("bob").secrets)

    roster = open_roster([swapped], KEYS, exchanges=["bybit"], master=MASTER)

    assert "another place" in roster.barred["alice"]


def test_followers_of_whom_none_opens_are_an_error_of_the_operator() -> None:
    roster = open_roster([make_row(keys=OTHER_KEYS)], KEYS, exchanges=["bybit"], master=MASTER)

    with pytest.raises(NoUsableKey, match="alice"):
        require_some(roster)


def test_no_followers_are_no_error() -> None:
    empty = open_roster([], KEYS, exchanges=["bybit"], master=MASTER)

    assert require_some(empty) == empty


@pytest.mark.parametrize("key", ["master-key", "alice-key"])
def test_a_second_follower_on_one_account_is_barred(key: str) -> None:
    rows = [make_row("alice"), make_row("bob", key=key)]

    roster = open_roster(rows, KEYS, exchanges=["bybit"], master=MASTER)

    assert [account.settings.name for account in roster.accounts] == ["alice"]
    assert "traded twice" in roster.barred["bob"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (make_entry("bob", key="alice-key"), "bob: has the key of alice"),
        (make_entry("bob", key="master-key"), "bob: has the key of the master"),
        (FollowerEntry(settings=make_settings("bob")), "a new follower comes with its keys"),
        (make_entry("alice", exchange="binance"), "cannot move to binance"),
        (make_entry("alice", account="0xab"), "its account cannot change"),
    ],
)
def test_what_contradicts_the_ledger_is_refused_whole(entry: FollowerEntry, words: str) -> None:
    with pytest.raises(RosterRefused, match=words) as refused:
        seal(make_entry("carol"), entry, known=(make_row("alice"),))

    assert "-secret" not in str(refused.value)


def test_a_follower_may_get_new_keys_and_the_old_ones_are_free_again() -> None:
    rows = seal(
        make_entry("alice", key="fresh-key"), make_entry("bob", key="alice-key"), known=(make_row("alice"),)
    )

    assert [row.settings.name for row in rows] == ["alice", "bob"]
