"""`python -m advisor`: `run` and `install` from a bare checkout, before anything is installed; else the `advisor` command.

This file must load on any Python 3: an old one is answered with a newer one, or with a sentence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_NEEDED = (3, 11)
_NAMES = ("python3.13", "python3.12", "python3.14", "python3.11")


def _newer_python() -> list[str] | None:
    """The command of a Python on this machine that is new enough, tried by running it (a pyenv shim may lead nowhere)."""
    commands = [[path] for path in map(shutil.which, _NAMES) if path]
    launcher = shutil.which("py")
    if launcher:
        commands.append([launcher, "-3"])
    check = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))"
    for command in commands:
        try:
            found = subprocess.run([*command, "-c", check], capture_output=True, timeout=10, check=False).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            found = False
        if found:
            return command
    return None


def _with_newer_python() -> int:
    newer = _newer_python()
    if newer is None:
        version = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write(
            "advisor: Headroom needs Python 3.11 or newer and this is %s (%s); install one (from python.org, or with "  # noqa: UP031
            "apt, brew or winget) and run it with -m advisor run\n" % (version, sys.executable)
        )
        return 3
    return subprocess.call([*newer, "-m", "advisor", *sys.argv[1:]], cwd=os.getcwd())  # noqa: PTH109 - pathlib is younger


def _start() -> int | None:
    if sys.version_info < _NEEDED:
        return _with_newer_python()
    if sys.argv[1:2] and sys.argv[1] in ("run", "install"):
        from advisor.bootstrap import main as bootstrap

        return bootstrap(sys.argv[1:])
    try:
        from advisor.cli import main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("advisor"):
            raise
        sys.stderr.write('advisor: %s is not installed for this Python; start with "python -m advisor run"\n' % error.name)  # noqa: UP031
        return 3
    main()
    return None


if __name__ == "__main__":
    sys.exit(_start())
