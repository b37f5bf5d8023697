"""What quantizing loses and how models compare: pinned against the measurements they were fitted on, with their sources."""

import tomllib
from dataclasses import dataclass
from datetime import date
from math import exp, log
from pathlib import Path
from typing import get_args

import pytest

from advisor.advice.quality import (
    UNMEASURED,
    Purpose,
    QualityKey,
    expected_by_size,
    in_order,
    model_quality,
    quality_key,
    quantization_loss,
)
from advisor.models.library import catalogue
from advisor.models.quantization_names import QUANTIZATIONS
from benchmarks import model_quality as model_quality_benchmark
from benchmarks import quantization_loss as quantization_loss_benchmark

EIGHT_BILLION = 8_030_261_248
MEASURED = Path(__file__).parents[2] / "benchmarks" / "data" / "quantization_measurements.toml"

LADDERS = [
    ("BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K", "Q2_K_S"),
    ("Q5_1", "Q5_0", "Q4_1", "Q4_0"),
    ("IQ4_NL", "IQ4_XS", "IQ3_M", "IQ3_S", "IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"),
    ("bf16", "mlx-8bit", "mlx-6bit", "mlx-5bit", "mlx-4bit", "mlx-3bit", "mlx-2bit"),
    ("UD-Q8_K_XL", "UD-Q6_K_XL", "UD-Q5_K_XL", "UD-Q4_K_XL", "UD-Q3_K_XL", "UD-Q2_K_XL", "UD-IQ2_XXS", "UD-IQ1_M", "UD-IQ1_S"),
]


@pytest.mark.parametrize("ladder", LADDERS, ids=lambda ladder: ladder[0])
@pytest.mark.parametrize("parameters", [500_000_000, EIGHT_BILLION, 70_000_000_000, 671_000_000_000])
def test_fewer_bits_never_lose_less(ladder: tuple[str, ...], parameters: int) -> None:
    losses = [quantization_loss(name, parameters) for name in ladder]
    assert all(losses)
    klds = [loss.kld for loss in losses if loss]
    assert klds == sorted(klds)
    assert klds[0] < klds[-1]


@pytest.mark.parametrize("name", sorted(QUANTIZATIONS))
def test_every_quantization_has_a_loss_with_a_spread_and_a_basis(name: str) -> None:
    loss = quantization_loss(name, EIGHT_BILLION)
    assert loss is not None
    assert loss.basis
    if name in ("F32", "F16", "BF16"):
        assert (loss.kld, loss.perplexity_ratio) == (0, 1)
        return
    assert 0 < loss.kld_low < loss.kld < loss.kld_high
    assert 1 < loss.perplexity_ratio_low < loss.perplexity_ratio < loss.perplexity_ratio_high
    assert bool(loss.sources) == loss.basis.startswith("measured on")


def test_a_rule_is_less_certain_than_a_measurement() -> None:
    ruled, measured = quantization_loss("mlx-4bit", EIGHT_BILLION), quantization_loss("Q4_1", EIGHT_BILLION)
    assert ruled
    assert measured
    assert ruled.basis.startswith("no measurement: rounds as Q4_1")
    assert ruled.kld_high / ruled.kld > measured.kld_high / measured.kld


def test_small_models_lose_more_and_strong_compression_more_so() -> None:
    def growth(name: str) -> float:
        small, large = quantization_loss(name, 1_000_000_000), quantization_loss(name, 70_000_000_000)
        assert small
        assert large
        return small.kld / large.kld

    assert growth("Q2_K") > growth("Q4_K_M") > 1


def test_beyond_the_sizes_that_were_measured_the_nearest_counts_and_the_basis_says_so() -> None:
    first, second = quantization_loss("Q4_K_M", 671_000_000_000), quantization_loss("Q4_K_M", 10**13)
    assert first
    assert second
    assert first.kld == second.kld
    assert "no model of this size was measured" in second.basis


