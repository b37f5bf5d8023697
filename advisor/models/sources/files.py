"""Models in a folder, whatever its layout: `find_models`. Reads names and sizes; opens only small config.json files.

Bounded in depth, count and time. A folder that a link leads back to is entered once, a file that several names lead to is one
model (Hugging Face's cache: snapshots/REVISION/file -> blobs/DIGEST), and a split model is one, by its first part.
"""

import json
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from advisor.errors import MissingPartError, QuestionError
from advisor.models.gguf_split import model_stem, part_of
from advisor.models.metadata import quantization_in_name

Source = Literal["folder", "hugging-face", "ollama", "lm-studio"]
Format = Literal["gguf", "mlx", "safetensors"]
MOST_MODELS = 2000
MOST_ENTRIES = 100_000
DEEPEST = 10
SECONDS = 2.0
_MOST_CONFIG = 2**20
_BESIDE = re.compile(r"mmproj|imatrix|^mtp-|eagle3-|dflash-|dspark-|ggml-vocab-", re.IGNORECASE)
"""Names of GGUF files that are no language model (as llama.cpp common/download.cpp:638-651 tells them apart)."""
_CACHED = re.compile(r"models--(?P<repo>.+?)/snapshots/[^/]+/(?P<path>.+)", re.DOTALL)
_SKIPPED = frozenset({".git", "node_modules", "__pycache__", ".venv", "blobs", ".no_exist"})


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on this machine."""

    name: str
    """As people call it: "llama3.2:3b", "owner/repo/file.gguf", a file's name."""
    text: str
    """What names it in a question: a path, or "ollama:...", "lmstudio:..."."""
    path: str
    source: Source
    format: Format
    size_bytes: int | None
    """All its parts; None where one is missing or cannot be seen."""
    quantization: str | None
    changed_s: float
    """When its file was written last, as `os.stat` has it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. `complete` is False where a limit ended it; `unreadable` counts folders that may not be read."""

    models: tuple[FoundModel, ...]
    complete: bool = True
    unreadable: int = 0


def find_models(folder: Path, *, source: Source = "folder", seconds: float = SECONDS) -> Found:
    """The GGUF and MLX or safetensors models below `folder`, newest first.

    Raises MissingPartError where there is no such folder, QuestionError where it is no folder or may not be read.
    """
    folder = folder.expanduser()
    try:
        status = folder.stat()
    except FileNotFoundError:
        raise MissingPartError(f'there is no folder "{folder}"; check its name') from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise QuestionError(f'the folder "{folder}" cannot be read: {reason}', field="folder") from None
    if not stat.S_ISDIR(status.st_mode):
        raise QuestionError(f'"{folder}" is a file; name the folder that it lies in', field="folder")
    walk = _Walk(time.monotonic() + seconds)
    walk.enter(folder, 0)
    models = [*walk.gguf_models(source), *walk.others(source)]
    named = (replace(model, name=_name(folder, model)) for model in models)
    newest = sorted(named, key=lambda model: (-model.changed_s, model.name))
    return Found(tuple(newest[:MOST_MODELS]), walk.complete and len(newest) <= MOST_MODELS, walk.unreadable)


class _Walk:
    """One search: folders that were entered, files that were seen."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._entered: set[tuple[int, int]] = set()
        self._files: dict[tuple[int, int], tuple[Path, os.stat_result]] = {}
        self._folders: list[tuple[Path, int, float]] = []
        """Folders with a config.json and safetensors: path, bytes of the weights, time of change."""
        self._entries = 0
        self.complete = True
        self.unreadable = 0

    def enter(self, folder: Path, depth: int) -> None:
        """Look into `folder` and what lies below it."""
        if depth > DEEPEST or time.monotonic() > self._until or self._entries > MOST_ENTRIES:
            self.complete = False
            return
        try:
            here = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            self.unreadable += 1
            return
        # Windows gives no inode for a folder of some drives: those are then never taken for entered.
        if here.st_ino and (here.st_dev, here.st_ino) in self._entered:
            return
        self._entered.add((here.st_dev, here.st_ino))
        self._entries += len(entries)
        self._look_for_weights(folder, {entry.name for entry in entries})
        for entry in entries:
            with suppress(OSError, ValueError):
                if entry.name.lower().endswith(".gguf"):
                    self._see(Path(entry.path))
                elif entry.name not in _SKIPPED and entry.is_dir():
                    self.enter(Path(entry.path), depth + 1)

    def _see(self, path: Path) -> None:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size:
            self._files.setdefault((status.st_dev, status.st_ino) if status.st_ino else (0, hash(path)), (path, status))

    def _look_for_weights(self, folder: Path, names: set[str]) -> None:
        weights = [name for name in names if name.endswith(".safetensors")]
        if "config.json" not in names or not weights:
            return
        sizes, changed = 0, 0.0
        with suppress(OSError):
            for name in weights:
                status = (folder / name).stat()
                sizes, changed = sizes + status.st_size, max(changed, status.st_mtime)
            self._folders.append((folder, sizes, changed))

    def gguf_models(self, source: Source) -> Iterator[FoundModel]:
        """Every GGUF model once; parts of a split one counted together."""
        splits: dict[tuple[Path, str, int], list[tuple[int, Path, os.stat_result]]] = {}
        for path, status in self._files.values():
            if _BESIDE.search(path.name):
                continue
            part = part_of(path.name)
            if part is None:
                yield _gguf(path, status.st_size, status.st_mtime, source)
            else:
                splits.setdefault((path.parent, part.stem.lower(), part.parts), []).append((part.number, path, status))
        for (_, _, count), parts in splits.items():
            parts.sort(key=lambda part: part[0])
            if parts[0][0] == 1:
                whole = len(parts) == count
                size = sum(status.st_size for _, _, status in parts) if whole else None
                yield _gguf(parts[0][1], size, parts[0][2].st_mtime, source)

    def others(self, source: Source) -> Iterator[FoundModel]:
        """Folders of MLX and transformers models."""
        for folder, size, changed in self._folders:
            with suppress(OSError, ValueError, RecursionError):
                config = folder / "config.json"
                said = json.loads(config.read_bytes()) if config.stat().st_size <= _MOST_CONFIG else None
                if not isinstance(said, dict) or "model_type" not in said:
                    continue
                bits = said["quantization"].get("bits") if isinstance(said.get("quantization"), dict) else None
                kind: Format = "mlx" if bits is not None or "mlx" in str(folder).lower() else "safetensors"
                label = f"mlx-{bits}bit" if isinstance(bits, int) else None
                yield FoundModel(folder.name, str(folder), str(folder), source, kind, size, label, changed)


def _gguf(path: Path, size: int | None, changed: float, source: Source) -> FoundModel:
    label = quantization_in_name(model_stem(path.name)) or quantization_in_name(path.parent.name)
    return FoundModel(path.name, str(path), str(path), source, "gguf", size, label, changed)


def _name(folder: Path, model: FoundModel) -> str:
    """The path below the searched folder; in Hugging Face's cache "owner/repo/file"."""
    path = Path(model.path)
    inside = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    match = _CACHED.search(path.as_posix() if model.format == "gguf" else f"{path.as_posix()}/")
    if match:
        inside = f"{match['repo'].replace('--', '/')}/{match['path']}".rstrip("/")
    elif model.format != "gguf" and (cached := re.search(r"models--(.+?)/snapshots/", f"{path.as_posix()}/")):
        inside = cached[1].replace("--", "/")
    return inside if inside != "." else path.name
