"""The lock files: every version with its hashes, no index address, and what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ["requirements.lock", "requirements-test.lock"]
_ENTRY = re.compile(
    r"^([a-z0-9][a-z0-9._-]*)==(\S+)( ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def versions(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package, version, _, _ in _ENTRY.findall((ROOT / name).read_text()):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_a_pinned_package_with_hashes_and_nothing_else(name):
    text = (ROOT / name).read_text()
    assert _ENTRY.sub("", text) == ""
    assert len(versions(name)) > 50
    assert "://" not in text


def test_the_lock_holds_all_that_the_project_asks_for():
    locked = versions("requirements.lock")
    for asked in map(Requirement, [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]]):
        assert all(Version(each) in asked.specifier for each in locked[canonicalize_name(asked.name)]), asked


def test_the_tests_lock_holds_all_that_tests_ask_for_and_agrees_with_the_lock():
    locked, tests = versions("requirements.lock"), versions("requirements-test.lock")
    for asked in map(Requirement, PROJECT["project"]["optional-dependencies"]["test"]):
        assert all(Version(each) in asked.specifier for each in tests[canonicalize_name(asked.name)]), asked
    assert {name: each for name, each in tests.items() if name in locked and locked[name] != each} == {}


@pytest.mark.parametrize("name", LOCKS)
def test_the_engine_is_not_locked_here_but_its_needs_are(name):
    # It is built apart, in the background, by its own pin with its own hash.
    locked = versions(name)
    assert "llama-cpp-python" not in locked
    assert {"diskcache", "jinja2", "numpy", "typing-extensions"} <= set(locked)
