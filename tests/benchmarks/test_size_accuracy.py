"""benchmarks/size_accuracy.py: what it prints of published sizes, and that published sizes are no input."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import size_accuracy

ROWS = [json.loads(line) for line in size_accuracy.SIZES.read_text("utf-8").splitlines()]


def test_every_row_has_a_source_and_is_compared_or_counted() -> None:
    assert len(ROWS) == 164
    assert all(row["source"] for row in ROWS)
    skipped: Counter[str] = Counter()
    compared = [size_accuracy._compare(row, skipped) for row in ROWS]
    assert sum(found is not None for found in compared) + skipped.total() == len(ROWS)
    assert skipped.total() <= 2


def test_plain_names_are_predicted_to_a_hundred_thousandth_for_most_files() -> None:
    compared = [found for row in ROWS if (found := size_accuracy._compare(row, Counter())) and found.plain]
    errors = sorted(abs(row.error) for row in compared)
    assert len(errors) >= 148
    assert errors[len(errors) // 2] < 1e-5
    assert sum(error < 1e-3 for error in errors) >= 131


def test_dynamic_names_are_within_their_band() -> None:
    compared = [found for row in ROWS if (found := size_accuracy._compare(row, Counter())) and not found.plain]
    assert len(compared) == 14
    assert all(row.within_band for row in compared)


def test_published_sizes_are_only_compared_with() -> None:
    row = next(row for row in ROWS if row["model"] == "llama-3.1-8b")
    found = size_accuracy._compare(row, Counter())
    other = size_accuracy._compare(row | {"bytes": 1}, Counter())
    assert found is not None
    assert other is not None
    assert found.predicted == other.predicted


def test_a_file_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rounded size, an unknown model, an unknown quantization and a missing size."""
    rows = [
        {
            "model_id": "llama-3.1-8b",
            "quant": "Q4_K_M",
            "size_gib": 4.6,
            "precision": "1 decimal",
            "repo": "somebody/x",
            "file": "a.gguf",
        },
        {"model_id": "no-such-model-at-all", "quant": "Q4_K_M", "size_gib": 4.6},
        {"model_id": "llama-3.1-8b", "quant": "IQ4_KSS", "size_gib": 4.6},
        {"model_id": "llama-3.1-8b", "quant": "Q4_K_M"},
    ]
    path = tmp_path / "sizes.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert size_accuracy.main([str(path)]) == 0
    printed = capsys.readouterr().out
    assert "rounded sizes, plain names: 1 files" in printed
    assert "somebody: a.gguf" in printed
    assert "1 of models outside the catalogue" in printed
    assert "1 in formats that llama-quantize does not make" in printed
    assert "1 without a size" in printed
