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


def _of(kind: str) -> list[size_accuracy.Compared]:
    return [found for row in ROWS if (found := size_accuracy._compare(row, Counter())) and found.kind == kind]


def test_plain_names_are_predicted_to_a_hundred_thousandth_for_most_files() -> None:
    errors = sorted(abs(row.error) for row in _of("plain"))
    assert len(errors) >= 130
    assert errors[len(errors) // 2] < 1e-5
    assert sum(error < 5e-4 for error in errors) >= 0.95 * len(errors)


@pytest.mark.parametrize(("kind", "count"), [("own", 14), ("dynamic", 14)])
def test_mixes_of_publishers_are_within_their_band(kind: str, count: int) -> None:
    compared = _of(kind)
    assert len(compared) == count
    assert all(row.within_band for row in compared)


def test_published_sizes_are_only_compared_with() -> None:
    row = next(row for row in ROWS if row["model"] == "llama-3.1-8b")
    found = size_accuracy._compare(row, Counter())
    other = size_accuracy._compare(row | {"bytes": 2 * row["bytes"]}, Counter())
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
    assert "rounded sizes, plain names, official and plain uploaders: 1 files" in printed
    assert "somebody: a.gguf" in printed
    assert "1 of models outside the catalogue" in printed
    assert "1 in formats that llama-quantize does not make" in printed
    assert "1 without a size" in printed


@pytest.mark.parametrize(
    ("precision", "rounding_gib"),
    [
        ("1 decimal of the printed unit (1.2 GB, 1024-based)", 0.05),
        ("1 decimal of the printed unit (767.5 MB, 1024-based)", 0.05 / 1024),
        ("2 decimals (llama-bench table, tensor bytes)", 0.005),
        ("sum of 3 shards, each to 1 decimal", 0.15),
        ("0.005 GiB; bpw to 4 decimals (tensor bytes, base model)", 0.005),
    ],
)
def test_what_a_printed_size_may_be_off(precision: str, rounding_gib: float) -> None:
    size, rounding = size_accuracy._published({"size_gib": 4.6, "precision": precision})
    assert size == 4.6 * 2**30
    assert rounding == pytest.approx(rounding_gib * 2**30)


def test_a_size_in_gigabytes_of_the_hub_is_in_thousands() -> None:
    assert size_accuracy._published({"size_gb": 1.93, "precision": "0.005 GB"}) == (1.93e9, 5e6)


def _row(**given: object) -> dict[str, object]:
    return {"model": "llama-3.1-8b", "quant": "Q4_K_M", "repo": "somebody/x", "file": "x-Q4_K_M.gguf", "size_gib": 4.6} | given


def test_files_of_a_repository_whose_q8_0_lacks_weights_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """8.03 billion weights of 8.5 bits are 7.95 GiB: a Q8_0 of 7.0 GiB is of something else."""
    rows = [_row(), _row(quant="Q8_0", size_gib=7.0, file="x-Q8_0.gguf"), _row(repo="another/x")]
    path = tmp_path / "sizes.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    size_accuracy.main([str(path)])
    printed = capsys.readouterr().out
    assert "official and plain uploaders: 1 files" in printed
    assert "2 of somebody/x, whose Q8_0 holds fewer weights than Llama 3.1 8B" in printed


def test_a_file_that_was_cut_off_is_left_out() -> None:
    skipped: Counter[str] = Counter()
    assert size_accuracy._compare(_row(size_gib=0.5), skipped) is None
    assert list(skipped) == ["cut off (x-Q4_K_M.gguf: 0.53 bits a weight)"]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("x-Q4_K_M.gguf", "plain"),
        ("x-bf16_q4_k.gguf", "own"),
        ("x-f16_q8_0.gguf", "own"),
        ("x-Q4_K_M-hip-optimized.gguf", "own"),
        ("x-bf16.gguf", "plain"),
    ],
)
def test_a_name_that_says_more_than_its_quantization_is_no_plain_name(file: str, kind: str) -> None:
    found = size_accuracy._compare(_row(file=file), Counter())
    assert found is not None
    assert found.kind == kind


def test_other_files_of_a_repository_tell_how_it_was_made() -> None:
    """IQ2_M is not made without an importance matrix, which IQ4_XS is smaller with; UD- files are made by unsloth's recipe."""
    rows = [_row(quant="IQ4_XS", file="x-IQ4_XS.gguf"), _row(quant="IQ2_M", file="x-IQ2_M.gguf", size_gib=2.7)]
    with_it, without = (
        size_accuracy._compare(rows[0], Counter(), size_accuracy.Repositories.of(some)) for some in (rows, rows[:1])
    )
    assert with_it is not None
    assert without is not None
    assert with_it.predicted < without.predicted

    model, unknown = "qwen3.5-35b-a3b", size_accuracy.Repositories.of([])
    dynamic = [_row(model=model, size_gib=19.0), _row(model=model, quant="UD-IQ2_M", file="x-UD-IQ2_M.gguf", size_gib=11.7)]
    found, alone = (
        size_accuracy._compare(dynamic[0], Counter(), known) for known in (size_accuracy.Repositories.of(dynamic), unknown)
    )
    assert found is not None
    assert alone is not None
    assert (found.kind, alone.kind) == ("own", "plain")
