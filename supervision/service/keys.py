"""`keys.rotate`: the followers' secrets are sealed anew while the engine runs (section 4)."""

import attrs

from model.ledger import FollowerRow, LedgerUnreachable, Store
from model.ledger.rotation import Rotation, RotationPlan, plan_rotation
from model.ledger.secrets import SealingKeys
from supervision.control import Conflict, NotReady
from supervision.exits import OperatorError
from supervision.service.calls import recorded
from supervision.service.desk import ServiceDesk


@attrs.frozen(kw_only=True)
class Rotate:
    """Parameters of `keys.rotate`."""

    request_id: str
    reason: str = ""


async def rotate(desk: ServiceDesk, params: Rotate) -> object:
    """Read the sealing keys again and seal every secret anew with the newest. Raises: Conflict."""

    async def act() -> dict[str, object]:
        async with desk.changing:
            try:
                return attrs.asdict(await _rotate(desk))
            except LedgerUnreachable as error:
                raise NotReady(f"stopped on the way, repeat it: {error}") from error

    return await recorded(desk, "keys.rotate", params.request_id, params.reason, {}, act)


async def _rotate(desk: ServiceDesk) -> Rotation:
    """The engine takes the keys before the first row is sealed with them: it can open all at any moment."""
    keys = await _keys_now(desk)
    before = desk.keys

    def look(store: Store) -> tuple[RotationPlan, RotationPlan]:
        rows = store.followers()
        return plan_rotation(rows, keys), plan_rotation(rows, before)

    plan, old_plan = await desk.ledger.read(look)
    if lost := sorted(set(plan.unreadable) - set(old_plan.unreadable)):
        raise Conflict(
            f"the sealing keys that are there now do not open the secrets of {', '.join(lost)}",
            hint="keep the older keys behind the newest until the rotation is through",
        )
    desk.keys = keys
    done = [old.settings.name for old, new in plan.due if await _reseal(desk, old, new)]
    return Rotation(
        key=keys.newest_name, resealed=tuple(done), current=plan.current, unreadable=plan.unreadable
    )


async def _reseal(desk: ServiceDesk, old: FollowerRow, new: FollowerRow) -> bool:
    return await desk.ledger.read(lambda store: store.reseal(old, new))


async def _keys_now(desk: ServiceDesk) -> SealingKeys:
    if desk.find_keys is None:
        return desk.keys
    find = desk.find_keys
    try:
        return await desk.ledger.read(lambda store: find())
    except OperatorError as error:
        raise Conflict(error.message, hint=error.hint) from None