def test_a_name_that_nobody_knows_has_no_loss() -> None:
    assert quantization_loss("Q9_Z", EIGHT_BILLION) is None


def test_four_of_five_measured_losses_lie_in_the_band() -> None:
    """The band is that of models left out of the fit, so it holds at least its 80 % of those in it."""
    inside = total = 0
    for table in tomllib.loads(MEASURED.read_text("utf-8"))["tables"]:
        rows = {
            name: kld for name, kld, _ in table.get("kld", ()) if table["recipe"] == "mix" or name in ("Q8_0", "Q6_K", "Q4_0")
        }
        if rows.get("Q8_0", 0) > quantization_loss_benchmark.UNLIKE_Q8_0:
            continue
        for name, kld in rows.items():
            loss = quantization_loss(name, table["parameters"])
            assert loss
            total += 1
            inside += loss.kld_low <= kld <= loss.kld_high
    assert total > 80
    assert inside / total > 0.8


def test_the_data_files_are_what_the_scripts_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization_loss_benchmark, "FITTED", tmp_path / "loss.toml")
    kept = Path(quantization_loss_benchmark.__file__).parents[1] / "advisor" / "advice" / "data" / "quantization_loss.toml"
    quantization_loss_benchmark.main(["--write"])
    written, shipped = (tomllib.loads(path.read_text("utf-8")) for path in (tmp_path / "loss.toml", kept))
    assert written["loss"].keys() == shipped["loss"].keys()
    for name, entry in written["loss"].items():
        assert entry["kld"] == pytest.approx(shipped["loss"][name]["kld"], rel=1e-3)


def test_held_out_benchmarks_are_foretold_better_by_the_latent_score_than_by_size_and_date() -> None:
    """`make quality` prints these; the latent score earns its place only while it says more than the regression."""
    rows = model_quality_benchmark.held_out(model_quality_benchmark.read())
    models = sum(row[1] for row in rows)
    latent, regression = (sum(row[side] * row[1] for row in rows) / models for side in (2, 3))
    assert len(rows) >= 14
    assert latent > 0.75
    assert latent > regression


@pytest.mark.parametrize(
    ("better", "worse", "purpose"),
    [
        # On all that both have: MMLU-Pro 85.2 and 67.5, GPQA Diamond 84.3 and 42.4, LiveCodeBench v6 80.0 and 29.1.
        ("gemma-4-31b", "gemma-3-27b", "chat"),
        # Qwen2.5 technical report, all tables.
        ("qwen2.5-72b", "qwen2.5-7b", "reasoning"),
        # LiveCodeBench 57.2 and 16.9 (DeepSeek-R1's card).
        ("deepseek-r1-distill-qwen-32b", "deepseek-r1-distill-qwen-1.5b", "code"),
    ],
)
def test_models_that_measure_better_score_higher(better: str, worse: str, purpose: Purpose) -> None:
    high, low = model_quality(better, purpose), model_quality(worse, purpose)
    assert high
    assert low
    assert high.low > low.high


def test_estimates_by_hand_and_unmeasured_models_have_no_score() -> None:
    # Its only values in the collection are estimates by hand.
    assert model_quality("llama-2-7b", "chat") is None
    scores = model_quality_benchmark.SCORES.read_text("utf-8")
    assert "estimate" not in scores.split("\n\n", 1)[1]
    assert "whatmodel" not in scores


@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_every_score_has_an_interval_and_names_its_benchmarks(purpose: Purpose) -> None:
    found = [quality for model in catalogue().models if (quality := model_quality(model.id, purpose))]
    assert len(found) > 80
    for quality in found:
        assert quality.low < quality.score < quality.high
        assert quality.benchmarks
        assert "fitted on" in quality.basis


def test_a_purpose_without_a_benchmark_of_its_own_says_so() -> None:
    quality = model_quality("qwen3.8-27b", "code")
    assert quality
    assert quality.basis.endswith("none about code alone")
    documents = model_quality("llama-3.1-8b", "documents")
    assert documents
    assert "no benchmark of long documents" in documents.basis


