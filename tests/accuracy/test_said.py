"""The sentences of the accuracy page, over numbers made for the test."""

from dataclasses import replace
from math import inf

import pytest

from advisor.accuracy.compare import Difference
from advisor.accuracy.published import Comparison, PublishedCase, Row
from advisor.accuracy.said import answer, at_most, build_name, device_name, error_text, figure_text, run_line

CASE = PublishedCase(
    id="c",
    model="Llama_3.1",
    quantization="Q4_K_M",
    context=8192,
    architecture="llama",
    backend="cuda",
    build="8179 (ecbcb7ea9) with GNU",
    date="2026-03-01",
    source="a/b",
    url=None,
    comparisons={"formula": Comparison("b8179", False, (), {})},
)


def row(predicted: float, printed: float = 1_000_000.0, **case: object) -> Row:
    """A compute buffer of `printed` bytes, printed without rounding."""
    return Row(replace(CASE, **case), Difference("CUDA0", "gpu", "compute", printed, predicted, 0.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "No compute buffer in public logs to compare with"),
        ([row(1e6)], "The one compute buffer printed by llama.cpp in public logs is predicted to the last digit"),
        ([row(1.02e6)], "The one compute buffer printed by llama.cpp in public logs is predicted within 2.0 %"),
        ([row(1e6)] * 3, "Of 3 PRINTEDall are predicted to the last digit"),
        (
            [row(1e6), row(0.9e6)],
            "Of 2 PRINTED1 is predicted to the last digit and the others within 10 %",
        ),
        ([row(1.1e6), row(0.9e6)], "Of 2 PRINTEDall are within 10 %"),
        (
            [row(1e6)] * 18 + [row(1.01e6), row(3e6)],
            "Of 20 PRINTED18 are predicted to the last digit and 95 % within 1.0 %",
        ),
        ([row(1.01e6)] * 20, "Of 20 PRINTED95 % are within 1.0 %"),
        (
            [row(1e6)] * 24 + [row(3e6)],
            "Of 25 PRINTED24 are predicted to the last digit and the others within 200 %",
        ),
    ],
)
def test_answer(rows: list[Row], said: str) -> None:
    """The heading is true for none, one, few and many, and never breaks a number from its sign."""
    said = said.replace("PRINTED", "compute buffers printed by llama.cpp in public logs, ")
    assert answer(rows, "compute") == said.replace(" %", "\N{NO-BREAK SPACE}%")


def test_answer_names_the_backend() -> None:
    """Where only its logs are looked at."""
    assert answer([row(1e6)], "kv_cache", "rocm").startswith("The one KV cache printed by llama.cpp in public logs of ROCm")


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "0 %"),
        (0.00001, "0.01 %"),
        (0.0069, "0.7 %"),
        (0.007, "0.7 %"),
        (0.00701, "0.8 %"),
        (0.0934, "9.4 %"),
        (1.997, "200 %"),
    ],
)
def test_within_is_rounded_up(share: float, said: str) -> None:
    """0.69 % is not within 0.6 %."""
    assert at_most(share) == said


@pytest.mark.parametrize(
    ("predicted", "printed", "said"),
    [
        (1e6, 1e6, "exact"),
        (1.25e6, 1e6, "+25.00 %"),
        (0.75e6, 1e6, "\N{MINUS SIGN}25.00 %"),
        (1e6 + 20, 1e6, "under 0.01 %"),
        (5e6, 0.0, "not printed"),
    ],
)
def test_error_text(predicted: float, printed: float, said: str) -> None:
    """With its sign, or in a word."""
    difference = row(predicted, printed).difference
    assert error_text(difference) == said
    assert (difference.relative == inf) == (said == "not printed")


@pytest.mark.parametrize(
    ("build", "date", "said"),
    [
        ("8179 (ecbcb7ea9) with GNU", "2026-03-01", "b8179"),
        ("b9010-d05fe1d7d", None, "b9010"),
        ("ollama 0.12.6", None, "Ollama 0.12.6"),
        ("1 (ebbf544) with GNU", "2026-04-15", "2026-04-15"),
        ("ollama 0.0.0", "2026-04-15", "2026-04-15"),
        (None, None, "unknown"),
    ],
)
def test_build(build: str | None, date: str | None, said: str) -> None:
    """A number counted from a shallow clone says nothing; the date does."""
    assert build_name(replace(CASE, build=build, date=date)) == said


def test_run_and_device() -> None:
    """What a log leaves out is left out."""
    assert run_line(CASE) == "Llama 3.1, Q4_K_M, 8k context"
    assert run_line(replace(CASE, quantization=None, context=None)) == "Llama 3.1"
    assert device_name(Row(CASE, replace(row(1e6).difference, device="host"))) == "system memory"


def test_figure_as_text() -> None:
    """Each architecture with how many numbers it has and the largest error, for those who cannot see the figure."""
    rows = [row(1.5e6, architecture="gemma3", backend="metal"), row(1e6, architecture="gemma3"), row(1e6)]
    said = figure_text(rows)
    assert "gemma3: 2, 1 exact, largest error +50.00 % on Metal" in said
    assert "llama: 1, all exact" in said
