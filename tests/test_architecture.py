"""The walls of the house (design section 2): who may import whom, and what the model never touches.

Every import counts, at the top, in a function or for the type checker.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("model", "exchanges", "actors", "supervision")
"""From the ground up: a floor imports itself and what is below it."""
VENUES = ("bybit", "binance", "hyperliquid")
PURE = frozenset(
    {"__future__", "attrs", "bisect", "collections", "dataclasses", "decimal", "enum", "fractions"}
    | {"functools", "hashlib", "heapq", "itertools", "operator", "re", "typing"}
)
"""All that the model outside its ledger may import besides itself: none can wait, read or roll dice."""
DATABASE = ("peewee", "playhouse", "psycopg2", "sqlite3")
UNTOUCHED_BY_THE_LEDGER = frozenset(
    {"time", "datetime", "random", "secrets", "uuid", "logging", "structlog", "asyncio", "trio", "pykka"}
    | {"socket", "ssl", "select", "http", "httpx", "httpcore", "requests", "subprocess", "signal"}
)
"""The ledger needs files, locks and a database; it never reads a clock, a network or chance."""
ENVIRONMENT = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})


@attrs.frozen
class Module:
    """One source file: its dotted name, its syntax, and the dotted names that it imports."""

    name: str
    tree: ast.Module
    imports: frozenset[str]

    @property
    def floor(self) -> str:
        """The package at the top of its name."""
        return self.name.partition(".")[0]

    def imports_from(self, package: str) -> set[str]:
        """Return what it imports of ``package`` or from below it."""
        return {name for name in self.imports if is_in(name, package)}


def is_in(name: str, package: str) -> bool:
    """Tell whether a dotted name is ``package`` or lies below it."""
    return name == package or name.startswith(package + ".")


def parse(name: str, source: str, *, is_package: bool = False) -> Module:
    """Read a module's source."""
    tree = ast.parse(source)
    here = name if is_package else name.rpartition(".")[0]
    return Module(name, tree, frozenset(_imports(tree, here)))


