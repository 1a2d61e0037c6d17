"""Secrets go into real processes that log at DEBUG; all that comes out is searched for each of them."""

import base64
import json
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
import pytest

from tests.canaries.echo import echo_venue
from tests.canaries.sabotage import VARIABLE
from tests.canaries.world import (
    ENGINE,
    ENVIRONMENT,
    World,
    call,
    held_port,
    page,
    processes,
    running_engine,
    running_sandbox,
    speak,
    until,
)

COPIES = 8
TOLD = {
    "key of a refused follower": "canaryRefusedFollowerKey00000001",
    "secret of a refused follower": "canaryRefusedFollowerSecret00001",
    "secret in half a line": "canarySecretOnAMalformedLine0001",
    "secret in unknown parameters": "canarySecretInUnknownParams00001",
    "secret in an unknown method": "canarySecretInAnUnknownMethod001",
    "secret as a name": "canarySecretWhereANameIsDue00001",
    "secret in a reason": "canarySecretInTheReason000000001",
}
"""Given to the engine over its socket, in ways that it refuses or that only look harmless."""
TOLD_BACK = "Signature for this request is not valid"
"""With what a venue that sends keys and signatures back says of a key: an alert repeats it."""
READS = ("status", "health", "tree", "positions", "copies", "followers.list")


@pytest.mark.timeout(240)
@pytest.mark.postgres
def test_no_secret_comes_out_of_an_engine_anywhere(tmp_path: Path, postgres_url: str) -> None:
    with echo_venue() as echo, held_port() as port:
        ledger = with_password(postgres_url)
        world = World(tmp_path / "world", ledger, echo_port=echo.server_address[1], metrics_port=port)
        world.planted |= TOLD
        with running_sandbox(world):
            world.write()
            world.run("followers", "apply", "followers.toml", "--offline")
            with running_engine(world) as engine:
                ask_everything(world, engine.pid)
                until(lambda: echo.signatures and any(TOLD_BACK in it for it in echo.alerts))
        world.planted |= {f"signature {n}": it for n, it in enumerate(sorted(echo.signatures)[:50])}
        world.keep("alerts", "".join(echo.alerts))
        assert ENVIRONMENT["CANARY_EVE_KEY"] in echo.keys_seen
    world.keep("ledger", dump(postgres_url))
    fail_in_every_way(world)

    assert len(world.planted) >= 25
    assert '"level":"debug"' in world.said["log"]
    assert "cannot sign with ***" in world.said["log"]
    assert TOLD_BACK in world.said["alerts"]
    assert "***" in world.said["alerts"]
    assert '"event":"alert.channel"' in world.said["log"]
    assert "Traceback" in world.said["log"]
    assert world.said["log"].count('"event":"copy.finished"') >= COPIES
    found = {
        (what, where)
        for what, secret in world.planted.items()
        for form in forms(secret)
        for where, text in world.said.items()
        if form in text
    }
    assert found == set()


def ask_everything(world: World, pid: int) -> None:
    """Let it work, then ask for all that an operator can see, and say what nobody should."""
    until(lambda: json.loads(world.run("copies", "--json"))["copies"][COPIES:])
    newest = json.loads(world.run("copies", "--json"))["copies"][0]["copy_id"]
    for command in ("status", "tree", "positions", "copies", "followers list"):
        world.run(*command.split())
    world.run("explain", newest)
    world.run("followers", "pause", "alice", "--reason", f"api_secret={TOLD['secret in a reason']}")
    world.run("followers", "resume", "alice")
    world.run("keys", "rotate")
    world.run("restart", "eve")
    world.run("events", "--json", "--from-seq", "1", "--limit", "200", status=None)
    until(lambda: page(world.metrics_port, "/metrics"))
    for path in ("/metrics", "/healthz", "/readyz", f"/{TOLD['secret as a name']}"):
        world.keep(path[:8], page(world.metrics_port, path))
    world.keep("replies", speak(world.socket, *odd_lines()))
    world.keep("processes", processes(pid))


def odd_lines() -> list[bytes]:
    refused = {
        "name": "mallory",
        "exchange": "bybit",
        "api_key": TOLD["key of a refused follower"],
        "api_secret": TOLD["secret of a refused follower"],
        "sizing": {"mode": "fixed_ratio", "ratio": "much"},
    }
    secret = TOLD["secret as a name"]
    return [
        call(1, "followers.apply", request_id="c1", followers=[refused]),
        call(2, "followers.list", api_secret=TOLD["secret in unknown parameters"]),
        call(3, TOLD["secret in an unknown method"]),
        call(4, "followers.apply", request_id="c2", followers=[{**refused, "sizing": secret}]),
        call(5, "followers.apply", request_id="c3", followers=secret),
        call(6, "followers.get", name=secret),
        call(7, "explain", copy_id=secret),
        call(8, "log.level", request_id="c4", level=secret),
        call(9, "shutdown", request_id="c5", mode=secret),
        *(call(n, name) for n, name in enumerate(READS, start=10)),
        b'{"api_secret": "' + TOLD["secret in half a line"].encode() + b'",\n',
    ]


def fail_in_every_way(world: World) -> None:
    """Start where it cannot: what it says on its way out is searched too."""
    world.run("run", status=70, program=ENGINE, **{VARIABLE: "yes"})
    assert "Traceback" in world.said["$ run"]
    config = world.directory / "copytrader.toml"
    right = config.read_text()
    there = urlsplit(world.ledger)
    with held_port() as port:
        away = f"postgresql://postgres:env:CANARY_DB_PASSWORD@127.0.0.1:{port}{there.path}"
        config.write_text(right.replace(world.ledger, away))
        world.run("run", status=69)
    config.write_text(right.replace('"file:keys/master.api_key"', f'"{world.planted["master.api_key"]}"'))
    world.run("run", status=78)
    config.write_text(right.replace("env:CANARY_TELEGRAM", ENVIRONMENT["CANARY_TELEGRAM"]))
    world.run("run", status=78)
    config.write_text(right)
    key = world.planted["newest sealing key"]
    (world.directory / "sealing_keys").write_text(key[:-9])
    world.run("run", status=78)
    (world.directory / "sealing_keys").write_text(key[::-1])
    world.run("run", status=None)


def forms(secret: str) -> set[str]:
    """Return how a secret may be spelled: as it is, in a url, in base64."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], encoded[:-2]}


def with_password(url: str) -> str:
    """Return a ledger's url with a password from the environment; the tests' server asks for none."""
    parts = urlsplit(url)
    user = parts.username or "postgres"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:env:CANARY_DB_PASSWORD@{host}"))


def dump(url: str) -> str:
    """Return every row of every table as text."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
            tables = [name for (name,) in cursor.fetchall()]
            rows: list[str] = []
            for table in tables:
                cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" AS t')
                rows += [text for (text,) in cursor.fetchall()]
    finally:
        connection.close()
    assert any("gAAAAA" in row for row in rows)
    return "\n".join(rows)
