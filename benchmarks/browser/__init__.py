"""A running Headroom and a Chromium for it, for the benchmark of the pages and the screenshots."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = '[data-testid="stApp"][data-test-script-state="notRunning"]'


@contextmanager
def server() -> Iterator[str]:
    """The address of a Headroom that was started for this; it ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        command = [sys.executable, "-m", "advisor", "serve", "--port", str(port)]
        # Reports of its own: what is shown and timed does not depend on those of the person at this computer.
        database = f"sqlite:///{Path(folder) / 'reports.db'}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ADVISOR_DATABASE_URL": database}
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        try:
            while f"127.0.0.1:{port}" not in (Path(folder) / "log").read_text():
                if process.poll() is not None:
                    sys.exit((Path(folder) / "log").read_text())
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        sys.exit(f"no Chromium on the PATH ({', '.join(CHROMIUMS)})")
    with sync_playwright() as play:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        browser = play.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


def settle(page: Page) -> None:
    """Wait until the page has drawn its last line and nothing is being computed."""
    page.get_by_text("Nothing is sent anywhere").wait_for(timeout=60_000)
    page.locator(QUIET).wait_for(timeout=60_000)
    page.wait_for_function("!document.querySelector('[data-stale=\"true\"]')")
