import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from advisor import bootstrap
from advisor.bootstrap import Environment, InstallError, prepare

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A checkout with an environment that is installed and up to date."""
    environment = Environment(tmp_path)
    (tmp_path / "requirements.lock").write_text("numpy==2.4.6\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()
    (environment.folder / "pyvenv.cfg").write_text("version = 3.11.7\n")
    (environment.folder / "headroom-installed").write_text(bootstrap._fingerprint(environment))
    return environment


@pytest.fixture
def installed(monkeypatch):
    """The environments that were installed, in order."""
    asked: list[Environment] = []
    monkeypatch.setattr(bootstrap, "_install", asked.append)
    return asked


def test_a_second_start_installs_nothing(checkout, installed):
    assert prepare(checkout) == checkout.python
    assert installed == []


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", ".venv/pyvenv.cfg"])
def test_whatever_makes_an_installation_stale_installs_again(checkout, installed, name):
    with (checkout.root / name).open("a") as file:
        file.write("\n")
    prepare(checkout)
    assert installed == [checkout]


def test_a_python_that_was_removed_installs_again(checkout, installed):
    checkout.python.unlink()
    checkout.python.symlink_to(checkout.root / "gone")
    prepare(checkout)
    assert installed == [checkout]


def test_a_moved_checkout_installs_again(checkout, installed, tmp_path_factory):
    moved = tmp_path_factory.mktemp("elsewhere") / "headroom"
    checkout.root.rename(moved)
    prepare(Environment(moved))
    assert installed == [Environment(moved)]


@pytest.mark.parametrize(
    ("said", "reason", "word"),
    [
        # pip 23.2 and 26.3, their own lines.
        (
            """WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...: Failed to establish a new
connection: [Errno -3] Temporary failure in name resolution')': /simple/altair/
ERROR: Could not find a version that satisfies the requirement altair==6.3.0 (from versions: none)
ERROR: No matching distribution found for altair==6.3.0""",
            "network",
            "connect",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "hashes",
            "not the one that requirements.lock names",
        ),
        ("ERROR: No matching distribution found for pyarrow==26.0.1", "not for this system", "pyarrow==26.0.1"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "other", "No space left"),
        ("", "other", "no reason"),
    ],
)
def test_pips_failures_become_one_sentence(checkout, said, reason, word):
    error = bootstrap._PipError(said)
    assert error.reason == reason
    sentence = error.explain(checkout)
    assert word in sentence
    assert "\n" not in sentence
    assert str(checkout.log) in sentence


def test_a_wrong_hash_never_falls_back_to_unchecked_packages(checkout, monkeypatch):
    asked = []

    def pip(environment, *arguments):
        asked.append(arguments)
        raise bootstrap._PipError("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.")

    monkeypatch.setattr(bootstrap, "_pip", pip)
    monkeypatch.setattr(bootstrap, "_usable", lambda python: True)
    with pytest.raises(InstallError, match="not the one"):
        bootstrap._install(checkout)
    assert len(asked) == 1
    assert "--require-hashes" in asked[0]


def test_a_system_without_the_locked_versions_takes_others(checkout, monkeypatch, capsys):
    asked = []

    def pip(environment, *arguments):
        asked.append(arguments)
        if "--require-hashes" in arguments:
            raise bootstrap._PipError("ERROR: No matching distribution found for pyarrow==26.0.1")

    monkeypatch.setattr(bootstrap, "_pip", pip)
    monkeypatch.setattr(bootstrap, "_usable", lambda python: True)
    bootstrap._install(checkout)
    assert [("--require-hashes" in each) for each in asked] == [True, False]
    assert "unchecked" in capsys.readouterr().out


def test_a_new_environment_gets_the_pip_of_the_lock_and_nothing_else_with_it(checkout, monkeypatch):
    (checkout.root / "requirements.lock").write_text((ROOT / "requirements.lock").read_text())
    asked = []
    monkeypatch.setattr(bootstrap, "_pip", lambda environment, *arguments: asked.append(arguments))
    bootstrap._renew_pip(checkout)
    [[*options, file]] = asked
    assert options == ["install", "--require-hashes", "--no-compile", "-r"]
    lines = Path(file).read_text().splitlines()
    assert lines[0].startswith("pip==")
    assert len(lines) > 1
    assert all(line.startswith("    --hash=sha256:") for line in lines[1:])


def test_a_python_without_ensurepip_says_what_to_install(checkout, monkeypatch):
    said = "The virtual environment was not created successfully because ensurepip is not\navailable."

    def run(command, **_):
        return subprocess.CompletedProcess(command, 1, said, "")

    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    with pytest.raises(InstallError, match=r"apt install python3\.\d+-venv"):
        bootstrap._make(checkout)


def test_a_failure_ends_with_3_and_one_line(monkeypatch, capsys):
    def fail(environment):
        raise InstallError("the disk is full")

    monkeypatch.setattr(bootstrap, "prepare", fail)
    assert bootstrap.main(["run"]) == 3
    assert capsys.readouterr().err == "advisor: the disk is full\n"


@pytest.mark.skipif(os.name == "nt", reason="the same process goes on only where there is exec")
def test_run_hands_host_and_port_on_and_builds_the_engine(monkeypatch):
    ran, built = [], []
    monkeypatch.setattr(bootstrap, "prepare", lambda environment: Path("/env/python"))
    monkeypatch.setattr(bootstrap, "start_engine_build", built.append)
    monkeypatch.setattr(bootstrap.os, "execv", lambda program, command: ran.append(command) or sys.exit(0))
    with pytest.raises(SystemExit):
        bootstrap.main(["run", "--host", "0.0.0.0", "--port", "8600"])
    assert ran == [["/env/python", "-m", "advisor", "serve", "--host", "0.0.0.0", "--port", "8600"]]
    assert built == [Path("/env/python")]
    with pytest.raises(SystemExit):
        bootstrap.main(["run", "--no-engine"])
    assert built == [Path("/env/python")]


OLD = """
import runpy, sys
sys.version_info = (3, 9, 6, "final", 0)
sys.argv = ["advisor", "run", "--port", "8600"]
runpy.run_module("advisor", run_name="__main__")
"""


def test_an_old_python_says_what_is_needed(tmp_path):
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OLD], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("advisor: Headroom needs Python 3.11 or newer and this is 3.9.6")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="the imitated Python is a shell script")
def test_an_old_python_hands_over_to_a_newer_one(tmp_path):
    for name, body in (
        # As a pyenv shim of a version that is not installed.
        ("python3.13", "exit 127"),
        ("python3.12", 'case "$1" in -c) exit 0;; esac; echo "newer $@"'),
    ):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OLD], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "newer -m advisor run --port 8600\n")


def test_the_first_files_load_on_an_old_python():
    for name in ("__init__.py", "__main__.py"):
        ast.parse((ROOT / "advisor" / name).read_text(), feature_version=(3, 7))


def test_nothing_but_the_standard_library_is_needed_before_installing():
    allowed = set(sys.stdlib_module_names) | {"advisor.bootstrap", "advisor.file_lock", "advisor.cli", "__future__"}
    for name in ("__main__.py", "bootstrap.py", "file_lock.py"):
        for node in ast.walk(ast.parse((ROOT / "advisor" / name).read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert set(modules) - allowed - {"collections.abc"} == set(), name
