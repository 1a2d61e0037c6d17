"""The page that Prometheus reads, made in pieces: in between, whoever trades has its turn."""

from collections.abc import Iterable, Iterator
from itertools import islice

import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

SAMPLES_PER_TURN = 100

Sample = tuple[tuple[str, ...], float]
"""Values of the labels, and the number."""


class _One(Collector):
    """A registry of one family: what the library prints at a time."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


async def print_registry(registry: CollectorRegistry) -> bytes:
    """Return the families of a registry as text."""
    pieces: list[bytes] = []
    for family in registry.collect():
        pieces.append(generate_latest(_One(family)))
        await trio.lowlevel.checkpoint()
    return b"".join(pieces)


async def print_samples(
    name: str, words: str, labels: tuple[str, ...], samples: Iterable[Sample], *, counts: bool = False
) -> bytes:
    """Return one gauge, or counter, as text; ``samples`` are taken a few at a time."""
    pieces: list[bytes] = []
    for number, some in enumerate(_portions(samples)):
        family: Metric
        kind = CounterMetricFamily if counts else GaugeMetricFamily
        family = kind(name, words, labels=labels)
        for values, value in some:
            family.add_metric(values, value)
        text = generate_latest(_One(family))
        pieces.append(text if not number else _without_head(text))
        await trio.lowlevel.checkpoint()
    return b"".join(pieces)


def _portions(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    rest = iter(samples)
    while some := list(islice(rest, SAMPLES_PER_TURN)):
        yield some


def _without_head(text: bytes) -> bytes:
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"# "))
