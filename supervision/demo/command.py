"""`copytrader demo`: the engine copies a master on a sandbox, live, and is judged at the end."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs
import click
import trio
from rich.console import Console
from rich.live import Live

from exchanges.sandbox import SandboxDescription
from model.amounts import use_money_context
from supervision.demo.cast import Player, accounts_by_venue, master_account, players
from supervision.demo.history import BadHistory, History, load_history
from supervision.demo.market import describe_venues
from supervision.demo.replay import acts_of, describe_history, equity_for, scaled
from supervision.demo.script import Act, prepare, session
from supervision.demo.settling import ask_followers, wait_ready, wait_settled
from supervision.demo.stage import Stage, open_stage
from supervision.demo.table import Scene, draw
from supervision.demo.verdict import Verdict, judge
from supervision.demo.watch import Watch
from supervision.exits import ExitCode, OperatorError

READY_S = 30.0
SETTLE_S = 60.0
REDRAW_S = 0.2
SESSION_PACE_S = 0.8
REPLAY_PACE_S = 0.01
ANSWER_S = 0.1
"""How long a replay waits for the answers to one order of the master."""


class HistoryRefused(OperatorError):
    """The file to replay cannot be read."""

    exit_code = ExitCode.BAD_DATA


@attrs.frozen(kw_only=True)
class Play:
    """What is played, before whom, and how fast."""

    acts: Sequence[Act]
    venues: Mapping[str, SandboxDescription]
    """By exchange."""
    players: tuple[Player, ...]
    pace_s: float
    is_replay: bool


@click.command()
@click.option(
    "--replay", type=click.Path(path_type=Path), help="Drive the master with a trader's userFills JSON (.gz)."
)
@click.option("--pace", type=click.FloatRange(0, 60), help="Seconds between two acts [0.8; a replay: 0.01].")
@click.option("--json", "as_json", is_flag=True, help="No live table; print the summary as JSON.")
def demo(replay: Path | None, pace: float | None, as_json: bool) -> int:
    """Show the engine copying a master to followers on three venues, on sandboxes: no account, no network.

    The master opens, scales in, takes profit, hedges, flips and closes. In between its socket is cut and a
    follower is crashed on purpose. The exit status is 0 only if every follower ends within one lot of its
    target, no order was sent twice and every change has an outcome; else 70.

    \b
    Examples:
      copytrader demo
      copytrader demo --json --pace 0.2
      copytrader demo --replay fills.json.gz
    """
    use_money_context()
    play = _session(pace) if replay is None else _replay(replay, pace, quiet=as_json)
    with tempfile.TemporaryDirectory(prefix="copytrader-demo-") as directory:
        verdict = trio.run(_run, play, Path(directory), None if as_json else Console())
    if as_json:
        click.echo(json.dumps(verdict.to_json(), indent=2))
    else:
        _print_verdict(verdict)
    return ExitCode.OK if verdict.ok else ExitCode.INTERNAL


def _session(pace: float | None) -> Play:
    cast = players()
    return Play(
        acts=session(),
        venues=describe_venues(accounts_by_venue(master_account(), cast)),
        players=cast,
        pace_s=SESSION_PACE_S if pace is None else pace,
        is_replay=False,
    )


def _replay(path: Path, pace: float | None, *, quiet: bool) -> Play:
    history = _load(path)
    if not quiet:
        _print_history(path, history)
    equity = equity_for(history)
    cast = scaled(players(), equity)
    return Play(
        acts=tuple(acts_of(history)),
        venues=describe_history(history, accounts_by_venue(master_account(equity), cast)),
        players=cast,
        pace_s=REPLAY_PACE_S if pace is None else pace,
        is_replay=True,
    )


def _load(path: Path) -> History:
    try:
        history = load_history(path)
    except OSError as error:
        raise HistoryRefused(f"{path}: {error.strerror or error}") from error
    except BadHistory as error:
        raise HistoryRefused(str(error), hint="it takes the JSON answer of userFills") from error
    if not history.orders:
        raise HistoryRefused(f"{path}: no perpetual trades in it")
    return history


async def _run(play: Play, directory: Path, console: Console | None) -> Verdict:
    began = trio.current_time()
    watch = Watch()
    async with open_stage(directory, play.venues, play.players) as stage, trio.open_nursery() as nursery:
        if not play.is_replay:
            prepare(stage)
        nursery.start_soon(watch.run, stage.bus)
        show = _Show(stage, watch)
        if console is not None:
            nursery.start_soon(show.show, console)
        ready = await wait_ready(stage, READY_S)
        if ready:
            await show.play(play.acts, play.pace_s, in_step=play.is_replay)
        settled = ready and await wait_settled(stage, SETTLE_S)
        verdict = judge(stage, watch, seconds=trio.current_time() - began, settled=settled)
        await show.end()
        nursery.cancel_scope.cancel()
    return verdict


class _Show:
    """Plays the acts, and draws what comes of them."""

    def __init__(self, stage: Stage, watch: Watch) -> None:
        self._stage = stage
        self._watch = watch
        self._scene = Scene("waits for the engine")
        self._over = False
        self._closed = trio.Event()
        self._shown = False

    async def play(self, acts: Sequence[Act], pace_s: float, *, in_step: bool = False) -> None:
        """Let every act happen, ``pace_s`` apart; ``in_step`` waits until everybody has answered it."""
        for number, act in enumerate(acts, start=1):
            self._scene = Scene(act.title, f"act {number} of {len(acts)}")
            act.do(self._stage)
            if in_step:
                with trio.move_on_after(ANSWER_S):
                    await self._watch.wait_answered(changes=number, followers=len(self._stage.players))
            await trio.sleep(pace_s)
        self._scene = Scene("the session is over", "waits for the last copies")

    async def show(self, console: Console) -> None:
        """Draw until the end; the last picture stays."""
        self._shown = True
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                over = self._over
                scene = attrs.evolve(self._scene, progress="at rest") if over else self._scene
                statuses = await ask_followers(self._stage)
                live.update(
                    draw(self._stage, self._watch, statuses, scene, width=console.width), refresh=True
                )
                if over:
                    break
                await trio.sleep(REDRAW_S)
        self._closed.set()

    async def end(self) -> None:
        """Draw the last picture."""
        self._over = True
        if self._shown:
            await self._closed.wait()


def _print_history(path: Path, history: History) -> None:
    skipped = ", ".join(f"{count} {kind}" for kind, count in sorted(history.skipped.items())) or "none"
    click.echo(f"{path.name}: {len(history.orders)} orders, {history.fills} fills; rows skipped: {skipped}")


def _print_verdict(verdict: Verdict) -> None:
    it = verdict.summary
    click.echo()
    click.echo(
        f"{it['changes']} changes of the master, {it['orders']['sent']} follower orders, {it['seconds']} s; "
        f"copies: {_counts(it['copies'])}"
    )
    if it["skips"]:
        click.echo(f"not copied: {_counts(it['skips'])}")
    click.echo(
        "every follower is within one lot of its target and on the master's side; nothing was sent twice; "
        "every change has an outcome"
        if verdict.ok
        else "\n".join(("NOT AS IT MUST BE:", *verdict.problems))
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(_words(counts.items())) or "none"


def _words(items: Iterable[tuple[str, int]]) -> Iterable[str]:
    return (f"{count} {name}" for name, count in sorted(items))
