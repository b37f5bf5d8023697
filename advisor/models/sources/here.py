"""Models on this machine, of every program that keeps some. At home only: it reads the disk."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from advisor.errors import HeadroomError
from advisor.models.sources import lmstudio, ollama
from advisor.models.sources.files import Found, FoundModel, find_models
from advisor.models.sources.hub_address import hub_cache_folder

SECONDS = 1.0


def models_here(folders: Iterable[Path] = (), *, seconds: float = SECONDS) -> Found:
    """The models of Ollama, LM Studio, the hub's and llama.cpp's caches and of `folders`; each file once, newest first.

    Raises MissingPartError or QuestionError only for one of `folders`.
    """
    until = time.monotonic() + seconds
    asked = [find_models(folder, seconds=seconds) for folder in folders]
    complete, unreadable = all(found.complete for found in asked), sum(found.unreadable for found in asked)
    models = [model for found in asked for model in found.models]
    for source in (_ollama(), lmstudio.models(seconds=seconds)):
        for model in source:
            if time.monotonic() > until:
                complete = False
                break
            models.append(model)
    for folder in cache_folders():
        with suppress(HeadroomError):
            found = find_models(folder, source="hugging-face", seconds=max(until - time.monotonic(), 0.05))
            complete, unreadable = complete and found.complete, unreadable + found.unreadable
            models += found.models
    once = {_file(model): model for model in reversed(models)}
    return Found(tuple(sorted(once.values(), key=lambda model: (-model.changed_s, model.name))), complete, unreadable)


def cache_folders() -> tuple[Path, ...]:
    """Where huggingface_hub (and with it MLX, vLLM and newer llama.cpp) and llama.cpp itself keep what they downloaded."""
    home = Path.home()
    # fs_get_cache_directory, llama.cpp common/common.cpp
    if sys.platform == "darwin":
        llama = home / "Library" / "Caches" / "llama.cpp"
    elif sys.platform == "win32":
        llama = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "llama.cpp"
    else:
        llama = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "llama.cpp"
    return tuple(dict.fromkeys((hub_cache_folder(), Path(os.environ.get("LLAMA_CACHE") or llama).expanduser())))


def _ollama() -> Iterator[FoundModel]:
    with suppress(OSError):
        yield from ollama.found_models()


def _file(model: FoundModel) -> object:
    """What tells files apart whatever they are called: LM Studio and others link to files of each other."""
    with suppress(OSError):
        status = Path(model.path).stat()
        if status.st_ino:
            return status.st_dev, status.st_ino
    return model.path
