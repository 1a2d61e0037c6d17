"""Reading and writing files that only their owner may see."""

import os
import stat
from pathlib import Path

from supervision.exits import OperatorError, UnsafePermissions

SIZE_MAX = 64 * 1024
SAFE_MODES = "0600 or 0400"


class FileUnreadable(OperatorError):
    """A private file is not there, is no plain file, or cannot be read."""


def read_private_text(path: Path, *, check_mode: bool = True) -> str:
    """Return a small private file's text without the blank space around it.

    Raises: FileUnreadable; UnsafePermissions when others may read it or it belongs to somebody else.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise FileUnreadable(f"{path}: {error.strerror}") from None
    try:
        _check(path, os.fstat(descriptor), check_mode)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(SIZE_MAX + 1)
    finally:
        os.close(descriptor)
    if len(raw) > SIZE_MAX:
        raise FileUnreadable(f"{path}: larger than {SIZE_MAX} bytes")
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        raise FileUnreadable(f"{path}: not UTF-8 text") from None


def write_new_file(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Create a file with ``mode``, whatever the umask; FileExistsError when there is one already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)


def replace_private_text(path: Path, text: str) -> None:
    """Put another text into a private file: all of it, or the file stays as it is. Raises: FileUnreadable."""
    path = path.resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_new_file(beside, text)
        try:
            descriptor = os.open(beside, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileUnreadable(f"{path}: cannot be replaced: {error.strerror}") from None


def _check(path: Path, status: os.stat_result, check_mode: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileUnreadable(f"{path}: not a plain file")
    if not check_mode:
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o177:
        raise UnsafePermissions(f"{path}: mode {mode:04o}, must be {SAFE_MODES}", hint=f"chmod 600 {path}")
    if status.st_uid not in (os.geteuid(), 0):
        raise UnsafePermissions(f"{path}: belongs to uid {status.st_uid}, not to you")
