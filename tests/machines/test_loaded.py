"""What Ollama, LM Studio and llama-server hold in memory now, by their documented answers and by their processes."""

import sys
import time
from pathlib import Path

import pytest

from advisor.machines import loaded
from tests.models.sources.json_server import json_server
from tests.waiting import wall_clock


def test_what_ollama_says(monkeypatch: pytest.MonkeyPatch) -> None:
    # The example of docs.ollama.com/api/ps.
    row = {
        "name": "gemma3",
        "model": "gemma3",
        "size": 6591830464,
        "digest": "a2af6cc3eb7fa8be8504abaf9b04e88f17a119ec3f04a3addf55f92841195f5a",
        "expires_at": "2025-10-17T16:47:07.93355-07:00",
        "size_vram": 5333539264,
        "context_length": 4096,
    }
    with json_server({"/api/ps": {"models": [row, {"name": 3}, "x"]}}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address.removeprefix("http://"))
        rows = loaded._of_ollama(2)
    assert rows == [loaded.Loaded("Ollama", "gemma3", 6591830464, 5333539264, 4096)]


def test_what_is_loaded_now(monkeypatch: pytest.MonkeyPatch) -> None:
    # Answers as in docs.ollama.com/api/ps and lmstudio.ai/docs/developer/rest/endpoints.
    studio_rows = [
        {"id": "qwen3-8b", "object": "model", "type": "llm", "state": "loaded", "loaded_context_length": 8192},
        {"id": "idle", "object": "model", "type": "llm", "state": "not-loaded", "max_context_length": 131072},
    ]
    with (
        json_server({"/api/ps": {"models": [{"name": "gemma3:latest", "size": 500, "size_vram": 400}]}}) as ollama_server,
        json_server({"/api/v0/models": {"object": "list", "data": studio_rows}}) as studio_server,
    ):
        monkeypatch.setenv("OLLAMA_HOST", ollama_server.address)
        monkeypatch.setattr(loaded, "_LM_STUDIO_PORT", int(studio_server.address.rpartition(":")[2]))
        rows = [row for row in loaded.loaded_now(seconds=60) if row.program != "llama-server"]
    assert rows == [
        loaded.Loaded("LM Studio", "qwen3-8b", None, None, 8192),
        loaded.Loaded("Ollama", "gemma3:latest", 500, 400, None),
    ]
    arguments = ["/usr/bin/llama-server", "-m", "/models/x-Q4_K_M.gguf", "-c", "4096", "--port", "8080"]
    assert loaded._llama_process(arguments, 77) == loaded.Loaded("llama-server", "x-Q4_K_M.gguf", 77, None, 4096)


@wall_clock
def test_nothing_answers_and_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    monkeypatch.setattr(loaded, "_LM_STUDIO_PORT", 9)
    started = time.monotonic()
    assert [row for row in loaded.loaded_now() if row.program != "llama-server"] == []
    assert time.monotonic() - started < 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process maps")
def test_pages_that_a_process_maps_are_counted(tmp_path: Path) -> None:
    import mmap

    import psutil

    file = tmp_path / "weights"
    file.write_bytes(b"\1" * (8 * 2**20))
    before = loaded._mapped(psutil.Process())
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as pages:
        touched = sum(pages[i] for i in range(0, len(pages), mmap.PAGESIZE))
        assert touched == len(pages) // mmap.PAGESIZE
        assert loaded._mapped(psutil.Process()) - before >= 7 * 2**20
