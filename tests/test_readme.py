"""What README.md tells people to type exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from advisor.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
TYPED = [line.strip() for line in README.splitlines() if line.startswith("    ")]
COMMANDS = [line for line in TYPED if line.startswith("advisor ")]


def test_the_readme_shows_commands():
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_option_exists(line):
    _, name, *rest = line.split()
    command = get_command(app).commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if word.startswith("--")} <= known


def test_every_command_is_in_the_readme():
    assert set(get_command(app).commands) <= {line.split()[1] for line in COMMANDS}


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for line in TYPED for word in re.findall(r"\bmake ([a-z]+)", line)}
    assert {"run", "test"} <= named <= targets


def test_files_and_pictures_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert "://" in target or (ROOT / target).is_file(), target


@pytest.mark.parametrize("command", ["run", "install"])
def test_the_start_without_make_exists(command):
    shown = subprocess.run(
        [sys.executable, "-m", "advisor", command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "{run,install}" in shown.stdout
