"""What an operator is shown of a run: the answer to every question that changes nothing."""

import json
from typing import Any

from actors.bus import as_json
from model.ledger.secrets import SealingKeys, generate_key
from supervision.control import Method
from supervision.control.methods import structure_params
from supervision.service import ServiceDesk, make_methods
from tests.world import World

SHOWN_MAX = 200
"""Copies: the newest, with whatever went wrong last."""


async def answers_of(world: World) -> list[tuple[str, str]]:
    """Return each question and its answer as JSON, before anything is masked on its way out."""
    make_notifier: Any = world.engine.parts.make_notifier
    keys = SealingKeys([generate_key()])
    desk = ServiceDesk(engine=world.engine, keys=keys, alerts=make_notifier.keywords["desk"])
    methods = {it.name: it for it in make_methods(desk) if not it.mutates}
    names = [it.settings.name for it in world.followers]
    asked: list[tuple[str, dict[str, Any]]] = []
    for name in methods:
        match name:
            case "explain":
                asked += [(name, {"copy_id": row.copy_id}) for row in world.copies()[-SHOWN_MAX:]]
            case "followers.get" | "followers.check":
                asked += [(name, {"name": follower}) for follower in names]
            case _:
                asked.append((name, {}))
    return [(name, await _answer(methods[name], params)) for name, params in asked]


async def _answer(method: Method, params: dict[str, Any]) -> str:
    found = await method.handler(structure_params(method.params, params))
    return json.dumps(found, default=as_json)
