"""The server's own routes without Streamlit, in this process, as `serve` puts them together; and the whole, hosted."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.testclient import TestClient

from advisor.serve import server_layers, server_routes

HOST = "headroom.test"
ROOT = Path(__file__).resolve().parents[2]


def site() -> Starlette:
    """API, shared reports and limits, by the settings of this process."""
    return Starlette(routes=server_routes(), middleware=server_layers([HOST]))


def client(**more) -> TestClient:
    """A visitor; errors of the server are answers, as outside of tests."""
    return TestClient(site(), base_url=f"http://{HOST}", raise_server_exceptions=False, **more)


@contextlib.contextmanager
def serving(folder, **more):
    """The address of a hosted server in a process of its own, with its reports in `folder`; it ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ADVISOR_DATABASE_URL": f"sqlite:///{folder / 'reports.sqlite'}",
        **more,
    }
    log = folder / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "advisor", "serve", "--hosted", "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, env=environment)
    try:
        deadline = time.monotonic() + 60
        while f"127.0.0.1:{port}" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        assert "Traceback" not in log.read_text()
    finally:
        process.terminate()
        process.wait(20)
