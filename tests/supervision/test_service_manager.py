"""What systemd is told, over a real datagram socket; and a loop that stands still."""

import socket
from pathlib import Path

import pytest
import structlog
import trio

from supervision.loop_lag import LagProbe
from supervision.service_manager import ServiceManager


def test_states_arrive_as_one_datagram(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(1)

        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}).tell("READY=1", "STATUS=copying")

        assert systemd.recv(100) == b"READY=1\nSTATUS=copying"


def test_words_of_a_venue_are_no_states(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}).tell("STATUS=bad\nWATCHDOG=trigger")

        assert manager.recv(4096) == b"STATUS=bad WATCHDOG=trigger"


@pytest.mark.parametrize("place", ["", "/nowhere/at/all"])
def test_a_deaf_service_manager_is_no_error(place: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": place}).tell("READY=1")


@pytest.mark.parametrize(
    ("env", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_when_it_names_us(env: dict[str, str], watchdog_s: float | None) -> None:
    assert ServiceManager(env).watchdog_s == watchdog_s


async def test_a_stall_is_told_once_a_minute_with_a_count(autojump_clock: trio.abc.Clock) -> None:
    probe = LagProbe(stall_s=0.25)

    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            probe.take(0.4)
        await trio.sleep(61)
        probe.take(0.1)
        probe.take(0.3)

    assert [line["stalls"] for line in lines] == [1, 3]
    assert (probe.lag_s, probe.worst_s) == (0.3, 0.4)


async def test_the_probe_sees_a_loop_that_stood_still() -> None:
    import time

    probe = LagProbe(period_s=0.01, stall_s=10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(probe.run)
        await trio.testing.wait_all_tasks_blocked(0.001)
        time.sleep(0.08)  # noqa: ASYNC251 - the stall
        await trio.sleep(0.03)
        nursery.cancel_scope.cancel()

    assert probe.worst_s > 0.05
