"""Which server answers at an address, and what it says of itself.

Sources: llama.cpp tools/server/README.md (/props, /completion, timings); Ollama docs/api.md (/api/version, /api/ps, /api/tags,
/api/generate); LM Studio docs "REST API v0" (/api/v0/models); vLLM docs "OpenAI-Compatible Server" (/version, /v1/models).
"""

import contextlib
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Literal

import psutil

from advisor.verify.backends.wire import Wire
from advisor.verify.protocol import RunError

Kind = Literal["llama-server", "ollama", "lm-studio", "vllm", "openai"]
NAMES: dict[Kind, str] = {
    "llama-server": "llama-server",
    "ollama": "Ollama",
    "lm-studio": "LM Studio",
    "vllm": "vLLM",
    "openai": "a server with OpenAI's API",
}
_MOST_MODELS = 1000
_MOST_CONTEXT = 2**28


@dataclass(frozen=True, slots=True)
class Server:
    """What answers at an address. None: it does not say."""

    kind: Kind
    version: str | None = None
    models: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    """Those of its models that are in memory."""
    context: int | None = None
    slots: int | None = None
    model_path: str | None = None
    """Of llama-server: the file that it has loaded."""

    @property
    def named(self) -> str:
        """What it is, with its version."""
        return f"{NAMES[self.kind]} {self.version}" if self.version else NAMES[self.kind]

    def choose(self, asked: str) -> str:
        """The model of this server that `asked` means. Raises RunError where that is not clear."""
        same = [name for name in self.models if _plain(name) == _plain(asked)]
        near = same or [name for name in self.models if asked and _plain(asked) in _plain(name)]
        found = near or list(self.loaded) or list(self.models)
        if len(found) == 1 or same:
            return found[0]
        if not found:
            raise RunError("server", f"{NAMES[self.kind]} has no model; load one there and start again")
        listed = ", ".join(found[:5]) + (" ..." if len(found) > 5 else "")
        raise RunError("refused", f'"{asked[:60]}" is not clear to {NAMES[self.kind]}; name one of its models: {listed}')


def identify(wire: Wire) -> Server:
    """What answers at this address. Raises RunError where nothing does, or no server of language models."""
    for question in (_ollama, _llama_server, _lm_studio, _vllm, _openai):
        found = question(wire)
        if found is not None:
            return found
    raise RunError("server", f"what answers at {wire.base} is no server of language models; check address and port")


def _ollama(wire: Wire) -> Server | None:
    version = wire.info("/api/version")
    if not isinstance(version, dict) or not isinstance(version.get("version"), str):
        return None
    loaded = _rows(wire.info("/api/ps"), "models")
    context = next((_count(row.get("context_length")) for row in loaded), None)
    names = _names(_rows(wire.info("/api/tags"), "models"), "name")
    return Server("ollama", version["version"][:40], names, _names(loaded, "name"), context)


def ollama_memory(wire: Wire, model: str) -> dict[str, Any] | None:
    """What Ollama says that a model takes: in all, and of the GPUs."""
    for row in _rows(wire.info("/api/ps"), "models"):
        size, vram = row.get("size"), row.get("size_vram")
        if row.get("name") == model and isinstance(size, int) and isinstance(vram, int) and 0 <= vram <= size < 2**50:
            return {
                "process_peak_bytes": size - vram,
                "gpu_peak_bytes": vram,
                "basis": "what Ollama says of its memory (/api/ps)",
            }
    return None


def _llama_server(wire: Wire) -> Server | None:
    props = wire.info("/props")
    if not isinstance(props, dict) or not isinstance(props.get("default_generation_settings"), dict):
        return None
    path, build = props.get("model_path"), props.get("build_info")
    path = path if isinstance(path, str) and path not in ("", "none") else None
    names = _names(_rows(wire.info("/v1/models"), "data"), "id")
    return Server(
        "llama-server",
        build[:40] if isinstance(build, str) else None,
        names,
        names if path else (),
        _count(props["default_generation_settings"].get("n_ctx")),
        _count(props.get("total_slots")),
        path,
    )


def _lm_studio(wire: Wire) -> Server | None:
    rows = _rows(wire.info("/api/v0/models"), "data")
    if not rows:
        return None
    texts = [row for row in rows if row.get("type") != "embeddings"]
    loaded = [row for row in texts if row.get("state") == "loaded"]
    context = next((_count(row.get("loaded_context_length")) for row in loaded), None)
    return Server("lm-studio", None, _names(texts, "id"), _names(loaded, "id"), context)


def _vllm(wire: Wire) -> Server | None:
    rows = _rows(wire.info("/v1/models"), "data")
    if not any(row.get("owned_by") == "vllm" for row in rows):
        return None
    version = wire.info("/version")
    said = version.get("version") if isinstance(version, dict) else None
    names = _names(rows, "id")
    context = next((_count(row.get("max_model_len")) for row in rows), None)
    return Server("vllm", said[:40] if isinstance(said, str) else None, names, names, context)


def _openai(wire: Wire) -> Server | None:
    names = _names(_rows(wire.info("/v1/models"), "data"), "id")
    return Server("openai", None, names) if names else None


def server_memory(wire: Wire) -> dict[str, Any] | None:
    """What the process of a server on this computer holds; None where it is elsewhere or the system does not tell."""
    if not wire.is_local:
        return None
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            port = getattr(connection.laddr, "port", None)
            if connection.status == psutil.CONN_LISTEN and port == wire.port and connection.pid:
                process = psutil.Process(connection.pid)
                held = process.memory_info().rss + sum(child.memory_info().rss for child in process.children(recursive=True))
                return {"process_peak_bytes": held, "basis": "resident memory of the server's process"}
    return None


def _rows(found: Any, name: str) -> list[dict[str, Any]]:
    rows = found.get(name) if isinstance(found, dict) else None
    return [row for row in rows[:_MOST_MODELS] if isinstance(row, dict)] if isinstance(rows, list) else []


def _names(rows: list[dict[str, Any]], field: str) -> tuple[str, ...]:
    return tuple(row[field][:300] for row in rows if isinstance(row.get(field), str) and row[field])


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_CONTEXT else None


def _plain(name: str) -> str:
    """A model's name as people compare it: without folder, ending and signs."""
    last = PureWindowsPath(PurePosixPath(name).name).name.lower().removeprefix("ollama:").removesuffix(".gguf")
    return "".join(sign for sign in last.removesuffix(":latest") if sign.isalnum())
