"""Installs what linting, tests and fuzzing need beyond the app: `python -m tests.prepare lint|test|fuzz`.

`lint` starts the engine's build in the background, so that it goes on meanwhile; `test` waits for its end.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from advisor.bootstrap import start_engine_build

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements-test.lock"
STAMP = Path(sys.prefix) / "headroom-tests-installed"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


def main(what: str) -> int:
    start_engine_build(Path(sys.executable), retry=True)
    _install_packages()
    if what == "fuzz":
        subprocess.run([*PIP, "install", "--quiet", "atheris>=3.0"], check=True)
    if what == "test":
        _install_chromium()
        # Waits for the build that was started above, and prints its steps.
        return subprocess.run([sys.executable, "-m", "advisor.engine.build"], check=False).returncode
    return 0


def _install_packages() -> None:
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    print("Installing what the tests need.", flush=True)
    # --no-deps: the lock names all of them but the engine, which one of the model packages asks for and which is built apart.
    install = ["install", "--quiet", "--no-compile", "--require-hashes", "--no-deps", "--requirement", str(LOCK)]
    subprocess.run([*PIP, *install], check=True)
    STAMP.write_text(wanted)


def _install_chromium() -> None:
    if any(map(shutil.which, CHROMIUMS)):
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print("No Chromium here: the browser tests will be skipped; install it with your system's packages.", flush=True)
        return
    print("Installing Chromium.", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-liberation"]):
        subprocess.run(["apt-get", *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    if sys.argv[1:] not in (["lint"], ["test"], ["fuzz"]):
        sys.exit("python -m tests.prepare lint|test|fuzz")
    sys.exit(main(sys.argv[1]))
