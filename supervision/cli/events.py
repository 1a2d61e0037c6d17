"""`copytrader events`."""

import json
from contextlib import aclosing
from typing import Any

import click
import trio

from supervision.cli.options import RunningEngine, engine_options
from supervision.control_client import connect

_OWN = ("seq", "ts", "topic")


@click.command(epilog="Example: copytrader events --topic 'copy.*' --topic master.changed --json")
@click.option("--topic", "topics", multiple=True, help="Name, `noun.*`; may be repeated (default: all).")
@click.option("--from-seq", type=click.IntRange(1), help="Repeat what is still kept from this seq on.")
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@engine_options
def events(
    engine: RunningEngine,
    topics: tuple[str, ...],
    from_seq: int | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Follow what happens, until interrupted: changes, copies, orders, restarts, troubles."""
    trio.run(_follow, engine, topics or ("*",), from_seq, limit, as_json)


async def _follow(
    engine: RunningEngine, topics: tuple[str, ...], from_seq: int | None, limit: int | None, as_json: bool
) -> None:
    count = 0
    async with connect(engine.socket) as client, aclosing(client.events(topics, from_seq=from_seq)) as told:
        async for event in told:
            click.echo(json.dumps(event, ensure_ascii=False) if as_json else _line(event))
            count += 1
            if count == limit:
                return


def _line(event: dict[str, Any]) -> str:
    fields = " ".join(f"{name}={_short(value)}" for name, value in event.items() if name not in _OWN)
    return f"{event.get('ts', '')} {event['topic']} {fields}".strip()


def _short(value: object) -> str:
    if isinstance(value, dict) and "size_after" in value:
        leg = value.get("leg") or {}
        return f"{leg.get('symbol')}:{leg.get('position_idx')} {value['size_before']}->{value['size_after']}"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
