"""The page is Prometheus' own text, and is made in pieces so that others have their turn."""

import trio
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from supervision.metrics.page import print_registry, print_samples


async def test_a_gauge_of_many_is_one_family_and_gives_turns_away() -> None:
    turns = 0

    async def trade() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trade)
        await trio.lowlevel.checkpoint()
        before = turns
        text = await print_samples(
            "copy_drift_ratio",
            "words",
            ("account", "symbol"),
            (((f"f{n // 3}", f"S{n % 3}"), n / 1000) for n in range(3_000)),
        )
        given = turns - before
        nursery.cancel_scope.cancel()

    (family,) = text_string_to_metric_families(text.decode())
    assert (family.name, family.type, len(family.samples)) == ("copy_drift_ratio", "gauge", 3_000)
    assert family.samples[5].labels == {"account": "f1", "symbol": "S2"}
    assert family.samples[5].value == 0.005
    assert text.count(b"# TYPE") == 1
    assert given >= 29


async def test_a_counter_and_a_name_with_every_odd_letter() -> None:
    text = await print_samples("things", "w", ("name",), [(('a"b\\c\nd',), 2.0)], counts=True)

    (family,) = text_string_to_metric_families(text.decode())
    assert (family.type, family.samples[0].name) == ("counter", "things_total")
    assert family.samples[0].labels == {"name": 'a"b\\c\nd'}


async def test_nothing_is_no_family() -> None:
    assert await print_samples("nothing", "w", ("name",), []) == b""


async def test_a_registry_is_printed_whole() -> None:
    registry = CollectorRegistry()
    Counter("first", "w", registry=registry).inc(3)
    Counter("second", "w", ["a"], registry=registry).labels("x").inc()

    text = (await print_registry(registry)).decode()

    assert {family.name for family in text_string_to_metric_families(text)} == {"first", "second"}
    assert "first_total 3.0" in text
    assert "_created" not in text
