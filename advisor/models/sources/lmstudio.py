"""LM Studio's models: where its folders are, and which model "lmstudio:..." names.

Layout: MODELS/PUBLISHER/REPOSITORY/FILE.gguf, or the repository's folder itself for MLX (lmstudio.ai/docs/app, import-model).
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from advisor.errors import HeadroomError, MissingPartError, QuestionError
from advisor.models.sources.files import SECONDS, FoundModel, find_models

PREFIX = "lmstudio:"
_MOST_SETTINGS = 2**20
_MOST_LISTED = 8


def homes() -> tuple[Path, ...]:
    """LM Studio's own folders on this machine: where ~/.lmstudio-home-pointer leads, ~/.lmstudio, and the older place."""
    home = Path.home()
    found: list[Path] = []
    with suppress(OSError, ValueError):
        pointer = home / ".lmstudio-home-pointer"
        if pointer.stat().st_size < 4096 and (said := pointer.read_text(encoding="utf-8").strip()):
            found.append(Path(said.splitlines()[0].strip()).expanduser())
    return tuple(dict.fromkeys([*found, home / ".lmstudio", home / ".cache" / "lm-studio"]))


def model_folders() -> tuple[Path, ...]:
    """The folders of models that are there: the one chosen in LM Studio's settings ("downloadsFolder"), and the usual ones."""
    settings = [home / "settings.json" for home in homes()] + [folder / "LM Studio" / "settings.json" for folder in _app_data()]
    chosen = [Path(said).expanduser() for file in settings if (said := _downloads_folder(file))]
    usual = [home / "models" for home in homes()]
    found: dict[Path, None] = {}
    for folder in (*chosen, *usual):
        with suppress(OSError, ValueError):
            if folder.is_dir():
                found.setdefault(folder.resolve())
    return tuple(found)


def models(*, seconds: float = SECONDS) -> Iterator[FoundModel]:
    """All models of LM Studio on this machine, looked for so long in each folder."""
    for folder in model_folders():
        with suppress(HeadroomError):
            yield from find_models(folder, source="lm-studio", seconds=seconds).models


def find(text: str) -> FoundModel:
    """The model that "lmstudio:TEXT" names: "publisher/repository/file.gguf", or a part of it that only one model has.

    Raises MissingPartError where there is none, QuestionError naming the choices where there are several.
    """
    wanted = text.strip().strip("/").lower()
    found = list(models())
    if not found:
        raise MissingPartError("LM Studio has no models on this machine; download one in LM Studio, or name the file itself")
    chosen = _matching(found, wanted)
    for mark in (":", "@"):  # LM Studio itself writes "qwen3-8b@q4_k_m"
        if not chosen and mark in wanted:
            name, _, quant = wanted.rpartition(mark)
            chosen = [one for one in _matching(found, name) if (one.quantization or "").lower() == quant]
    if len(chosen) == 1:
        return chosen[0]
    names = [one.name for one in chosen or found]
    listed = ", ".join(names[:_MOST_LISTED]) + (" ..." if len(names) > _MOST_LISTED else "")
    if chosen:
        raise QuestionError(f'"{PREFIX}{text}" may be any of {listed}; name one of them', field="model")
    raise MissingPartError(f'LM Studio has no "{text}" on this machine; it has {listed}')


def _matching(found: list[FoundModel], wanted: str) -> list[FoundModel]:
    """Exact names first, then whole parts of the path, then any part of it."""
    if not wanted:
        return []
    whole = [one for one in found if one.name.lower() in (wanted, f"{wanted}.gguf")]
    parts = [one for one in found if f"/{wanted}/" in f"/{one.name.lower().removesuffix('.gguf')}/"]
    return whole or parts or [one for one in found if wanted in one.name.lower()]


def _app_data() -> list[Path]:
    """Where the app, which is an Electron app, keeps settings of its own."""
    if sys.platform == "darwin":
        return [Path.home() / "Library" / "Application Support"]
    if sys.platform == "win32":
        return [Path(os.environ["APPDATA"])] if "APPDATA" in os.environ else []
    return [Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")]


def _downloads_folder(file: Path) -> str | None:
    with suppress(OSError, ValueError, RecursionError):
        if file.stat().st_size <= _MOST_SETTINGS:
            said = json.loads(file.read_text(encoding="utf-8"))
            folder = said.get("downloadsFolder") if isinstance(said, dict) else None
            return folder if isinstance(folder, str) and folder.strip() else None
    return None