def _imports(tree: ast.Module, here: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = here.split(".")[: len(here.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the product."""
    found = []
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            found.append(parse(name, path.read_text(), is_package=is_package))
    return tuple(found)


# The rules; each returns what breaks it


def climbs(module: Module) -> set[str]:
    """Imports run one way: supervision -> actors -> exchanges -> model; and none reaches into the tests."""
    above = FLOORS[FLOORS.index(module.floor) + 1 :]
    return {name for floor in (*above, "tests") for name in module.imports_from(floor)}


def meets_another_venue(module: Module) -> set[str]:
    """A venue's folder imports no other's, and what venues share imports none.

    Nor does one face of the sandbox import another; what puts a whole sandbox together imports all.
    """
    home = "exchanges.sandbox" if is_in(module.name, "exchanges.sandbox") else "exchanges"
    own = next((venue for venue in VENUES if is_in(module.name, f"{home}.{venue}")), None)
    if module.floor != "exchanges" or (own is None and home != "exchanges"):
        return set()
    return {name for venue in VENUES if venue != own for name in module.imports_from(f"{home}.{venue}")}


def knows_the_sandbox(module: Module) -> set[str]:
    """The engine never knows that the sandbox is there; only what sets one up for an operator does."""
    if is_in(module.name, "exchanges.sandbox") or module.floor == "supervision":
        return set()
    return module.imports_from("exchanges.sandbox")


@cache
def actor_modules() -> frozenset[str]:
    """Return the modules that define an actor: a subclass of TrioActor."""
    return frozenset(module.name for module in modules() if defines_actor(module))


def defines_actor(module: Module) -> bool:
    """Tell whether a module has a subclass of TrioActor, outside the runtime itself."""
    bases = {
        ast.unparse(base).rpartition(".")[2]
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    return "TrioActor" in bases and not is_in(module.name, "actors.runtime")


def meets_an_actor(module: Module, actors: frozenset[str]) -> set[str]:
    """Within actors/, no module imports one that defines an actor.

    What two of them share is a message, an event, the runtime, the bus, a desk (the half of an actor's
    state or service that others may call) or a plain part of one actor that lives in a file of its own;
    the actor itself is reached through an Address only.
    """
    if module.floor != "actors":
        return set()
    return {name for actor in actors - {module.name} for name in module.imports_from(actor)}


def meets_the_database(module: Module) -> set[str]:
    """Only the ledger's modules speak to a database."""
    if is_in(module.name, "model.ledger"):
        return set()
    return {name for package in DATABASE for name in module.imports_from(package)}


def is_impure(module: Module) -> set[str]:
    """Nothing in model/ reads a clock, a socket, the environment, or chance."""
    if module.floor != "model":
        return set()
    tops = {name.partition(".")[0] for name in module.imports}
    if is_in(module.name, "model.ledger"):
        broken = tops & UNTOUCHED_BY_THE_LEDGER
    else:
        broken = tops - PURE - {"model"} | module.imports_from("model.ledger")
    return broken | {_attribute(node) for node in ast.walk(module.tree)} & ENVIRONMENT


def _attribute(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.name if isinstance(node, ast.alias) else ""


def uses_private_pykka(module: Module) -> set[str]:
    """pykka's private names stay in the runtime (R1)."""
    if is_in(module.name, "actors.runtime"):
        return set()
    return {name for name in module.imports_from("pykka") if "._" in name}


RULES = {
    "climbs": climbs,
    "meets_another_venue": meets_another_venue,
    "knows_the_sandbox": knows_the_sandbox,
    "meets_an_actor": lambda module: meets_an_actor(module, actor_modules()),
    "meets_the_database": meets_the_database,
    "is_impure": is_impure,
    "uses_private_pykka": uses_private_pykka,
}


@pytest.mark.parametrize("rule", RULES)
def test_every_module_keeps_to_its_walls(rule: str) -> None:
    broken = {module.name: names for module in modules() if (names := RULES[rule](module))}

    assert broken == {}


def test_the_walk_sees_the_whole_house() -> None:
    names = {module.name for module in modules()}

    assert {"model.follower", "model.ledger.store", "exchanges.port", "actors.follower"} <= names
    assert {"actors.follower", "actors.pairing", "actors.account_stream"} <= actor_modules()
    assert "actors.copying" not in actor_modules()
    assert all(path.name in FLOORS for path in ROOT.iterdir() if (path / "py.typed").exists())


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        ("climbs", "model.sizing", "from exchanges.port import Venue"),
        ("climbs", "exchanges.bybit.wire", "def f():\n    import actors.bus"),
        (
            "climbs",
            "actors.bus",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import supervision",
        ),
        ("climbs", "supervision.cli", "from tests.factories import x"),
        ("climbs", "exchanges.bybit.wire", "from ... import actors"),
        ("meets_another_venue", "exchanges.bybit.wire", "from exchanges.binance import codes"),
        ("meets_another_venue", "exchanges.bybit.wire", "from exchanges import binance"),
        ("meets_another_venue", "exchanges.bybit.wire", "from ..binance import codes"),
        ("meets_another_venue", "exchanges.port", "import exchanges.hyperliquid.wire"),
        ("meets_another_venue", "exchanges.sandbox.bybit.rest", "import exchanges.sandbox.binance.rest"),
        ("knows_the_sandbox", "exchanges.bybit.rest", "from exchanges.sandbox import faults"),
        ("knows_the_sandbox", "actors.follower", "from exchanges import sandbox"),
        ("meets_an_actor", "actors.copying", "from actors.follower import Follower"),
        ("meets_an_actor", "actors.follower", "from actors import pairing"),
        ("meets_the_database", "model.copy", "import peewee"),
        ("meets_the_database", "supervision.cli", "from playhouse.pool import PooledSqliteDatabase"),
        ("meets_the_database", "actors.ledger", "import sqlite3"),
        ("is_impure", "model.marks", "import time"),
        ("is_impure", "model.marks", "from random import random"),
        ("is_impure", "model.marks", "import logging"),
        ("is_impure", "model.marks", "import os"),
        ("is_impure", "model.marks", "from model.ledger import Store"),
        ("is_impure", "model.ledger.store", "from time import time"),
        ("is_impure", "model.ledger.store", "from datetime import datetime"),
        ("is_impure", "model.ledger.store", "import socket"),
        ("is_impure", "model.ledger.store", "import os\nx = os.environ['HOME']"),
        ("is_impure", "model.ledger.store", "from os import getenv"),
        ("uses_private_pykka", "actors.follower", "from pykka._actor import Actor"),
    ],
)
def test_what_breaks_a_wall_would_be_seen(rule: str, name: str, source: str) -> None:
    assert RULES[rule](parse(name, source))


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        ("climbs", "supervision.engine", "import actors, exchanges.port\nfrom model import leg"),
        (
            "meets_another_venue",
            "exchanges.bybit.rest",
            "from exchanges.bybit import wire\nimport exchanges.port",
        ),
        ("meets_another_venue", "exchanges.sandbox.rehearsal", "import exchanges.sandbox.binance"),
        ("knows_the_sandbox", "supervision.demo.stage", "from exchanges.sandbox import faults"),
        ("meets_an_actor", "actors.follower", "from actors.runtime import TrioActor\nimport actors.messages"),
        ("meets_an_actor", "actors.follower", "from actors.follower_desk import FollowerDesk"),
        ("meets_the_database", "model.ledger.store", "import peewee"),
        ("is_impure", "model.ledger.lease", "import os, fcntl"),
        ("is_impure", "model.sizing", "from decimal import Decimal"),
        ("uses_private_pykka", "actors.runtime.actor", "from pykka._actor import Actor"),
    ],
)
def test_what_keeps_to_the_walls_is_left_alone(rule: str, name: str, source: str) -> None:
    assert not RULES[rule](parse(name, source))
