"""A worker process and everything it says: started in a session of its own, and ended with all that it started."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from advisor.verify.protocol import RunRequest

COMMAND = (sys.executable, "-m", "advisor.verify.worker")
_KEPT_LINES = 400
_LONGEST_LINE = 2**20
_END_S = 5.0


class Child:
    """One running worker. Raises OSError where it cannot be started."""

    def __init__(self, request: RunRequest, command: Sequence[str] = COMMAND) -> None:
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        """What it told; None at its end."""
        self.said: deque[str] = deque(maxlen=_KEPT_LINES)
        """The last lines of its log."""
        more: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            more = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            encoding="utf-8",
            errors="replace",
            **more,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read_events, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_log, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        assert self._process.stdin is not None
        # It stays open: its end tells the worker that this process is gone. One that dies at once is seen by its events.
        with contextlib.suppress(OSError):
            self._process.stdin.write(request.to_line())
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Its process id, and on POSIX that of its group."""
        return self._process.pid

    def wait(self, seconds: float) -> None:
        """Let it end by itself, for so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def kill(self) -> None:
        """End it and all that it started, at once. Harmless where it has ended."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> int:
        """End it where it runs, let go of its pipes; its exit code."""
        self.kill()
        code = self._process.wait()
        for reader in self._readers:
            reader.join(_END_S)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()
        return code

    def _read_events(self, stream: IO[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline(_LONGEST_LINE):
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        self.events.put(event)
        self.events.put(None)

    def _read_log(self, stream: IO[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline(_LONGEST_LINE):
                self.said.append(line)


def _environment() -> dict[str, str]:
    """This environment, with this package on the path, and without a debugger that an assertion of the engine would start."""
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "GGML_NO_BACKTRACE": "1", "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
