"""The socket's file: in a private directory, ours alone, and not taken over from a living engine."""

import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from supervision.control.methods import Caller
from supervision.exits import ExitCode, OperatorError, UnsafePermissions

PATH_BYTES_MAX = 107
BACKLOG = 16
CONNECT_TEST_S = 1.0


class SocketUnusable(OperatorError):
    """The socket cannot be made where the configuration wants it."""

    exit_code = ExitCode.CANNOT_CREATE


class SocketTaken(OperatorError):
    """Another engine listens there."""

    exit_code = ExitCode.TAKEN


@contextmanager
def listening_socket(path: Path) -> Iterator[socket.socket]:
    """Yield a socket that listens at ``path``; its file is gone afterwards.

    Raises: SocketUnusable, SocketTaken, UnsafePermissions.
    """
    _prepare_directory(path)
    with _locked(path), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        _clear_away(path)
        try:
            with connectable(path) as name:
                _bind_privately(listener, name)
        except OSError as error:
            raise SocketUnusable(f"{path}: {error.strerror}") from error
        mine = os.lstat(path)
        try:
            yield listener
        finally:
            _remove_own(path, mine)


@contextmanager
def connectable(path: Path) -> Iterator[str]:
    """Yield a name for ``path`` that fits into a socket address, however long the path is."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def peer_of(connection: socket.socket) -> Caller:
    """Return who is at the other end, as the kernel noted when it connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", raw)
    return Caller(uid=uid, pid=pid)


def may_call(caller: Caller) -> bool:
    """Tell whether this uid may speak to the engine: its own and root."""
    return caller.uid in (os.geteuid(), 0)


def _prepare_directory(path: Path) -> None:
    """Make the directory 0700; one that holds other things too is not ours to change."""
    directory = path.parent
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
        ours = set(os.listdir(directory)) <= {path.name, _lock_of(path).name}
        if stat.S_IMODE(status.st_mode) & 0o077 and ours and status.st_uid == os.geteuid():
            directory.chmod(0o700)
            status = directory.stat()
    except OSError as error:
        raise SocketUnusable(f"{directory}: {error.strerror}") from error
    if status.st_uid not in (os.geteuid(), 0):
        raise UnsafePermissions(f"{directory}: belongs to uid {status.st_uid}, not to you")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UnsafePermissions(
            f"{directory}: others may enter the control socket's directory",
            hint=f"chmod 700 {directory}, or a directory for the socket alone",
        )


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock beside the socket, so that two starts at once do not clear each other away."""
    lock = _lock_of(path)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(lock, flags, 0o600)
    except OSError as error:
        raise SocketUnusable(f"{lock}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SocketTaken(f"{path}: another engine listens here") from None
    finally:
        os.close(descriptor)


def _clear_away(path: Path) -> None:
    """Remove what a dead engine left; refuse whatever else is there."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no socket"
        raise SocketUnusable(f"{path}: {kind} is in the way", hint="remove it, or choose another path")
    if status.st_uid != os.geteuid():
        raise UnsafePermissions(f"{path}: the socket there belongs to uid {status.st_uid}")
    if _answers(path):
        raise SocketTaken(f"{path}: another engine listens here")
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, connectable(path) as name:
        probe.settimeout(CONNECT_TEST_S)
        try:
            probe.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # a full backlog, say: somebody is there
            return True
    return True


def _bind_privately(listener: socket.socket, name: str) -> None:
    before = os.umask(0o177)
    try:
        listener.bind(name)
    finally:
        os.umask(before)
    listener.listen(BACKLOG)


def _remove_own(path: Path, mine: os.stat_result) -> None:
    with suppress(FileNotFoundError):
        now = os.lstat(path)
        if (now.st_dev, now.st_ino) == (mine.st_dev, mine.st_ino):
            path.unlink()
