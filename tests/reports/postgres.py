"""A PostgreSQL for tests, of Debian's package: installed where apt and root allow, started in a folder of its own."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"


def programs() -> Path:
    """The folder of initdb and pg_ctl; without them the tests are skipped, but never where they must run."""
    found = _found()
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)
        found = _found()
    if found is None:
        message = "no PostgreSQL here (initdb); as root, apt-get install postgresql"
        (pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip)(message)
    return found


def _found() -> Path | None:
    beside = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return beside[-1].parent if beside else Path(on_path).parent if on_path else None


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of a database server that lives as long as the block; root starts it as the user of the package."""
    bin_ = programs()
    as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    data = folder / "data"
    data.mkdir()
    if as_user:
        for path in (folder, data):
            shutil.chown(path, USER, USER)
        # The folders above belong to pytest, and only root may look into them.
        for path in (*folder.parents,):
            if path.stat().st_mode & 0o001 == 0:
                path.chmod(path.stat().st_mode | 0o011)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=on"
    quiet = {"cwd": folder, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    subprocess.run(
        [*as_user, bin_ / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"], check=True, **quiet
    )
    start = [*as_user, bin_ / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start"]
    subprocess.run(start, check=True, **quiet)
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*as_user, bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=False, **quiet)
