"""A running Headroom in a process of its own, for tests that need the whole of it."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import until

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def serving(folder, *options, **environment):
    """The address of `advisor serve` with these options, started in `folder`; it ends with the block.

    Its log goes to a file, because a full pipe would stop it; a traceback in it fails the test.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "advisor", "serve", *options, "--port", str(port)]
        own = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, env=own)
    try:
        until(lambda: f"127.0.0.1:{port}" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
        assert "Traceback" not in log.read_text()
    finally:
        process.terminate()
        process.wait(20)


def hosted(folder, **environment):
    """As `serving`, for visitors from elsewhere, with its reports in `folder`."""
    return serving(folder, "--hosted", **{"ADVISOR_DATABASE_URL": f"sqlite:///{folder / 'reports.sqlite'}", **environment})
