"""With every connection but loopback refused, all commands and all pages answer, and none even tries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = """
import sys
from streamlit.testing.v1 import AppTest
from advisor.paths import pages_folder

app = AppTest.from_file(sys.argv[1], default_timeout=120)
app.query_params["machine"] = "rtx-4090"
app.run()
assert not app.exception, app.exception
for page in sorted(pages_folder().glob("*.py")):
    app.switch_page(str(page)).run()
    assert not app.exception, app.exception
    assert any("Nothing is sent" in caption.value for caption in app.caption), page
    print("drawn", page.name)
"""


@pytest.fixture
def offline(tmp_path):
    """Runs Python without a network; afterwards nothing may have been refused."""
    report = tmp_path / "refused"
    path = os.pathsep.join((str(ROOT / "tests" / "refuse_network"), str(ROOT)))

    def run(*arguments, expected=0):
        environment = {**os.environ, "PYTHONPATH": path, "HEADROOM_REFUSED": str(report)}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == expected, done.stderr[-2000:]
        return done.stdout

    yield run
    assert not report.exists(), report.read_text()


def test_the_test_would_notice(offline, tmp_path):
    code = "import urllib.request as u\ntry: u.urlopen('http://192.0.2.1/')\nexcept OSError as e: print(e)"
    assert "no network in this test" in offline("-c", code)
    assert (tmp_path / "refused").read_text() == "resolve 192.0.2.1\n"
    (tmp_path / "refused").unlink()


def test_loopback_is_left_alone(offline):
    code = (
        "import socket as s\na = s.create_server(('127.0.0.1', 0))\ns.create_connection(a.getsockname()).close()\nprint('open')"
    )
    assert offline("-c", code) == "open\n"


@pytest.mark.parametrize(
    "command",
    [
        ["detect"],
        ["fit", "--machine", "rtx-4090"],
        ["estimate", "llama-3.1-8b", "--quant", "Q4_K_M", "--machine", "rtx-4090"],
    ],
    ids=lambda command: command[0],
)
def test_commands_ask_nobody(offline, command):
    assert json.loads(offline("-m", "advisor", *command, "--json"))


def test_pages_ask_nobody(offline):
    drawn = offline("-c", PAGES, str(ROOT / "advisor" / "app.py"))
    for page in ("what_can_i_run.py", "model.py", "machine.py"):
        assert f"drawn {page}" in drawn
