import pytest

from advisor.engine.compiler import missing_on_linux, missing_on_macos, missing_on_windows


def which(*programs):
    return lambda name: f"/usr/bin/{name}" if name in programs else None


@pytest.mark.parametrize("compiler", ["c++", "g++", "clang++"])
def test_any_compiler_will_do(compiler):
    assert missing_on_linux(which(compiler), None) is None


def test_the_compiler_of_cxx_counts_without_its_options():
    assert missing_on_linux(which("g++-13"), "g++-13 -m64") is None
    assert missing_on_linux(which("gcc"), "g++-13") is not None


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "sudo apt install g++"),
        ("dnf", "sudo dnf install gcc-c++"),
        ("pacman", "sudo pacman -S gcc"),
        ("zypper", "sudo zypper install gcc-c++"),
        ("apk", "sudo apk add build-base linux-headers"),
    ],
)
def test_each_distribution_gets_its_own_command(manager, command):
    # A C compiler alone does not build C++.
    missing = missing_on_linux(which("gcc", manager), None)
    assert missing.command == command
    assert missing.sentence == f"a C++ compiler is missing; install it with: {command}"


def test_an_unknown_distribution_gets_no_invented_command():
    missing = missing_on_linux(which(), None)
    assert missing.command is None
    assert missing.sentence == "a C++ compiler is missing; install it from your system's packages"


def test_macs_need_the_command_line_tools_whatever_is_in_usr_bin():
    assert missing_on_macos(developer_tools=True) is None
    assert missing_on_macos(developer_tools=False).command == "xcode-select --install"


def test_windows_needs_the_build_tools():
    assert missing_on_windows(which("cl"), None) is None
    assert missing_on_windows(which(), r"C:\Program Files\Microsoft Visual Studio\2022\BuildTools") is None
    assert "VisualStudio.Workload.VCTools" in missing_on_windows(which(), None).command
