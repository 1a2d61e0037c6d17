"""Whose keys are checked: the master's, those in the ledger, and those of a followers file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from exchanges.port import Credentials
from model.key_check import Role
from model.ledger import FollowerRow
from model.ledger.secrets import SecretUnreadable
from model.settings import FollowerSettings
from supervision.ledger_setup import open_ledger, open_raw
from supervision.roster import MASTER, open_account
from supervision.sealing import find_sealing_keys
from supervision.settings import EngineSettings, FollowerEntry, load_followers, resolve_master


@attrs.frozen(kw_only=True)
class Subject:
    """One account whose key is to be checked."""

    name: str
    role: Role
    exchange: str
    credentials: Credentials | None
    """None: its secrets cannot be had."""
    dry_run: bool = False
    why: str = ""
    """Why they cannot, or must not be used."""

    @property
    def identity(self) -> tuple[str, str]:
        """What two of them must not share."""
        it = self.credentials
        return self.exchange, "" if it is None else it.account or it.api_key


@attrs.frozen(kw_only=True)
class Subjects:
    """Everybody, the master first."""

    master: Subject
    followers: tuple[Subject, ...]

    @property
    def everybody(self) -> tuple[Subject, ...]:
        """The master and then the followers."""
        return (self.master, *self.followers)

    def count(self) -> dict[str, int]:
        """Return how many followers there are on each venue."""
        counted: dict[str, int] = {}
        for follower in self.followers:
            counted[follower.exchange] = counted.get(follower.exchange, 0) + 1
        return counted


def find_subjects(settings: EngineSettings, env: Mapping[str, str], followers_file: Path | None) -> Subjects:
    """Return whom to check; a follower of the file stands for the one of its name in the ledger.

    Raises: ConfigErrors of the file, OperatorError for a master's key, a sealing key or a ledger that
    cannot be read; a ledger that is not there yet is an empty one.
    """
    secrets = resolve_master(settings, env)
    credentials = Credentials(api_key=secrets.api_key.reveal(), api_secret=secrets.api_secret.reveal())
    master = Subject(
        name=MASTER, role=Role.MASTER, exchange=settings.master.exchange, credentials=credentials
    )
    found = {subject.name: subject for subject in _of_ledger(settings, env)}
    if followers_file is not None:
        found |= {entry.settings.name: _of_entry(entry) for entry in load_followers(followers_file, env)}
    followers = tuple(found[name] for name in sorted(found))
    return Subjects(master=master, followers=tuple(_without_doubles(master, followers)))


def _without_doubles(master: Subject, followers: Iterable[Subject]) -> Iterable[Subject]:
    """Take the keys from whoever has another's: one account would be traded twice."""
    owners = {master.identity: master.name}
    for subject in followers:
        if subject.credentials is None:
            yield subject
            continue
        owner = owners.setdefault(subject.identity, subject.name)
        if owner == subject.name:
            yield subject
        else:
            why = f"it has the key of {owner}: one account would be traded twice"
            yield attrs.evolve(subject, credentials=None, why=why)


def _of_ledger(settings: EngineSettings, env: Mapping[str, str]) -> Iterable[Subject]:
    rows = _rows(settings)
    if not rows:
        return
    keys = find_sealing_keys(env, settings.sealing_key_file)
    for row in rows:
        try:
            account = open_account(row, keys)
        except SecretUnreadable as error:
            yield _follower(row.settings, None, str(error))
        else:
            yield _follower(row.settings, account.credentials)


def _rows(settings: EngineSettings) -> list[FollowerRow]:
    """Return the followers in the ledger; a file that is not there is not made."""
    with open_raw(settings) as database:
        path = database.sqlite_path
        if path is not None and not path.exists():
            return []
    store = open_ledger(settings)
    try:
        return store.followers()
    finally:
        store.close()


def _of_entry(entry: FollowerEntry) -> Subject:
    plain = {field: secret.reveal() for field, secret in entry.secrets.items()}
    credentials = Credentials(
        api_key=plain.get("api_key", ""),
        api_secret=plain.get("api_secret") or plain.get("agent_key", ""),
        account=entry.settings.account,
    )
    return _follower(entry.settings, credentials)


def _follower(settings: FollowerSettings, credentials: Credentials | None, why: str = "") -> Subject:
    return Subject(
        name=settings.name,
        role=Role.FOLLOWER,
        exchange=settings.exchange,
        credentials=credentials,
        dry_run=settings.dry_run,
        why=why,
    )
