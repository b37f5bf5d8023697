"""Whether a C++ compiler is here, and how to get one. CMake and Ninja need no word: the build fetches them as packages."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MissingCompiler:
    """What a person has to do before the engine can be built."""

    what: str
    command: str | None

    @property
    def sentence(self) -> str:
        how = f"install it with: {self.command}" if self.command else "install it from your system's packages"
        return f"{self.what} is missing; {how}"


Which = Callable[[str], str | None]

# The first of these that is on the PATH names the distribution's family.
_PACKAGE_MANAGERS = {
    "apt-get": "sudo apt install g++",
    "dnf": "sudo dnf install gcc-c++",
    "pacman": "sudo pacman -S gcc",
    "zypper": "sudo zypper install gcc-c++",
    "apk": "sudo apk add build-base linux-headers",
}
_BUILD_TOOLS = (
    "winget install Microsoft.VisualStudio.2022.BuildTools "
    '--override "--quiet --wait --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"'
)


def missing_compiler() -> MissingCompiler | None:
    """None where a C++ compiler is here."""
    if sys.platform == "win32":
        return missing_on_windows(shutil.which, _visual_studio())
    if sys.platform == "darwin":
        return missing_on_macos(developer_tools=_has_developer_tools())
    return missing_on_linux(shutil.which, os.environ.get("CXX"))


def missing_on_linux(which: Which, cxx: str | None) -> MissingCompiler | None:
    """`cxx` is the environment's CXX, which CMake tries first."""
    if any(which(name) for name in ((cxx or "").split()[:1] or []) + ["c++", "g++", "clang++"]):
        return None
    command = next((command for manager, command in _PACKAGE_MANAGERS.items() if which(manager)), None)
    return MissingCompiler("a C++ compiler", command)


def missing_on_macos(*, developer_tools: bool) -> MissingCompiler | None:
    """/usr/bin/c++ exists on every Mac and only asks for the tools, so it proves nothing."""
    return None if developer_tools else MissingCompiler("Apple's command line tools", "xcode-select --install")


def missing_on_windows(which: Which, visual_studio: str | None) -> MissingCompiler | None:
    """`visual_studio` is the folder of an installation with the C++ tools."""
    if visual_studio or which("cl"):
        return None
    return MissingCompiler("Microsoft's C++ Build Tools", _BUILD_TOOLS)


@functools.cache
def _has_developer_tools() -> bool:
    return _output(["xcode-select", "-p"]) is not None


@functools.cache
def _visual_studio() -> str | None:
    programs = os.environ.get("PROGRAMFILES(X86)", r"C:\Program Files (x86)")
    vswhere = Path(programs) / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    tools = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    asked = ["-products", "*", "-requires", tools, "-property", "installationPath"]
    return _output([str(vswhere), *asked]) or None


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
