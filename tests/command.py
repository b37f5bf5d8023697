"""The `advisor` command as another program runs it: a process, with its exit code and what it wrote."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
needs_ctrl_c = pytest.mark.skipif(
    os.name == "nt" or signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
    reason="Ctrl-C is ignored here, and so by what is started",
)


@dataclass(frozen=True)
class Ran:
    """How one run ended."""

    code: int
    out: str
    err: str


def advisor(*arguments: str, stdin: bytes = b"", columns: int = 110, folder: Path = ROOT) -> Ran:
    """Run `advisor` with `arguments` and wait for its end."""
    environment = {**os.environ, "COLUMNS": str(columns), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "advisor", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, env=environment, cwd=folder, check=False)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
