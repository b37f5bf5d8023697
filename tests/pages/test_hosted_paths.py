"""A hosted site reads no files of its own machine: an address that names one is answered in a sentence, and nothing is kept."""

from pathlib import Path

import pytest

from advisor.settings import settings

FILES = "This site reads no files of its own machine; name a model of the catalogue or of the hub, or choose a file of yours."
PROFILES = "This site reads no files of its own machine; name a machine of the list, or describe yours by its numbers."
PATHS = (
    "/etc/passwd",
    "./x.gguf",
    "../../x.gguf",
    "~/x.gguf",
    "C:\\models\\x.gguf",
    "\\\\server\\share\\x",
    "file:///etc/passwd",
)


@pytest.fixture(autouse=True)
def hosted(monkeypatch):
    monkeypatch.setenv("ADVISOR_HOSTED", "1")
    settings.cache_clear()
    yield
    monkeypatch.delenv("ADVISOR_HOSTED")
    settings.cache_clear()


@pytest.fixture
def opened(monkeypatch):
    """The paths that something tried to open or look at."""
    touched = []
    for name in ("open", "stat", "read_bytes", "read_text"):
        real = getattr(Path, name)
        monkeypatch.setattr(
            Path, name, lambda path, *rest, real=real, **more: touched.append(str(path)) or real(path, *rest, **more)
        )
    return touched


def kept_of(app, path):
    """What the session still holds of `path`, but the addresses that the visitor's browser may go back to."""
    held = {name: f"{app.at.session_state[name]}" for name in app.at.session_state if not name.endswith(":addresses")}
    return [name for name, value in held.items() if path in value or repr(path)[1:-1] in value]


@pytest.mark.parametrize("path", [*PATHS, "ollama:llama3", "lmstudio:x"])
def test_a_model_by_path(app, path, opened):
    app.open("model", model=path, machine="rtx-4090")
    assert app.warnings == [f"{FILES} Shown instead: Llama 3.1 8B."]
    assert app.address["model"] == "llama-3.1-8b"
    assert kept_of(app, path) == []
    assert path not in opened


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.toml", "machine.json", "C:\\machine.toml", "file:///etc/passwd"])
def test_a_machine_by_path(app, path, opened):
    app.open("model", model="qwen3-0.6b", machine=path)
    assert app.warnings == [f"{PROFILES} Shown instead: NVIDIA GeForce RTX 3060 12 GB."]
    assert app.address["machine"] == "rtx-3060-12gb"
    assert kept_of(app, path) == []
    assert path not in opened


def test_it_stays_said_when_the_browser_tells_of_its_machine(app):
    app.open("model", model="/etc/passwd", machine="rtx-4090")
    app.at.session_state["headroom:own"] = True
    assert app.run().warnings == [f"{FILES} Shown instead: Llama 3.1 8B."]
    app.at.select_slider(key="run:context").set_value(16384)
    assert app.run().warnings == []


@pytest.mark.parametrize("text", ["owner/repo", "https://huggingface.co/owner/repo", "qwen3-0.6b"])
def test_names_are_no_paths(app, text):
    app.open("model", model=text, machine="rtx-4090")
    assert FILES not in " ".join(app.warnings)
