"""What the engine holds in memory: objects of its own classes, and how full their tables are.

Seen by the collector's eyes, so nothing has to be listed here to be counted: a table that somebody adds
tomorrow is measured tomorrow.
"""

import functools
import gc
import sys
import types
from collections import Counter, deque
from collections.abc import Iterator

import trio

OURS = ("actors", "exchanges", "model", "supervision")
WORLD = "exchanges.sandbox"
"""The venues remember every order for ever: that is what they are for."""
TABLES = (dict, list, set, frozenset, deque, tuple)
FRAMEWORK = (trio.Event, trio.CancelScope, trio.Nursery, trio.lowlevel.Task, trio.lowlevel.ParkingLot)
CACHED = type(functools.cache(str))
PLUMBING = frozenset(
    {types.CoroutineType, types.AsyncGeneratorType, types.GeneratorType, types.TracebackType}
)


def holdings() -> Counter[str]:
    """Return how many objects there are by class, and how many things are in each kind of table."""
    gc.collect()
    held: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        if kind in PLUMBING or kind in FRAMEWORK:
            held[f"{kind.__module__}.{kind.__qualname__}"] += 1
        elif is_ours(kind.__module__):
            name = f"{kind.__module__}.{kind.__qualname__}"
            held[name] += 1
            for attribute, size in _sizes(thing):
                held[f"{name}.{attribute}"] += size
    held.update(dict(_module_tables()))
    return held


def is_ours(module: object) -> bool:
    """Tell whether a module is the product's, and not the sandbox."""
    return isinstance(module, str) and module.partition(".")[0] in OURS and not module.startswith(WORLD)


def _sizes(thing: object) -> Iterator[tuple[str, int]]:
    for attribute, value in _attributes(thing):
        if isinstance(value, TABLES):
            yield attribute, len(value)


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in ("__dict__", "__weakref__") and hasattr(thing, slot):
                yield slot, getattr(thing, slot)


def _module_tables() -> Iterator[tuple[str, int]]:
    """Yield the sizes of tables that belong to modules, caches of functions among them."""
    for name, module in list(sys.modules.items()):
        if not is_ours(name):
            continue
        for attribute, value in list(vars(module).items()):
            if isinstance(value, TABLES):
                yield f"{name}:{attribute}", len(value)
            elif isinstance(value, CACHED):
                yield f"{name}:{attribute}()", value.cache_info().currsize
