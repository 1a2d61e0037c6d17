"""What watches beside the engine: the service manager is told, watchers fail alone, threads compute alike."""

from decimal import Decimal, FloatOperation, getcontext
from pathlib import Path

import pytest
import trio

from actors.messages import Describe
from actors.pairing import Pairing
from model.amounts import use_money_context
from supervision.run import _beside
from supervision.service_manager import ServiceManager
from supervision.service_notices import tell_service_manager
from supervision.supervisor import SupervisorExhausted
from tests.supervision.engine_house import engine_house, make_row


class Heard(ServiceManager):
    """A service manager that remembers, with a watchdog of 30 s."""

    def __init__(self) -> None:
        super().__init__({"NOTIFY_SOCKET": "/none", "WATCHDOG_USEC": "30000000"})
        self.states: list[tuple[float, str]] = []

    def tell(self, *states: str) -> None:
        self.states += [(trio.current_time(), state) for state in states]

    def times_of(self, state: str) -> list[float]:
        return [at for at, told in self.states if told == state]


async def test_ready_is_told_once_when_reconciled_and_the_watchdog_is_fed(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    manager = Heard()
    async with engine_house(tmp_path, make_row("alice")) as house, trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(tell_service_manager, house.desk, manager)
        await trio.sleep(35)
        house.desk.stop.ask(now=False)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    (ready,) = manager.times_of("READY=1")
    assert ready - began < 5
    assert [at - began for at in manager.times_of("WATCHDOG=1")] == pytest.approx([0, 10, 20, 30])
    assert "STATUS=ready: copying" in [state for _, state in manager.states]
    assert len(manager.times_of("STOPPING=1")) == 1


async def test_ready_is_told_after_a_minute_although_the_venue_is_away(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    manager = Heard()
    async with engine_house(tmp_path, make_row("alice")) as house, trio.open_nursery() as nursery:
        house.venue.away = True
        house.venue.of("master-key").drop_streams()
        nursery.start_soon(tell_service_manager, house.desk, manager)
        await trio.sleep(55)
        early = list(manager.states)
        await trio.sleep(15)
        nursery.cancel_scope.cancel()

    assert "READY=1" not in [state for _, state in early]
    assert len(manager.times_of("READY=1")) == 1
    assert any(state.startswith("STATUS=degraded: master") for _, state in manager.states)


async def test_an_actor_that_cannot_even_be_cancelled_starves_the_watchdog(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    manager = Heard()
    async with engine_house(tmp_path, make_row("alice")) as house, trio.open_nursery() as nursery:
        await house.until_ready()
        nursery.start_soon(tell_service_manager, house.desk, manager)
        stuck = trio.CancelScope(shield=True)

        async def hang(self: Pairing, message: object) -> object:
            with stuck:
                await trio.sleep_forever()
            return None

        began = trio.current_time()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Pairing, "on_receive", hang)
            house.engine.address("pairing").tell(Describe())
            await trio.sleep(200)
        fed = [at - began for at in manager.times_of("WATCHDOG=1")]
        stuck.cancel()
        nursery.cancel_scope.cancel()

    assert 80 <= max(fed) <= 100


async def test_a_status_shows_no_secret(
    tmp_path: Path, autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = Heard()
    async with engine_house(tmp_path, make_row("alice")) as house, trio.open_nursery() as nursery:
        await house.until_ready()
        house.words.master = "signature=abcdef0123456789"
        house.venue.away = True
        house.venue.of("master-key").drop_streams()
        await trio.sleep(35)
        nursery.start_soon(tell_service_manager, house.desk, manager)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert any(state.startswith("STATUS=degraded: master") for _, state in manager.states)
    assert not any("abcdef" in state for _, state in manager.states)


async def test_a_watcher_that_fails_begins_again_and_brings_nobody_down(
    autojump_clock: trio.abc.Clock,
) -> None:
    tries = 0

    async def watch() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ZeroDivisionError
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_beside, watch)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()

    assert tries == 3


def test_worker_threads_and_tasks_compute_in_the_money_context() -> None:
    def in_thread() -> tuple[int, bool]:
        return getcontext().prec, bool(getcontext().traps[FloatOperation])

    async def main() -> list[tuple[int, bool]]:
        found = [await trio.to_thread.run_sync(in_thread), in_thread()]

        async def task() -> None:
            found.append(await trio.to_thread.run_sync(in_thread))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)
        return found

    use_money_context()

    assert trio.run(main) == [(50, True)] * 3
    assert Decimal(1) / 3 == Decimal("0." + "3" * 50)


def test_a_root_that_gave_up_ends_with_70_and_a_traceback_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from supervision.cli import app

    def gave_up(*arguments: object, **options: object) -> None:
        raise SupervisorExhausted("root: signature=0123456789")

    monkeypatch.setattr(app.app, "main", gave_up)

    assert app.run_command(["run"]) == 70
    err = capsys.readouterr().err
    assert "SupervisorExhausted: root: signature=***" in err
