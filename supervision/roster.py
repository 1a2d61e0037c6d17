"""The followers that the ledger keeps: sealed when they are applied, opened for the engine (section 4)."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs

from exchanges.port import Credentials
from model.ledger.rows import FollowerRow
from model.ledger.secrets import SealingKeys, SecretUnreadable, open_secrets, seal_secrets
from model.settings import FollowerSettings
from supervision.exits import ExitCode, OperatorError
from supervision.settings import FollowerEntry, Secret

MASTER = "the master"


class RosterRefused(OperatorError):
    """Followers that cannot be applied; nothing of the list counts."""

    exit_code = ExitCode.BAD_DATA


class NoUsableKey(OperatorError):
    """The ledger has followers, and none of their keys can be opened."""

    exit_code = ExitCode.UNSAFE


@attrs.frozen(kw_only=True)
class FollowerAccount:
    """A follower that the engine shall run."""

    settings: FollowerSettings
    credentials: Credentials

    @property
    def identity(self) -> tuple[str, str]:
        """What two followers must not share, or one account would be traded twice."""
        it = self.credentials
        return self.settings.exchange, it.account or it.api_key

    @property
    def key_mark(self) -> str:
        """What tells this key from another and nothing else: no digest of random bits is turned back."""
        it = self.credentials
        parts = (self.settings.exchange, it.account, it.api_key, it.api_secret)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@attrs.frozen(kw_only=True)
class Roster:
    """The followers that can run, and why the others cannot."""

    accounts: tuple[FollowerAccount, ...] = ()
    barred: Mapping[str, str] = attrs.field(factory=dict)
    """Why a follower is not started, by name: an operator has to act."""


def open_roster(
    rows: Iterable[FollowerRow], keys: SealingKeys, *, exchanges: Collection[str], master: Credentials
) -> Roster:
    """Open every follower's secrets. One that cannot run bars itself, not the others; nothing is raised."""
    accounts: list[FollowerAccount] = []
    barred: dict[str, str] = {}
    owners = {("bybit", master.account or master.api_key): MASTER}
    for row in rows:
        name = row.settings.name
        try:
            account = open_account(row, keys)
        except SecretUnreadable as error:
            barred[name] = str(error)
            continue
        owner = owners.setdefault(account.identity, name)
        if row.settings.exchange not in exchanges:
            barred[name] = f"this engine does not speak to {row.settings.exchange}"
        elif owner != name:
            barred[name] = f"it has the key of {owner}: one account would be traded twice"
        else:
            accounts.append(account)
    return Roster(accounts=tuple(accounts), barred=barred)


def require_some(roster: Roster) -> Roster:
    """Return the roster, or raise NoUsableKey: there are followers and none can run."""
    if roster.barred and not roster.accounts:
        raise NoUsableKey(
            "no follower can be started: "
            + "; ".join(f"{name}: {why}" for name, why in roster.barred.items()),
            hint="is the sealing key the one that they were sealed with?",
        )
    return roster


def open_account(row: FollowerRow, keys: SealingKeys) -> FollowerAccount:
    """Return a follower with its keys in plain. Raises: SecretUnreadable, which shows none."""
    plain = open_secrets(keys, row)
    for value in plain.values():
        Secret(value)  # from here on every log and reply masks it
    it = row.settings
    wanted = ("agent_key",) if it.exchange == "hyperliquid" else ("api_key", "api_secret")
    if missing := [field for field in wanted if field not in plain]:
        raise SecretUnreadable(f"{it.name} has no {' and no '.join(missing)}")
    credentials = Credentials(
        api_key=plain.get("api_key", ""),
        api_secret=plain.get("api_secret") or plain.get("agent_key", ""),
        account=it.account,
    )
    return FollowerAccount(settings=it, credentials=credentials)


def seal_roster(
    entries: Sequence[FollowerEntry],
    known: Sequence[FollowerRow],
    keys: SealingKeys,
    *,
    master: Credentials | None,
    now_ms: int,
) -> list[FollowerRow]:
    """Return the rows that the ledger shall take for ``entries``.

    Args:
        known: the followers that the ledger has now.
        master: the watched account, None where its key is not at hand.
        now_ms: the wall clock: when new followers join (R14).
    Raises: RosterRefused naming everything that is wrong; no secret is repeated.
    """
    before = {row.settings.name: row for row in known}
    wrong = [words for entry in entries for words in _contradictions(entry, before)]
    rows = [_sealed(entry, before.get(entry.settings.name), keys, now_ms) for entry in entries]
    wrong += _shared_accounts(rows, before, keys, master)
    if wrong:
        raise RosterRefused("\n".join(dict.fromkeys(wrong)))
    return rows


def _contradictions(entry: FollowerEntry, before: Mapping[str, FollowerRow]) -> Iterable[str]:
    it = entry.settings
    known = before.get(it.name)
    if known is None:
        if not entry.secrets:
            yield f"{it.name}: a new follower comes with its keys"
    elif known.settings.exchange != it.exchange:
        yield (
            f"{it.name}: is on {known.settings.exchange} and cannot move to {it.exchange}; "
            "give the other account another name"
        )
    elif known.settings.account != it.account:
        yield f"{it.name}: its account cannot change; give the other account another name"


def _sealed(entry: FollowerEntry, known: FollowerRow | None, keys: SealingKeys, now_ms: int) -> FollowerRow:
    it = entry.settings
    plain = {field: secret.reveal() for field, secret in entry.secrets.items()}
    if known is not None and _holds(known, plain, keys):
        tokens = known.secrets  # sealing is random: the same keys sealed anew would look changed
    else:
        tokens = seal_secrets(keys, plain, name=it.name, exchange=it.exchange)
    return FollowerRow(settings=attrs.evolve(it, joined_at_ms=now_ms), secrets=tokens)


def _holds(known: FollowerRow, plain: Mapping[str, str], keys: SealingKeys) -> bool:
    try:
        return open_secrets(keys, known) == plain
    except SecretUnreadable:
        return False


def _shared_accounts(
    rows: Sequence[FollowerRow],
    before: Mapping[str, FollowerRow],
    keys: SealingKeys,
    master: Credentials | None,
) -> Iterable[str]:
    """Compare with what the ledger has too; a row whose secrets do not open cannot be compared."""
    owners: dict[tuple[str, str], str] = {}
    if master is not None:
        owners["bybit", master.account or master.api_key] = MASTER
    after = {**before, **{row.settings.name: row for row in rows if row.secrets}}
    for name, row in after.items():
        try:
            identity = open_account(row, keys).identity
        except SecretUnreadable:
            continue
        owner = owners.setdefault(identity, name)
        if owner != name:
            yield f"{name}: has the key of {owner}: one account would be traded twice"
