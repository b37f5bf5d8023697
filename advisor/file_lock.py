"""A lock between processes, by the system's own file locks: freed however the holder dies. Standard library only."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_POLL_S = 0.2


@contextlib.contextmanager
def file_lock(path: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of `path` (made if missing, left there). Waits for another holder; calls `waiting` once if it must."""
    with _open(path) as file:
        told = False
        while not _try(file):
            if waiting is not None and not told:
                waiting()
                told = True
            time.sleep(_POLL_S)
        yield


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock of `path` now. A read-only operation: it makes no file."""
    if not path.exists():
        return False
    try:
        with _open(path) as file:
            return not _try(file)
    except OSError:
        return False


def _open(path: Path) -> IO[bytes]:
    # A lock must not be inherited by the servers that its holder starts: O_CLOEXEC is Python's default here.
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")


def _try(file: IO[bytes]) -> bool:
    try:
        _take(file)
    except OSError:
        return False
    return True
