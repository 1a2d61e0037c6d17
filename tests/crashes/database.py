"""A PostgreSQL server of one's own, to be stopped, killed, frozen and started again."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import psutil
import psycopg2
import trio

from tests.postgres import END_OTHER_SESSIONS, create_database, execute, server_wheel

POLL_S = 0.02


@attrs.define
class Database:
    """The server and the ledger's database in it; what waits runs in a thread."""

    url: str
    _server: Any

    async def stop(self, mode: str) -> None:
        """Stop it as an operator does (``fast``), or as a crash does (``immediate``)."""
        await self._control("stop", "-m", mode)

    async def start(self) -> None:
        """Start it; return when it takes connections."""
        await self._control("start", "-l", str(self._server.log))
        while not await trio.to_thread.run_sync(self._answers):
            await trio.sleep(POLL_S)

    async def end_sessions(self) -> None:
        """Terminate everybody's connections but ours."""
        await trio.to_thread.run_sync(execute, self.url, END_OTHER_SESSIONS)

    def freeze(self) -> None:
        """Let no process of it run, as when its host or its disk hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        postmaster = psutil.Process(int((self._server.pgdata / "postmaster.pid").read_text().split()[0]))
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # a session may end meanwhile
                process.send_signal(number)

    async def _control(self, *arguments: str) -> None:
        await trio.run_process(
            [str(self._server.bin_path / "pg_ctl"), "-w", "-D", str(self._server.pgdata), *arguments],
            user=self._server.system_user,
            capture_stderr=True,
            stdout=-3,
        )

    def _answers(self) -> bool:
        try:
            execute(self.url, "SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True


@contextmanager
def own_database(directory: Path) -> Iterator[Database]:
    """Run a server that nobody else uses; it is gone afterwards."""
    server = server_wheel().get_server(directory / "pgdata", cleanup_mode="delete")
    with server:
        uri = server.get_uri()
        # It is started again without the arguments that it is started with now.
        where = uri.partition("host=")[2]
        execute(uri, f"ALTER SYSTEM SET unix_socket_directories = '{where}'")
        execute(uri, "ALTER SYSTEM SET listen_addresses = ''")
        yield Database(create_database(uri, "ledger"), server)
