"""The wheel, installed into an empty environment and used from another folder: nothing may come from the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.waiting import until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
SHIPPED = {"pages": "pages", ".streamlit": "streamlit", "hardware_profiles": "hardware_profiles"}


def pip(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs' folder of an environment that holds the wheel and, beside it, what the wheel depends on."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / SCRIPTS / Path(sys.executable).name
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    # Dependencies are lent by this environment instead of being installed again. A path file inside a lent folder is not
    # followed, so the checkout that is installed there by such a file stays out of sight.
    lent = sysconfig.get_path("purelib")
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    (own / "lent.pth").write_text(lent + "\n")
    return folder / SCRIPTS


def run(installed, folder, *command, **more):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(installed / command[0]), *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def test_carries_every_file_that_lies_beside_the_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, shipped in SHIPPED.items():
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files, folder
        missing = [
            path for path in files if f"advisor/_shipped/{shipped}/{path.relative_to(ROOT / folder).as_posix()}" not in names
        ]
        assert missing == []


def test_carries_the_package_whole_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(("advisor/_shipped/", "advisor-"))}
    files = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "advisor").rglob("*") if path.is_file() and path.suffix != ".pyc"
    }
    assert names == files


def test_runs_from_its_own_place(installed, tmp_path):
    shown = run(
        installed, tmp_path, "python", "-c", "import advisor.paths as p; print(p.__file__, p.pages_folder(), sep='\\n')"
    )
    package, pages = map(Path, shown.stdout.split("\n")[:2])
    assert package.is_relative_to(installed.parent)
    assert pages.is_relative_to(installed.parent)


def test_detects_this_machine(installed, tmp_path):
    done = run(installed, tmp_path, "advisor", "detect", "--json", timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["memory"]["capacity_bytes"] > 2**28


def test_knows_the_profiles(installed, tmp_path):
    done = run(
        installed, tmp_path, "advisor", "estimate", "llama-3.1-8b", "--quant", "Q4_K_M", "--machine", "rtx-4090", "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["machine"]["id"] == "rtx-4090"


def test_an_unknown_command_is_a_wrong_question(installed, tmp_path):
    done = run(installed, tmp_path, "advisor", "frobnicate")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_every_page_renders(installed, tmp_path):
    script = tmp_path / "render.py"
    script.write_text(
        "from pathlib import Path\n"
        "from streamlit.testing.v1 import AppTest\n"
        "from advisor import paths\n"
        "entry = AppTest.from_file(Path(paths.__file__).with_name('app.py'), default_timeout=60).run()\n"
        "assert not entry.exception, entry.exception\n"
        "pages = sorted(paths.pages_folder().glob('*.py'))\n"
        "assert pages\n"
        "for page in pages:\n"
        "    entry.switch_page(str(page)).run()\n"
        "    assert not entry.exception, (page, entry.exception)\n"
        "    print(page.name)\n"
    )
    done = run(installed, tmp_path, "python", str(script), timeout=180)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted(path.name for path in (ROOT / "pages").glob("*.py"))


def test_serves_health_pages_and_fonts(installed, tmp_path):
    log = tmp_path / "log"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("w") as file:
        command = [str(installed / "advisor"), "serve"]
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=file)
    try:
        until(lambda: "Headroom is at " in log.read_text() or server.poll() is not None)
        assert server.poll() is None, log.read_text()
        address = log.read_text().split("Headroom is at ")[1].split()[0]
        for path, begins in (
            ("/_stcore/health", b"ok"),
            ("/", b"<!"),
            ("/machine", b"<!"),
            ("/app/static/inter.woff2", b"wOF2"),
        ):
            with urllib.request.urlopen(address + path, timeout=10) as answer:
                assert (answer.status, answer.read(len(begins))) == (200, begins), path
    finally:
        server.terminate()
        server.wait(20)
