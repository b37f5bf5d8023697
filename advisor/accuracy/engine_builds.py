"""The engine build behind the version that a load log prints: `engine_build`."""

import re
import tomllib
from functools import cache
from importlib.resources import files

_FIRST_PUBLIC_BUILD = 1000
"""Numbers below are counted from a shallow clone ("build: 1 (ebbf544)") and say nothing about the age of the source."""


def engine_build(printed: str | None, date: str | None) -> str | None:
    """What `rules_for` takes for a log that printed `printed` as its version on `date`: "b8179", a date, or None where neither is known.

    Ollama's version stands for the llama.cpp that this release carries, which is months older than the log.
    """
    text = (printed or "").strip()
    ollama = re.match(r"ollama\s+v?(\d+)\.(\d+)\.(\d+)", text, re.IGNORECASE)
    if ollama is not None and (engine := _ollama_engine((int(ollama[1]), int(ollama[2]), int(ollama[3])))) is not None:
        return engine
    number = re.match(r"b?(\d{4,6})\b", text)
    if number is not None and int(number[1]) >= _FIRST_PUBLIC_BUILD:
        return f"b{number[1]}"
    return _full_date(date)


def _full_date(date: str | None) -> str | None:
    """The date with its day: a month alone stands for its middle."""
    if date is None:
        return None
    if re.fullmatch(r"\d{4}-\d{2}", date):
        return f"{date}-15"
    return date if re.fullmatch(r"\d{4}-\d{2}-\d{2}", date) else None


def _ollama_engine(version: tuple[int, int, int]) -> str | None:
    """The engine of the newest listed release that is not newer than `version`; None for development builds ("ollama 0.0.0")."""
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
