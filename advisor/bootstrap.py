"""From a bare checkout to the running app: makes `.venv`, installs what the lock names, starts the app. Standard library only.

Runs on Linux, macOS and Windows, under whatever Python 3.11 or newer was at hand, before anything is installed.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.file_lock import file_lock

_WINDOWS = os.name == "nt"
_STAMP = "headroom-installed"
_LOG = "headroom-install.log"
# pip's words where no registry answers.
NO_NETWORK = ("NewConnectionError", "name resolution", "getaddrinfo failed", "Max retries exceeded", "ProxyError")
_NOT_FOR_THIS_SYSTEM = ("No matching distribution found", "Could not find a version that satisfies", "Failed to build")


class InstallError(Exception):
    """The checkout could not be made ready; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The virtual environment of a checkout."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.folder / "Scripts" / "python.exe" if _WINDOWS else self.folder / "bin" / "python"

    @property
    def log(self) -> Path:
        return self.folder / _LOG


def main(arguments: Sequence[str]) -> int:
    """`run` or `install`; the exit code: 0, or 3 where something that is needed is missing."""
    options = _parser().parse_args(arguments)
    root = Path(__file__).resolve().parents[1]
    try:
        # An installed wheel has no checkout around it, and has already been installed.
        python = prepare(Environment(root)) if (root / "pyproject.toml").is_file() else Path(sys.executable)
    except InstallError as error:
        print(f"advisor: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    if options.engine:
        start_engine_build(python)
    return 0 if options.command == "install" else _serve(python, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m advisor", description="Start Headroom from a checkout.")
    parser.add_argument(
        "command", choices=["run", "install"], help="run: install what is missing and start; install: only install"
    )
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8501, or the next free one)")
    parser.add_argument("--no-engine", dest="engine", action="store_false", help="do not build the engine in the background")
    return parser


def prepare(environment: Environment) -> Path:
    """The interpreter of an environment in which the checkout is installed as its lock says. Raises InstallError."""
    try:
        with file_lock(environment.root / ".headroom-install.lock", waiting=_tell_of_waiting):
            if _stamp(environment) != _fingerprint(environment):
                _install(environment)
    except PermissionError as error:
        raise InstallError(f"{error.filename} cannot be written; put the checkout in a folder of your own") from None
    return environment.python


def _tell_of_waiting() -> None:
    print("Another start is installing; waiting for it.", flush=True)


def _fingerprint(environment: Environment) -> str:
    """Changes with whatever makes an installation stale: the lock, the project, the Python, the folder it stands in."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((environment.root / name).read_bytes())
    # `home` and `version` of the Python that the environment was made with.
    settings = environment.folder / "pyvenv.cfg"
    digest.update(settings.read_bytes() if settings.is_file() else b"")
    digest.update(str(environment.root).encode())
    return digest.hexdigest()


def _stamp(environment: Environment) -> str | None:
    stamp = environment.folder / _STAMP
    # `exists` follows the link: a Python that was upgraded away leaves a dangling one.
    return stamp.read_text() if environment.python.exists() and stamp.is_file() else None


def _install(environment: Environment) -> None:
    fresh = not _usable(environment.python)
    if fresh:
        _make(environment)
    print("Installing what Headroom needs into .venv: once, about half a minute.", flush=True)
    environment.log.unlink(missing_ok=True)
    try:
        if fresh:
            _renew_pip(environment)
        # --no-compile: modules are compiled as they are first imported, a few seconds instead of a minute for all of them.
        _pip(environment, "install", "--require-hashes", "--no-compile", "-r", str(environment.root / "requirements.lock"))
        _pip(environment, "install", "--no-deps", "--no-index", "--no-build-isolation", "--editable", str(environment.root))
    except _PipError as error:
        if error.reason != "not for this system":
            raise InstallError(error.explain(environment)) from None
        print(
            "The versions of requirements.lock are not all to be had for this system; taking others, unchecked by hash.",
            flush=True,
        )
        try:
            _pip(environment, "install", "--no-compile", "--editable", str(environment.root))
        except _PipError as second:
            raise InstallError(second.explain(environment)) from None
    (environment.folder / _STAMP).write_text(_fingerprint(environment))


def _renew_pip(environment: Environment) -> None:
    """Replace the pip that Python brought by the lock's: measured, it installs the rest in little more than half the time."""
    entry = re.search(
        r"^pip==.*\n(?: .*\n)+", (environment.root / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE
    )
    if entry is None:
        return
    only_pip = environment.folder / "headroom-pip.lock"
    only_pip.write_text(entry[0], encoding="utf-8")
    _pip(environment, "install", "--require-hashes", "--no-compile", "-r", str(only_pip))


def _usable(python: Path) -> bool:
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make(environment: Environment) -> None:
    print(f"Making .venv with Python {sys.version.split()[0]}.", flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", environment.folder], capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        return
    said = made.stdout + made.stderr
    if "ensurepip" in said:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise InstallError(
            f"this Python has no ensurepip, so .venv cannot be made; on Debian and Ubuntu: apt install python{version}-venv"
        )
    last = said.strip().splitlines()[-1] if said.strip() else f"exit code {made.returncode}"
    raise InstallError(f".venv cannot be made in {environment.root}: {last}")


class _PipError(Exception):
    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said

    @property
    def reason(self) -> str:
        if "DO NOT MATCH THE HASHES" in self.said:
            return "hashes"
        if any(mark in self.said for mark in NO_NETWORK):
            return "network"
        if any(mark in self.said for mark in _NOT_FOR_THIS_SYSTEM):
            return "not for this system"
        return "other"

    def explain(self, environment: Environment) -> str:
        log = f"pip's words are in {environment.log}"
        if self.reason == "network":
            return f"the package registry could not be reached; connect (or set HTTPS_PROXY) and start again; {log}"
        if self.reason == "hashes":
            return f"a package is not the one that requirements.lock names, so it was not installed; {log}"
        errors = [line for line in self.said.splitlines() if line.startswith("ERROR")]
        return f"pip failed: {errors[-1].removeprefix('ERROR: ') if errors else 'it gave no reason'}; {log}"


def _pip(environment: Environment, *arguments: str) -> None:
    command = [str(environment.python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    with environment.log.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n{done.stdout}\n")
    if done.returncode != 0:
        raise _PipError(done.stdout)


def start_engine_build(python: Path, *, retry: bool = False) -> None:
    """Start the engine's build in a process of its own, at the lowest priority; it ends at once where the engine is there."""
    command = [str(python), "-m", "advisor.engine.build", "--background", *(["--retry"] if retry else [])]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.IDLE_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    nowhere = subprocess.DEVNULL
    # A session of its own: Ctrl-C in the terminal ends the app and not the build.
    subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True, creationflags=flags)


def _serve(python: Path, options: argparse.Namespace) -> int:
    command = [str(python), "-m", "advisor", "serve"]
    if options.host is not None:
        command += ["--host", options.host]
    if options.port is not None:
        command += ["--port", str(options.port)]
    if not _WINDOWS:
        sys.stdout.flush()
        # The same process goes on as the server, so that signals and exit codes are the server's own.
        os.execv(command[0], command)  # noqa: S606 - a fixed program, no shell
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:
        return 130
