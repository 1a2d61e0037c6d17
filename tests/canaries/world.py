"""A sandbox, an engine and its operator, each a process of its own, with secrets planted everywhere."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from model.ledger.secrets import generate_key
from tests.supervision.cli.test_process import listens

ROOT = Path(__file__).parents[2]
PROGRAM = "from supervision.cli import main; main()"
ENGINE = "from tests.canaries.sabotage import sabotage; sabotage(); " + PROGRAM
WAIT_S = 40.0

ENVIRONMENT = {
    "CANARY_DB_PASSWORD": "canary-Db+pass/word=1",
    "CANARY_TELEGRAM": "8012345678:AAHcanaryTelegramTokenOfTheBot00001",
    "CANARY_TWILIO": "canarytwilioauthtoken0000000000001",
    "CANARY_WEBHOOK": "canary-webhook-password-1",
    "CANARY_EVE_KEY": "canaryEveBinanceApiKey0000000001",
    "CANARY_EVE_SECRET": "canaryEveBinanceSecret0000000001",
}


class World:
    """Where everything is, what was planted, and every text that came out."""

    def __init__(self, directory: Path, ledger: str, *, echo_port: int, metrics_port: int) -> None:
        self.directory = directory
        self.ledger = ledger
        self.metrics_port = metrics_port
        self.echo_port = echo_port
        self.planted = dict(ENVIRONMENT)
        self.said: dict[str, str] = {}

    @property
    def socket(self) -> Path:
        return self.directory / "run" / "copytrader.sock"

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COPYTRADER_")}
        config = str(self.directory / "copytrader.toml")
        return {**kept, **ENVIRONMENT, "PYTHONPATH": str(ROOT), "COPYTRADER_CONFIG": config}

    def start(self, *arguments: str, program: str = PROGRAM, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", program, *arguments],
            env=self.environment() | env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.directory,
        )

    def run(self, *arguments: str, status: int | None = 0, program: str = PROGRAM, **env: str) -> str:
        """Run a command to its end and keep all that it printed."""
        out, err = (process := self.start(*arguments, program=program, **env)).communicate(timeout=WAIT_S)
        self.keep("$ " + " ".join(arguments), out + err)
        assert status is None or process.returncode == status, (arguments, out, err)
        return out

    def keep(self, where: str, text: str) -> None:
        """Keep what came out somewhere."""
        self.said[where] = self.said.get(where, "") + text

    def write(self) -> None:
        """Plant what is planted in files: sealing keys, notify urls, the ledger's password, a follower."""
        config = self.directory / "copytrader.toml"
        keys = [generate_key(), generate_key()]
        (self.directory / "sealing_keys").write_text("\n".join(keys))
        self.planted |= {"newest sealing key": keys[0], "older sealing key": keys[1]}
        for path in sorted((self.directory / "keys").iterdir()):
            self.planted[path.name] = path.read_text().strip().removeprefix("0x")
        text = config.read_text().replace("sqlite:///copytrader.db", self.ledger)
        text = re.sub(r"\[endpoints\.binance\]\n(?:.+\n)*", "", text)
        echo = f"127.0.0.1:{self.echo_port}"
        config.write_text(
            f"""{text}
[endpoints.binance]
rest = "http://{echo}"
stream_ws = "ws://{echo}/private"
market_ws = "ws://{echo}/market"
trade_ws = "ws://{echo}/ws-fapi/v1"
pacing = "none"
[log]
level = "debug"
format = "json"
[metrics]
listen = "127.0.0.1:{self.metrics_port}"
[notify]
urls = ["tgram://env:CANARY_TELEGRAM/1234", "json://user:env:CANARY_WEBHOOK@{echo}/alert",
  "twilio://AC0123456789abcdef0123456789abcdef:env:CANARY_TWILIO@15555550100/15555550101"]
"""
        )
        with (self.directory / "followers.toml").open("a") as followers:
            followers.write(
                '\n[[followers]]\nname = "eve"\nexchange = "binance"\napi_key = "env:CANARY_EVE_KEY"\n'
                'api_secret = "env:CANARY_EVE_SECRET"\n'
            )


@contextmanager
def held_port() -> Iterator[int]:
    """Yield a port on which nobody listens and that nobody else is given; one of ours may listen there."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        yield port


def until(what: Callable[[], Any], *, within_s: float = WAIT_S) -> Any:
    """Return the first true answer."""
    deadline = time.monotonic() + within_s
    while not (answer := what()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return answer


@contextmanager
def running_sandbox(world: World) -> Iterator[None]:
    """Run the venues, with a master that trades, for as long as the block."""
    sandbox = subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM, "sandbox", "--trade-every", "0.7"),
            *("--write-config", str(world.directory)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: (world.directory / "followers.toml").exists())
        yield
    finally:
        sandbox.terminate()
        sandbox.wait(10)


@contextmanager
def running_engine(world: World) -> Iterator[subprocess.Popen[str]]:
    """Run the engine; at the end it drains, and all that it printed is kept."""
    log = world.directory / "log"
    with log.open("w") as out:
        engine = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", ENGINE, "run"],
            env=world.environment(),
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=world.directory,
        )
        try:
            until(lambda: listens(world.socket) or engine.poll() is not None)
            yield engine
            engine.send_signal(signal.SIGTERM)
            engine.wait(WAIT_S)
        finally:
            engine.kill()
            engine.wait()
    world.keep("log", log.read_text())


def speak(path: Path, *lines: bytes) -> str:
    """Send raw lines to a control socket and return all that is answered within a moment."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
        caller.settimeout(2)
        answers = b""
        for line in lines:
            caller.sendall(line)
        try:
            while chunk := caller.recv(65_536):
                answers += chunk
        except TimeoutError:
            pass
    return answers.decode(errors="replace")


def call(number: int, method: str, **params: object) -> bytes:
    """Return a call as a line."""
    line = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(line).encode() + b"\n"


def page(port: int, path: str) -> str:
    """Return a page of the metrics server, whatever its status."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            text: bytes = answer.read()
    except OSError as error:
        read = getattr(error, "read", bytes)
        text = read()
    return text.decode()


def processes(pid: int) -> str:
    """Return what a process listing shows: argv of the engine; argv and environment of what it started."""
    shown = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    for child in Path("/proc").glob("[0-9]*"):
        try:
            status = (child / "status").read_text()
            if f"\nPPid:\t{pid}\n" in status:
                shown += (child / "cmdline").read_text() + (child / "environ").read_text()
        except OSError:
            continue
    return shown
