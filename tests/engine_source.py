"""The engine's source package, for tests that read it: fetched once from the package registry, kept in the user's cache."""

import functools
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from advisor.engine.recipe import PACKAGE, SOURCE_SHA256, VERSION
from advisor.file_lock import file_lock
from advisor.paths import cache_folder


@functools.cache
def source_text(name: str) -> str:
    """The text of a file of the vendored llama.cpp, "common/arg.cpp". Skips the test where the package cannot be had."""
    with tarfile.open(_package()) as package:
        member = package.extractfile(f"llama_cpp_python-{VERSION}/vendor/llama.cpp/{name}")
        assert member is not None
        return member.read().decode()


@functools.cache
def _package() -> Path:
    folder = cache_folder() / "engine-source"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"llama_cpp_python-{VERSION}.tar.gz"
    with file_lock(folder / "lock"):
        if not kept.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                pinned = Path(scratch) / "engine.txt"
                pinned.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SOURCE_SHA256}\n", encoding="utf-8")
                pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE]
                command = [*pip, "--require-hashes", "--dest", scratch, "--requirement", str(pinned)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                fetched = list(Path(scratch).glob("*.tar.gz"))
                if done.returncode or not fetched:
                    pytest.skip(f"the engine's source package cannot be had: {done.stderr.strip()[-200:]}")
                fetched[0].replace(kept)
    return kept
