"""Predicted beside measured, in numbers and in words."""

import pytest

from advisor.verify.compare import compare, headline, left_words, outcome, stage_words
from advisor.verify.progress import Progress
from tests.verify.runs import GIB, MEMORY, measurement


def test_each_figure_stands_beside_its_prediction():
    rows = {row.name: row for row in compare(measurement())}
    assert list(rows) == [
        "Weights",
        "KV cache",
        "Compute buffers",
        "Output buffer",
        "Memory in all",
        "Generation",
        "Reading a prompt",
        "First word after",
    ]
    # Recurrent states count with the cache, as the engine's breakdown has them.
    assert (rows["KV cache"].predicted, rows["KV cache"].words) == (0.75 * GIB, "the same")
    assert rows["Memory in all"].said() == "Memory in all: used 4.90 GiB, we said 5.00 GiB, 2% too much."
    assert rows["Generation"].said() == (
        "Generation: was 9.00 tokens/s, we said 10.0 tokens/s (8.00 to 12.0), 11% too much, within the range."
    )
    assert rows["Generation"].error == pytest.approx(10 / 9 - 1)
    assert rows["Reading a prompt"].said() == "Reading a prompt: 120 tokens/s, and we had no forecast."
    assert rows["First word after"].predicted_shown() == "unknown"


@pytest.mark.parametrize(
    ("predicted", "words"),
    [(9.02, "the same"), (8.1, "10% too little"), (27.0, "3 times what it was"), (13.5, "50% too much")],
)
def test_errors_in_words(predicted, words):
    forecast = {"generate_tps": {"low": predicted, "expected": predicted, "high": predicted}}
    row = next(row for row in compare(measurement(forecast=forecast)) if row.name == "Generation")
    assert row.words == words


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ({}, "confirmed"),
        # Less in all than planned is what buffers that nobody touches come to.
        ({"process_peak_bytes": 3 * GIB}, "confirmed"),
        ({"process_peak_bytes": 6 * GIB}, "corrected"),
        ({"kv_cache_bytes": 2 * GIB}, "corrected"),
        ({"kv_cache_bytes": 3 * GIB // 4 + 15 * 2**20}, "confirmed"),
        ({"weights_bytes": int(4 * GIB / 1.06)}, "corrected"),
    ],
)
def test_a_run_confirms_a_plan_or_corrects_it(memory, expected):
    found = measurement(measurement__memory={**MEMORY, **memory})
    assert outcome(found.plan, found.measurement) == expected


def test_without_a_plan_it_is_only_measured():
    assert outcome(None, measurement().measurement) == "measured"


def test_a_failed_run_has_no_rows():
    failed = measurement(measurement=None, verdict="failed")
    assert compare(failed) == ()
    assert headline(failed) == "Model 8B Q4_K_M did not run here"


def test_the_headline_says_memory_and_speed():
    assert headline(measurement()) == "Model 8B Q4_K_M used 4.90 GiB (we said 5.00 GiB) and wrote 9.0 tokens a second"
    alone = measurement(plan=None, verdict="measured")
    assert headline(alone) == "Model 8B Q4_K_M used 4.90 GiB and wrote 9.0 tokens a second"
    assert headline(measurement(verdict="cancelled")) == "The run of Model 8B Q4_K_M was cancelled"


@pytest.mark.parametrize(("speed", "said"), [(0.2, "0.20"), (9.0, "9.0"), (120.0, "120")])
def test_a_speed_in_the_headline_is_as_exact_as_it_is_of_use(speed, said):
    rates = {"median": speed, "low": speed, "high": speed}
    assert headline(measurement(measurement__generate_tps=rates)).endswith(f"wrote {said} tokens a second")


def test_what_slices_say_is_a_forecast_with_its_error():
    """The whole may be 10 % slower than the slowest, and faster than the fastest."""
    found = measurement(
        run__slice_layers=(8, 16),
        measurement__generate_tps={"median": 20.0, "low": 19.0, "high": 22.0},
        measurement__memory={"basis": ""},
    )
    assert found.by_slices
    assert headline(found) == "Forecast from a slice: Model 8B Q4_K_M writes 20.0 tokens a second (17.1 to 24.2)"
    rows = {row.name: row for row in compare(found)}
    assert rows["Generation"].measured_shown() == "20.0 tokens/s (17.1 to 24.2)"
    assert rows["Reading a prompt"].measured_shown() == "120 tokens/s (99.0 to 138)"
    assert "Memory in all" not in rows
    assert not measurement().by_slices
    assert compare(measurement())[5].measured_shown() == "9.00 tokens/s"


def test_where_a_run_is():
    assert stage_words(Progress("queued", ahead=("Big 70B", "other"))) == "Waiting for Big 70B and 1 more"
    assert stage_words(Progress("queued")) == "Waiting for its turn"
    assert (left_words(None), left_words(0.2), left_words(41.6)) == ("", "about 1 s left", "about 42 s left")
