"""What programs on this machine hold in memory now: models of Ollama, LM Studio and llama-server."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from advisor.errors import LocalServerError
from advisor.machines.held import Held
from advisor.machines.local_server import ask, ollama_server

HELD_SECONDS = 1.5
"""How long a machine waits for what its models hold: a closed port answers at once, a busy machine's server late."""
_LM_STUDIO_PORT = 1234
_LLAMA_SERVER, _OLLAMA = "llama-server", "ollama"
_MOST_LOADED = 64


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that a program holds in memory now. What the program does not say is None."""

    program: str
    """"Ollama", "LM Studio" or "llama-server"."""
    name: str
    memory_bytes: int | None
    """All of it, on GPU and host."""
    gpu_bytes: int | None
    context: int | None
    mapped_bytes: int = 0
    """Of it, pages of the file in system memory that Linux counts as available."""


def loaded_now(*, seconds: float = 0.5) -> tuple[Loaded, ...]:
    """What Ollama, LM Studio and llama-server on this machine hold in memory; those that do not answer are left out."""
    found: list[list[Loaded]] = []

    def look(source: Callable[[float], list[Loaded]]) -> None:
        with suppress(LocalServerError, psutil.Error, OSError):
            found.append(source(seconds))

    threads = [threading.Thread(target=look, args=(one,), daemon=True) for one in (_of_ollama, _of_lm_studio, _of_llama_server)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds + 0.3
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
    rows = [row for rows in found for row in rows]
    return tuple(sorted(rows, key=lambda row: (row.program, row.name)))[:_MOST_LOADED]


def held_now() -> Held:
    """What they hold of this machine, as far as they say it."""
    rows = loaded_now(seconds=HELD_SECONDS)
    return Held(sum(row.gpu_bytes or 0 for row in rows), sum(row.mapped_bytes for row in rows) + _ollama_mapped())


def _ollama_mapped() -> int:
    """What Ollama's processes map of files: a llama-server a model, in older versions `ollama runner`."""
    total = 0
    for process in psutil.process_iter(["name"]):
        name = _program(process)
        if name in (_LLAMA_SERVER, _OLLAMA):
            with suppress(psutil.Error):
                runs_model = _is_ollamas(process) if name == _LLAMA_SERVER else "runner" in process.cmdline()[1:2]
                total += _mapped(process) if runs_model else 0
    return total


def _program(process: psutil.Process) -> str:
    return (process.info["name"] or "").lower().removesuffix(".exe")


def _is_ollamas(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and parent.name().lower().removesuffix(".exe") == _OLLAMA


def _of_ollama(seconds: float) -> list[Loaded]:
    """By /api/ps (docs.ollama.com/api/ps)."""
    address = ollama_server()
    rows = ask(f"{address}/api/ps", seconds=seconds).get("models") if address else None
    return [
        Loaded(
            "Ollama",
            row["name"][:200],
            _size(row.get("size")),
            _size(row.get("size_vram")),
            _context(row.get("context_length")),
        )
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and isinstance(row.get("name"), str)
    ]


def _of_lm_studio(seconds: float) -> list[Loaded]:
    """By its REST API (lmstudio.ai/docs/developer/rest/endpoints), which says what is loaded and not how much it takes."""
    rows = ask(f"http://127.0.0.1:{_LM_STUDIO_PORT}/api/v0/models", seconds=seconds).get("data")
    return [
        Loaded("LM Studio", _text(row.get("id")), None, None, _context(row.get("loaded_context_length")))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and row.get("state") == "loaded"
    ]


def _of_llama_server(_seconds: float) -> list[Loaded]:
    """By its process: the model is an argument, what it takes is the process's own memory (without what lies on GPUs)."""
    found = []
    for process in psutil.process_iter(["name"]):
        if _program(process) != _LLAMA_SERVER:
            continue
        with suppress(psutil.Error):
            if _is_ollamas(process):  # Ollama says more of it
                continue
            found.append(_llama_process(process.cmdline(), process.memory_info().rss, _mapped(process)))
    return found


def _mapped(process: psutil.Process) -> int:
    """RssFile and RssShmem of /proc/PID/status: pages that MemAvailable still counts, unlike those of macOS and Windows."""
    return int(getattr(process.memory_info(), "shared", 0))


def _llama_process(arguments: list[str], rss: int, mapped: int = 0) -> Loaded:
    named = dict(pairwise(arguments))
    model = next((named[flag] for flag in ("-m", "--model", "-hf", "--hf-repo") if flag in named), _LLAMA_SERVER)
    context = next((named[flag] for flag in ("-c", "--ctx-size") if flag in named), "")
    return Loaded(_LLAMA_SERVER, Path(model).name[:200], rss, None, int(context) if context.isdecimal() else None, mapped)


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else "unknown"


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _context(value: object) -> int | None:
    return _size(value) or None
