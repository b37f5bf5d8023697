"""The engine build behind the version that a load log prints: `engine_build`."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from advisor.memory.builds import build_date

_FIRST_PUBLIC_BUILD = 1000
"""Numbers below are counted from a shallow clone ("build: 1 (ebbf544)") and say nothing about the age of the source."""


def engine_build(printed: str | None, date: str | None, *, ollama_file: bool = False) -> str | None:
    """What `rules_for` takes for a log that printed `printed` as its version on `date`: "b8179", a date, or None for neither.

    Ollama's version stands for the llama.cpp that this release carries, which is months older than the log. `ollama_file` says
    that the model lay in Ollama's store: without a version, its newest engine of that day is taken.
    """
    text = (printed or "").strip()
    ollama = re.match(r"ollama\s+v?(\d+)\.(\d+)\.(\d+)", text, re.IGNORECASE)
    if ollama is not None and (engine := _ollama_engine((int(ollama[1]), int(ollama[2]), int(ollama[3])))) is not None:
        return engine
    number = re.match(r"b?(\d{4,6})\b", text)
    if number is not None and int(number[1]) >= _FIRST_PUBLIC_BUILD:
        return f"b{number[1]}"
    day = _full_date(date)
    if ollama_file and day is not None:
        carried = [engine for _, engine in _ollama_releases() if build_date(engine).isoformat() <= day]
        return carried[-1] if carried else day
    return day


def engine_by_vocabulary(run: Mapping[str, Any], hparams: Mapping[str, Any]) -> str | None:
    """A date whose rules fit a log that names neither build nor date, by the lines that it prints; None where none helps.

    n_outputs_max is printed since June 2026 (https://github.com/ggml-org/llama.cpp/pull/23861), flash_attn as a word since
    August 2025 (pull 15434), kv_unified since July 2025 (pull 14363), is_swa_any since May 2025 (pull 13194), n_swa_pattern in
    March and April 2025 (pull 12373 and after), n_ctx_per_seq since the end of 2024.
    """
    if run.get("n_outputs_max") is not None:
        return "2026-07-01"
    flash = str(run.get("flash_attn", ""))
    if not flash.isdigit() and flash:
        return "2026-01-15" if "n_embd_inp" in hparams else "2025-11-15"
    if run.get("kv_unified") is not None:
        return "2025-08-10"
    if "is_swa_any" in hparams:
        return "2025-06-15"
    if "n_swa_pattern" in hparams:
        return "2025-04-25"
    return "2025-02-15" if run.get("n_ctx_per_seq") is not None else "2024-07-01" if flash else None


def _full_date(date: str | None) -> str | None:
    """The date with its day: a month alone stands for its middle."""
    if date is None:
        return None
    if re.fullmatch(r"\d{4}-\d{2}", date):
        return f"{date}-15"
    return date if re.fullmatch(r"\d{4}-\d{2}-\d{2}", date) else None


def _ollama_engine(version: tuple[int, int, int]) -> str | None:
    """The engine of the newest listed release up to `version`; None for development builds ("ollama 0.0.0")."""
    carried = [engine for release, engine in _ollama_releases() if release <= version]
    return carried[-1] if carried else None


@cache
def _ollama_releases() -> tuple[tuple[tuple[int, int, int], str], ...]:
    table = tomllib.loads((files("advisor.accuracy") / "ollama_engines.toml").read_text(encoding="utf-8"))
    rows = []
    for row in table["release"]:
        major, minor, patch = (int(part) for part in row["ollama"].split("."))
        rows.append(((major, minor, patch), row["engine"]))
    return tuple(sorted(rows))
