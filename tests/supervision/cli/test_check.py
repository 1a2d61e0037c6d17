"""`copytrader check` as a process of its own, against sandboxes on loopback and where nothing listens."""

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from exchanges.sandbox.description import SandboxDescription
from exchanges.sandbox.houses import KINDS, House, build_houses
from exchanges.sandbox.rehearsal import run_rehearsal
from model.key_check import DAY_MS
from supervision.cli.app import run_command
from supervision.demo.cast import MASTER, accounts_by_venue, master_account, players
from supervision.rehearsal_files import write_rehearsal

COMMAND_S = 30
ROOT = Path(__file__).parents[3]


@attrs.frozen(kw_only=True)
class Rehearsal:
    """Sandboxes that run, and the files that point an engine at them."""

    directory: Path
    houses: Mapping[str, House]

    @property
    def config(self) -> Path:
        return self.directory / "copytrader.toml"

    @property
    def followers(self) -> Path:
        return self.directory / "followers.toml"

    def account(self, name: str) -> Any:
        (house,) = [it for it in self.houses.values() if name in it.core.accounts]
        return house.core.account(name)

    def allow_no_trading_key(self) -> None:
        lines = self.config.read_text().splitlines()
        strict = [line for line in lines if not line.startswith("allow_trading_key")]
        assert len(strict) == len(lines) - 1
        self.config.write_text("\n".join(strict))

    async def check(self, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        return await command("check", "-c", str(self.config), *arguments, env=env)

    async def json(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        status, out, err = await self.check("--json", *arguments)
        assert out, err
        return status, json.loads(out)


async def command(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    program = "from supervision.cli import main; main()"
    with trio.fail_after(COMMAND_S):
        done = await trio.run_process(
            [sys.executable, "-c", program, *arguments],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **(env or {})},
        )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@asynccontextmanager
async def rehearsal(path: Path) -> AsyncIterator[Rehearsal]:
    """Serve a sandbox of every venue and write the files for it; nothing is in the ledger yet."""
    master, cast = attrs.evolve(master_account(), read_only=True), players()
    descriptions: dict[str, SandboxDescription] = {
        exchange: KINDS[exchange].describe_venue(accounts, 7)
        for exchange, accounts in accounts_by_venue(master, cast).items()
    }
    houses = build_houses(descriptions)
    async with trio.open_nursery() as nursery:
        serve = partial(run_rehearsal, houses, walk_period_s=None)
        endpoints = await nursery.start(serve)
        write_rehearsal(path / "rehearsal", endpoints, master, cast)
        yield Rehearsal(directory=path / "rehearsal", houses=houses)
        nursery.cancel_scope.cancel()


def of(told: Mapping[str, Any], name: str) -> Any:
    (found,) = [it for it in told["accounts"] if it["account"] == name]
    return found


def names(told: Mapping[str, Any]) -> list[str]:
    return [it["account"] for it in told["accounts"]]


def codes(account: Mapping[str, Any], severity: str = "refused") -> set[str]:
    return {it["code"] for it in account["findings"] if it["severity"] == severity}


async def test_everybody_is_fine_from_the_file_and_from_the_ledger_and_nothing_is_left_behind(
    tmp_path: Path,
) -> None:
    async with rehearsal(tmp_path) as world:
        status, told = await world.json("--followers", str(world.followers))
        no_ledger = not (world.directory / "copytrader.db").exists()
        applied = await command(
            "followers", "apply", str(world.followers), "--offline", "-c", str(world.config)
        )
        again, from_ledger = await world.json()
        orders = sum(len(house.core.ledger) for house in world.houses.values())

    assert (status, again, applied[0]) == (0, 0, 0)
    assert no_ledger
    assert names(told) == names(from_ledger)
    assert told["ok"] is True
    assert names(told)[:3] == ["the master", "alice", "bob"]
    assert {it["exchange"] for it in told["accounts"]} == set(world.houses)
    alice = of(told, "alice")
    assert (alice["equity"], alice["verdict"], alice["positions"]) == ("25000", "ok", 0)
    assert alice["key"]["margin_mode"] == "cross"
    assert abs(alice["clock_offset_ms"]) < 1_000
    assert [of(told, name)["position_mode"] for name in ("alice", "bob", "frank")] == [
        "one-way",
        "hedge",
        "one-way",
    ]
    assert {it["exchange"]: it["followers"] for it in told["plan"]}["bybit"] == 3
    assert orders == 0


async def test_each_refusal_is_told_with_its_cure_and_ends_with_77(tmp_path: Path) -> None:
    async with rehearsal(tmp_path) as world:
        soon_ms = world.houses["bybit"].core.now_ms() + 3 * DAY_MS
        world.account("alice").may_withdraw = True
        world.account("bob").read_only = True
        world.account("carol").key_expires_at_ms = soon_ms
        world.account(MASTER).may_transfer = True
        world.houses["hyperliquid"].server._face.directory.revoke_agents("frank")
        status, told = await world.json("--followers", str(world.followers))
        plain = await world.check("--followers", str(world.followers))

    assert (status, plain[0]) == (77, 77)
    assert codes(of(told, "alice")) == {"may_withdraw", "may_transfer"}
    assert codes(of(told, "bob")) == {"read_only"}
    assert codes(of(told, "carol"), "warning") == {"expires_soon"}
    assert codes(of(told, "the master")) == {"may_transfer"}
    assert "cannot_act" in codes(of(told, "frank"))
    assert of(told, "grace")["verdict"] == "ok"
    findings = [it for account in told["accounts"] for it in account["findings"]]
    assert all(it["cure"] for it in findings if it["severity"] == "refused")
    assert "follower alice: refused: the key may withdraw: make a key without" in plain[1]
    assert "follower carol: warning: the key expires in" in plain[1]


async def test_a_trading_key_of_the_master_has_to_be_allowed(tmp_path: Path) -> None:
    async with rehearsal(tmp_path) as world:
        world.account(MASTER).read_only = False
        allowed, told = await world.json()
        world.allow_no_trading_key()
        refused, strictly = await world.json()

    assert (allowed, refused) == (0, 77)
    assert codes(of(told, "the master"), "warning") == {"master_may_trade"}
    assert "allow_trading_key = true" in of(strictly, "the master")["findings"][0]["cure"]


async def test_an_engine_does_not_start_with_a_masters_key_that_trades_and_says_what_to_change(
    tmp_path: Path,
) -> None:
    async with rehearsal(tmp_path) as world:
        world.account(MASTER).read_only = False
        world.allow_no_trading_key()
        apply = ("followers", "apply", str(world.followers), "--offline", "-c", str(world.config))
        applied, _, _ = await command(*apply)
        status, out, err = await command("run", "-c", str(world.config))

    assert (applied, status) == (0, 77)
    assert "the master's key is refused: the master's key is not read-only" in err
    assert "allow_trading_key = true in [master]" in err
    assert "Traceback" not in err
    assert json.loads(out.splitlines()[-1])["event"] == "process.failed"


async def test_a_key_that_is_unknown_a_double_and_one_that_does_not_open(tmp_path: Path) -> None:
    async with rehearsal(tmp_path) as world:
        (world.directory / "keys" / "alice.api_secret").write_text("wrong\n")
        rows = world.followers.read_text().split("[[followers]]")
        (double,) = [row for row in rows if 'name = "bob"' in row]
        twin = double.replace('name = "bob"', 'name = "bobs-twin"')
        other = world.directory / "others.toml"
        await command("followers", "apply", str(world.followers), "--offline", "-c", str(world.config))
        other.write_text("[[followers]]" + twin)
        status, told = await world.json("--followers", str(other))
        env = {"COPYTRADER_SEALING_KEYS": "bm90LXRoZS1rZXktdGhhdC1zZWFsZWQtaXQtMTIzNDU="}
        sealed = await world.check("--json", env=env)

    assert status == 77
    assert codes(of(told, "alice")) == {"not_taken"}
    assert "the key of bob" in of(told, "bobs-twin")["findings"][0]["what"]
    assert sealed[0] == 77
    assert codes(of(json.loads(sealed[1]), "carol")) == {"no_keys"}


async def test_a_venue_that_is_away_ends_with_69_and_the_others_are_checked(tmp_path: Path) -> None:
    async with rehearsal(tmp_path) as world:
        text = world.config.read_text()
        port = text.split('[endpoints.hyperliquid]\nrest = "http://127.0.0.1:')[1].split('"')[0]
        world.config.write_text(text.replace(f"127.0.0.1:{port}", "127.0.0.1:9"))
        status, told = await world.json("--followers", str(world.followers))
        world.account("alice").may_withdraw = True
        both, _ = await world.json("--followers", str(world.followers))

    assert (status, both) == (69, 77)
    assert (of(told, "frank")["verdict"], of(told, "alice")["verdict"]) == ("unreachable", "ok")
    assert of(told, "frank")["trouble"]
    assert told["ok"] is False


async def test_a_wrong_configuration_or_followers_file_is_told_before_anybody_is_asked(
    tmp_path: Path,
) -> None:
    async with rehearsal(tmp_path) as world:
        world.followers.write_text('[[followers]]\nname = "UPPER"\n')
        bad_file = await world.check("--followers", str(world.followers))
        world.config.write_text("[master]\n")
        bad_config = await world.check()

    assert (bad_file[0], bad_config[0]) == (78, 78)
    assert "master.api_key" in bad_config[2]
    assert "Traceback" not in bad_file[2] + bad_config[2]


async def test_no_secret_is_printed(tmp_path: Path) -> None:
    async with rehearsal(tmp_path) as world:
        secrets = [path.read_text().strip() for path in (world.directory / "keys").iterdir()]
        secrets.append((world.directory / "sealing_keys").read_text().strip())
        world.account("alice").may_withdraw = True
        printed = "".join(
            [
                *(await world.check("--followers", str(world.followers)))[1:],
                *(await world.check("--json", "--followers", str(world.followers)))[1:],
            ]
        )

    assert "alice" in printed
    assert not [secret for secret in secrets if secret in printed]


def test_the_planner_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no configuration

    assert run_command(["check", "--plan", "100", "--json"]) == 0
    rows = {it["exchange"]: it for it in json.loads(capsys.readouterr().out)["plan"]}
    assert run_command(["check", "--plan", "5000"]) == 0
    text = capsys.readouterr().out

    assert (rows["bybit"]["fits"], rows["binance"]["fits"], rows["hyperliquid"]["fits"]) == (
        True,
        True,
        False,
    )
    assert "run a second engine behind another address" in text
    assert not list(tmp_path.iterdir())
