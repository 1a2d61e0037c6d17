"""`followers.*`, `pause` and `resume`: followers change while the engine runs (section 4)."""

from collections.abc import Mapping, Sequence

import attrs
import trio

from actors.bus import as_json
from actors.events import FollowerRemoved
from model.ledger import Applied, FollowerRow, LedgerUnreachable, Store
from model.settings import FollowerMode
from supervision.control import Conflict, ControlError, InvalidParams, NoParams, NotFound, NotReady
from supervision.roster import Roster, RosterRefused, open_roster, seal_roster
from supervision.service.calls import recorded
from supervision.service.desk import ServiceDesk
from supervision.service.observation import FollowerSeen, observe
from supervision.service.stillness import standing_still, why_not_flat
from supervision.settings import ConfigErrors, FollowerEntry, follower_json, parse_followers


@attrs.frozen(kw_only=True)
class Name:
    """Parameters of calls about one follower that change nothing."""

    name: str


@attrs.frozen(kw_only=True)
class ChangeOne:
    """Parameters of calls that change one follower."""

    request_id: str
    name: str
    reason: str = ""


@attrs.frozen(kw_only=True)
class Apply:
    """Parameters of `followers.apply`: followers as their file has them, secrets in plain."""

    request_id: str
    followers: list[dict[str, object]] = attrs.field(repr=False)
    prune: bool = False
    reason: str = ""


async def list_followers(desk: ServiceDesk, params: NoParams) -> object:
    """Answer `followers.list`: settings and state of each, never their keys."""
    seen = await observe(desk)
    states = {follower.name: follower for follower in seen.followers}
    return {
        "followers": [
            {
                **follower_json(row.settings),
                "state": states[name].state if (name := row.settings.name) in states else "starting",
                "detail": states[name].detail if name in states else "",
                "key": _key(states.get(name)),
            }
            for row in await follower_rows(desk)
        ]
    }


def _key(seen: FollowerSeen | None) -> object:
    return None if seen is None or seen.status is None else as_json(seen.status.key)


async def get_follower(desk: ServiceDesk, params: Name) -> object:
    """Answer `followers.get`: the settings of one. Raises: NotFound."""
    for row in await follower_rows(desk):
        if row.settings.name == params.name:
            return follower_json(row.settings)
    raise unknown_follower(params.name)


async def pause(desk: ServiceDesk, params: ChangeOne) -> object:
    """Send nothing for it any more, reductions included."""
    return await _set_mode(desk, "pause", params, FollowerMode.PAUSED)


async def resume(desk: ServiceDesk, params: ChangeOne) -> object:
    """Copy for it again; it catches up (R14)."""
    return await _set_mode(desk, "resume", params, FollowerMode.ACTIVE)


async def close_only(desk: ServiceDesk, params: ChangeOne) -> object:
    """Open nothing for it any more."""
    return await _set_mode(desk, "followers.close_only", params, FollowerMode.CLOSE_ONLY)


async def apply(desk: ServiceDesk, params: Apply) -> object:
    """Upsert followers, all or none, and bring the engine in line. Raises: InvalidParams, Conflict."""
    try:
        entries = parse_followers(params.followers, exchanges=tuple(desk.engine.parts.venues))
    except ConfigErrors as error:
        raise InvalidParams(error.message, hint="nothing was changed") from None
    shown = {"followers": [follower_json(entry.settings) for entry in entries], "prune": params.prune}

    async def act() -> dict[str, object]:
        async with desk.changing:
            applied = await _apply(desk, entries, prune=params.prune)
        return {name: list(value) for name, value in attrs.asdict(applied).items()}

    return await recorded(desk, "followers.apply", params.request_id, params.reason, shown, act)


async def _apply(desk: ServiceDesk, entries: Sequence[FollowerEntry], *, prune: bool) -> Applied:
    named = {entry.settings.name for entry in entries}
    known = {*desk.engine.followers, *desk.barred, *desk.engine.barred}
    going = sorted(known - named) if prune else []
    await _refuse_to_strand_positions(desk, {it.settings.name for it in entries if it.settings.dry_run})
    async with standing_still(desk, going):
        await _refuse_to_drop_positions(desk, going)
        return await _write_and_bring_in_line(desk, entries, prune=prune)


