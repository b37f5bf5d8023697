"""One run at a time on a machine: whoever comes later waits for its turn, and sees what is before it.

A turn is a file with a lock of the system on it, in a folder of this user's; the lock ends with its process, however that dies.
The file's name has the moment at which it came, so that turns are in order, and what runs, so that the queue can be shown.
"""

import contextlib
import platform
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from advisor.errors import MissingPartError
from advisor.file_lock import file_lock, is_locked
from advisor.paths import cache_folder

_POLL_S = 0.2
_SETTLED_NS = 10 * 10**9
"""A file without a lock that is older than this was left behind; a younger one may be about to be locked."""
_LONGEST_NAME = 60


def turns_folder() -> Path:
    """Where the turns of this machine are; a home on a network drive has one for each machine."""
    return cache_folder() / "verify" / f"turns-{platform.node() or 'here'}"


@contextlib.contextmanager
def turn(name: str, *, waiting: Callable[[tuple[str, ...]], None], folder: Path | None = None) -> Iterator[None]:
    """Wait until it is our turn, and hold it.

    `waiting` gets the names of those before us, the running one first, again and again; what it raises gives the turn up.
    Raises MissingPartError where the folder cannot be written.
    """
    folder = folder or turns_folder()
    named = quote(name[:_LONGEST_NAME], safe="")[: 3 * _LONGEST_NAME]
    path = folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}-{named}.turn"
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.callback(path.unlink, missing_ok=True)
            held.enter_context(file_lock(path))
        except OSError as error:
            reason = error.strerror or error
            raise MissingPartError(
                f'the folder "{folder}" cannot be written ({reason}); make room or make it writable'
            ) from None
        while before := [found for found in _living(folder) if found.name < path.name]:
            waiting(tuple(_name(found) for found in before))
            time.sleep(_POLL_S)
        yield


def queue(folder: Path | None = None) -> tuple[str, ...]:
    """What runs or waits on this machine now, the running one first."""
    return tuple(_name(path) for path in _living(folder or turns_folder()))


def _living(folder: Path) -> list[Path]:
    """The turns whose processes live, in order; what others left behind is cleared away."""
    found = []
    for path in sorted(folder.glob("*.turn")):
        if is_locked(path):
            found.append(path)
        elif time.time_ns() - int(path.name.partition("-")[0] or 0) > _SETTLED_NS:
            path.unlink(missing_ok=True)
    return found


def _name(path: Path) -> str:
    return unquote(path.stem.split("-", 2)[-1])
