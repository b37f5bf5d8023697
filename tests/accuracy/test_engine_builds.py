"""Versions as public load logs print them, and the engine whose rules apply."""

import pytest

from advisor.accuracy.engine_builds import engine_build


@pytest.mark.parametrize(
    ("printed", "date", "engine"),
    [
        ("8179 (ecbcb7ea9) with Clang 19.1.5 for Windows x86_64", "2026-03-01", "b8179"),
        ("b9010-d05fe1d7d", "2026-05-03", "b9010"),
        ("b10568..b10615", "2026-08-25", "b10568"),
        ("b1-e77056f", "2026-05-05", "2026-05-05"),
        ("1 (ebbf544) with GNU 13.3.0 for Linux x86_64", "2026-04-15", "2026-04-15"),
        # https://github.com/ollama/ollama Makefile.sync at v0.15.2 and v0.22.1: still the llama.cpp of December 2025.
        ("ollama 0.15.2", None, "2025-12-17"),
        ("ollama 0.22.1", "2026-05-28", "2025-12-17"),
        # The same file at v0.9.6: llama.cpp of May 2025, in a log of January 2026.
        ("ollama 0.9.6", "2026-01-06", "2025-05-13"),
        ("ollama 0.30.3", "2026-06-03", "b9479"),
        ("ollama 0.0.0", "2025-02-01", "2025-02-01"),
        ("", "2026-02-08", "2026-02-08"),
        (None, "2026-05", "2026-05-15"),
        (None, None, None),
    ],
)
def test_engine_build(printed: str | None, date: str | None, engine: str | None) -> None:
    """An Ollama log is months younger than its engine; a shallow clone's build number says nothing."""
    assert engine_build(printed, date) == engine


def test_log_of_ollama_without_version() -> None:
    """A model in Ollama's store was run by the engine that Ollama carried on that day."""
    assert engine_build("", "2026-02-08", ollama_file=True) == "2025-12-17"
    assert engine_build(None, None, ollama_file=True) is None