@dataclass(frozen=True)
class Model:
    id: str
    parameters: int
    release_date: date | None = date(2024, 7, 1)
    active_parameters: int | None = None
    publisher: str | None = None
    native_quantization: str | None = None


def test_a_larger_model_at_four_bits_beats_a_smaller_one_at_eight() -> None:
    small, large = Model("small", 8_000_000_000), Model("large", 14_000_000_000)
    keys = {"small": quality_key(small, "Q8_0", "chat"), "large": quality_key(large, "Q4_K_M", "chat")}
    assert in_order(keys, keys.__getitem__) == ["large", "small"]


def test_a_ruined_large_model_does_not_beat_a_whole_smaller_one() -> None:
    small, large = Model("small", 8_000_000_000), Model("large", 14_000_000_000)
    keys = {"small": quality_key(small, "Q8_0", "chat"), "large": quality_key(large, "IQ1_S", "chat")}
    assert in_order(keys, keys.__getitem__) == ["small", "large"]


def test_the_quantization_that_a_model_was_released_in_loses_nothing() -> None:
    model = Model("oss", 21_000_000_000, native_quantization="MXFP4_MOE")
    assert quality_key(model, "MXFP4_MOE", "chat") == quality_key(model, "BF16", "chat")
    assert quality_key(model, "Q4_K_M", "chat").expected < quality_key(model, "MXFP4_MOE", "chat").expected


def test_newer_and_larger_models_are_expected_to_be_better() -> None:
    old = expected_by_size(Model("a", 8_000_000_000, date(2024, 1, 1)))
    assert expected_by_size(Model("b", 8_000_000_000, date(2025, 1, 1))) > old
    assert expected_by_size(Model("c", 16_000_000_000, date(2024, 1, 1))) > old
    assert expected_by_size(Model("d", 8_000_000_000, None)) == pytest.approx(old, abs=0.1)
    assert quality_key(Model("e", 8_000_000_000), "BF16", "chat").basis == UNMEASURED


def key(low: float, high: float, by_size: float) -> QualityKey:
    return QualityKey(low, high, by_size, None, "test")


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        # Apart: the intervals decide, whatever size says.
        ({"a": key(50, 55, 10), "b": key(60, 65, 5)}, "ba"),
        # Overlapping: size decides, whatever the middles say.
        ({"a": key(50, 62, 10), "b": key(60, 65, 5)}, "ab"),
        # b is above c, so c waits for b though a chain of overlaps joins them and it is expected to be best.
        ({"a": key(55, 63, 1), "b": key(60, 65, 5), "c": key(50, 58, 99)}, "bca"),
        # Equals stay in their order.
        ({"a": key(50, 55, 1), "b": key(50, 55, 1)}, "ab"),
        ({}, ""),
    ],
)
def test_in_order(keys: dict[str, QualityKey], order: str) -> None:
    assert "".join(in_order(keys, keys.__getitem__)) == order


def test_in_order_never_puts_a_lower_interval_before_a_higher_one() -> None:
    keys = [key(index * 7919 % 101, index * 7919 % 101 + index % 13 + 1, index * 31 % 47) for index in range(300)]
    ordered = in_order(keys, lambda one: one)
    assert len(ordered) == len(keys)
    lowest_high = float("inf")
    for one in ordered:
        assert one.low <= lowest_high
        lowest_high = min(lowest_high, one.high)


def test_perplexity_follows_from_kld() -> None:
    """Llama 3 8B, Q2_K without imatrix: KLD 0.445132 and perplexity 9.751568 over 6.231636 (llama.cpp, tools/perplexity)."""
    loss = quantization_loss("Q2_K", EIGHT_BILLION)
    assert loss
    assert log(loss.perplexity_ratio) / loss.kld == pytest.approx(log(9.751568 / 6.231636) / 0.445132, rel=0.05)
    assert loss.perplexity_ratio < exp(loss.kld_high)
