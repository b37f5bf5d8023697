"""What was read from the hub, kept on this machine's disk: `HubCache`. To lose it costs only time."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from advisor.file_lock import file_lock
from advisor.paths import cache_folder

MOST_BYTES = 512 * 2**20
"""About a hundred headers."""
_MOST_ENTRY = 130 * 2**20
_SUFFIX = ".kept"
_LOCK = "lock"
_DIGEST_BYTES = 32


class HubCache:
    """Bytes by key. Written whole or not at all; an entry that was changed since is thrown away; the oldest go first."""

    def __init__(self, folder: Path | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    @property
    def folder(self) -> Path:
        """Where the entries are; it may not exist yet."""
        return self._folder or cache_folder() / "hub"

    def get(self, *key: str) -> bytes | None:
        """What was put under `key`, else None."""
        path = self._path(key)
        try:
            stored = path.read_bytes() if path.stat().st_size <= _MOST_ENTRY else b""
        except OSError:
            return None
        data = stored[_DIGEST_BYTES:]
        if stored[:_DIGEST_BYTES] != _digest(key, data):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return data

    def put(self, *key: str, data: bytes) -> None:
        """Keep `data`. Where the disk is full or may not be written, nothing is kept."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, prefix="part-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_digest(key, data))
                    file.write(data)
                Path(name).replace(self._path(key))
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            self._trim()

    def _trim(self) -> None:
        """Deletes the entries that were not read for longest, until the rest is small enough; also what a crash left."""
        with file_lock(self.folder / _LOCK):
            found = []
            for path in self.folder.iterdir():
                with contextlib.suppress(OSError):
                    status = path.stat()
                    if path.name.startswith("part-") and status.st_mtime < _an_hour_before(self.folder / _LOCK):
                        path.unlink()
                    elif path.suffix == _SUFFIX:
                        found.append((status.st_mtime, status.st_size, path))
            found.sort(reverse=True)
            total = 0
            for _, size, path in found:
                total += size
                if total > self._most_bytes:
                    with contextlib.suppress(OSError):
                        path.unlink()

    def _path(self, key: tuple[str, ...]) -> Path:
        return self.folder / (hashlib.sha256("\n".join(key).encode(errors="surrogatepass")).hexdigest()[:40] + _SUFFIX)


def _digest(key: tuple[str, ...], data: bytes) -> bytes:
    """Of key and content, so that an entry under another's name is not taken for it."""
    digest = hashlib.sha256("\n".join(key).encode(errors="surrogatepass"))
    digest.update(b"\0")
    digest.update(data)
    return digest.digest()


def _an_hour_before(lock: Path) -> float:
    """By the file system's own clock: the time of the lock file, which is touched here."""
    os.utime(lock)
    return lock.stat().st_mtime - 3600