async def _write_and_bring_in_line(
    desk: ServiceDesk, entries: Sequence[FollowerEntry], *, prune: bool
) -> Applied:
    master = desk.engine.parts.master_credentials
    now_ms = desk.clock.wall_ms()

    exchanges = desk.engine.parts.venues

    def write(store: Store) -> tuple[Applied, Roster]:
        with store.unit():
            rows = seal_roster(entries, store.followers(), desk.keys, master=master, now_ms=now_ms)
            applied = store.apply_followers(rows, prune=prune)
            return applied, open_roster(store.followers(), desk.keys, exchanges=exchanges, master=master)

    try:
        applied, roster = await desk.ledger.read(write)
    except RosterRefused as error:
        raise Conflict(error.message, hint="nothing was changed") from None
    except LedgerUnreachable as error:
        raise NotReady(f"nothing was changed: {error}") from error
    await bring_in_line(desk, roster)
    return applied


async def bring_in_line(desk: ServiceDesk, roster: Roster) -> None:
    """Start, stop and change followers until the engine runs what the ledger says; idempotent."""
    engine = desk.engine
    wanted = {account.settings.name: account for account in roster.accounts}
    desk.barred.clear()
    desk.barred.update(roster.barred)
    for name in [name for name in engine.followers if name not in wanted]:
        await engine.remove_follower(name)
        engine.parts.bus.publish(FollowerRemoved(follower=name, left=False))
    for name, account in wanted.items():
        if name not in engine.followers:
            await engine.add_follower(account)
        elif account.credentials != engine.credentials_of(name):
            await engine.replace_follower(account)
        elif account.settings != engine.settings_of(name):
            engine.change_settings(account.settings)


async def _set_mode(desk: ServiceDesk, method: str, params: ChangeOne, mode: FollowerMode) -> object:
    shown = {"name": params.name}
    return await order_mode(desk, method, params.request_id, params.name, params.reason, shown, mode)


async def order_mode(
    desk: ServiceDesk,
    method: str,
    request_id: str,
    name: str,
    reason: str,
    shown: Mapping[str, object],
    mode: FollowerMode,
    *,
    refusal: ControlError | None = None,
) -> dict[str, object]:
    """Write call and mode, then act; while the ledger is away act all the same, and say so.

    Raises: NotFound, NotReady, Conflict, ``refusal``.
    """
    written: list[str] = []

    def write(store: Store, is_repeated: bool) -> None:
        if not store.set_mode(name, mode):
            raise unknown_follower(name)
        written.append(name)

    async def act() -> dict[str, object]:
        answer: dict[str, object] = {"name": name, "state": _word(mode)}
        if name in desk.engine.followers:
            settings = attrs.evolve(desk.engine.settings_of(name), mode=mode)
            is_active = mode is FollowerMode.ACTIVE
            desk.engine.change_settings(settings, resumes=is_active, unkept=not written)
        elif not written:
            raise NotReady("the ledger is away, and this follower does not run")
        return answer

    async with desk.changing:
        return await recorded(desk, method, request_id, reason, shown, act, write=write, refusal=refusal)


def _word(mode: FollowerMode) -> str:
    return "ready" if mode is FollowerMode.ACTIVE else mode.value


async def _refuse_to_drop_positions(desk: ServiceDesk, going: Sequence[str]) -> None:
    """A follower that is forgotten leaves its positions to nobody: only flat ones may go (section 4)."""
    held: dict[str, str] = {}

    async def look(name: str) -> None:
        if why := await why_not_flat(desk, name):
            held[name] = why

    async with trio.open_nursery() as nursery:
        for name in going:
            nursery.start_soon(look, name)
    if held:
        words = ", ".join(f"{name} ({held[name]})" for name in sorted(held))
        raise Conflict(f"not known to be flat: {words}", hint="close their positions first, or keep them")


async def _refuse_to_strand_positions(desk: ServiceDesk, dry: set[str]) -> None:
    """A follower that runs dry closes nothing either: one that holds what is ours goes on sending."""
    holding = [name for name in sorted(dry) if await _holds_ours(desk, name)]
    if holding:
        raise Conflict(
            f"dry_run would leave positions of ours to nobody: {', '.join(holding)}",
            hint="`copytrader followers flatten` closes them; nothing was changed",
        )


async def _holds_ours(desk: ServiceDesk, name: str) -> bool:
    try:
        holdings = await desk.ledger.read(lambda store: store.holdings(name))
    except LedgerUnreachable as error:
        raise NotReady(f"nothing was changed: {error}") from error
    return any(held.owned and held.target for held in holdings)


async def follower_rows(desk: ServiceDesk) -> list[FollowerRow]:
    """Return the followers as the ledger has them. Raises: NotReady while it is away."""
    try:
        return await desk.ledger.read(lambda store: store.followers())
    except LedgerUnreachable as error:
        raise NotReady(str(error)) from error


def unknown_follower(name: str) -> NotFound:
    """Return the answer to a call about a follower that the ledger does not have."""
    return NotFound("there is no follower of that name", hint="`copytrader followers list` shows them")
