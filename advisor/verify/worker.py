"""A run's own process, `python -m advisor.verify.worker`: one request comes on stdin, events go to stdout, logs to stderr.

It ends when stdin does, whatever it is doing, so that it never outlives the program that started it.
"""

import contextlib
import importlib
import os
import sys
import threading
from pathlib import Path
from typing import TextIO

from advisor.verify.protocol import RunError, RunRequest, Teller

BACKENDS = {
    "llama-cpp": "advisor.verify.backends.llama_cpp",
    "mlx": "advisor.verify.backends.mlx",
    "http": "advisor.verify.backends.http",
    "slices": "advisor.verify.backends.sliced",
}
"""Modules with `run(request, tell)`, which tells the result or raises RunError."""


def main() -> int:
    """Run what is asked; the exit code: 0 measured, 1 failed with a reason."""
    tell = Teller(_own_stdout())
    _first_to_go()
    request = RunRequest.of_line(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        importlib.import_module(BACKENDS[request.backend]).run(request, tell)
    except RunError as error:
        tell.failure(error.kind, str(error))
        return 1
    except MemoryError:
        tell.failure("out of memory", "there was not enough memory; choose a smaller file or a shorter context")
        return 1
    return 0


def _end_with_parent() -> None:
    """Nothing more comes on stdin: when it ends, the parent is gone, and so is this process, in the middle of any call."""
    # Not by Python's buffered stream: a thread that waits in it makes the interpreter abort as it ends.
    while os.read(0, 4096):
        pass
    os._exit(1)


def _first_to_go() -> None:
    """Where memory runs out, the system is to end this process, and neither the desktop nor the app (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _own_stdout() -> TextIO:
    """A stream to the real stdout. What else writes there from here on, the engine's C code above all, goes to stderr."""
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(kept, "w", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
