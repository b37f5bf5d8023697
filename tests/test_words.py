import pytest

from advisor.advice.options import Option
from advisor.advice.verdict import judge
from advisor.estimate import estimate
from advisor.models.library import catalogue
from advisor.question import Question
from advisor.speed.forecast import Range, SpeedForecast
from advisor.words import (
    curves_text,
    felt,
    headline,
    machine_line,
    missing_bytes,
    parameters,
    round_size,
    seconds,
    speed_line,
    stack_text,
    tokens,
    verdict_line,
)

LLAMA = {"model": "llama-3.1-8b", "quant": "Q4_K_M", "context": 8192}


def answer(**fields):
    return estimate(Question.parse(LLAMA | fields))


def option(**fields):
    found = answer(**fields)
    model = catalogue().find(found.model.id)
    return Option(model, found.model.quantization, found.model.file_bytes, found.plan, judge(found.plan, found.machine))


@pytest.mark.parametrize(
    ("count", "said"),
    [(8_030_261_248, "8B"), (596_049_920, "596M"), (1_543_714_304, "1.5B"), (671_026_419_200, "671B"), (9_600_000_000, "10B")],
)
def test_parameters(count, said):
    assert parameters(count) == said


@pytest.mark.parametrize(("count", "said"), [(8192, "8k"), (131072, "128k"), (1000, "1,000"), (512, "512"), (40960, "40k")])
def test_tokens(count, said):
    assert tokens(count) == said


@pytest.mark.parametrize(("size", "said"), [(8 * 2**30, "8 GiB"), (int(23.5 * 2**30), "23.5 GiB"), (None, "unknown")])
def test_round_size(size, said):
    assert round_size(size) == said


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ({"machine": "rtx-4090", "ram_gib": 64}, "NVIDIA GeForce RTX 4090, 24 GiB, 62.4 GiB system memory, 1008 GB/s"),
        ({"machine": "rtx-4090", "gpus": 2}, "2x NVIDIA GeForce RTX 4090, 24 GiB each, 1008 GB/s"),
        ({"machine": "m4-max-40", "memory_gib": 128}, "Apple M4 Max 40-core GPU, 128 GiB unified memory, 546 GB/s"),
        # The name ends with the memory as it is sold.
        ({"machine": "4x-rtx-3090"}, "4x RTX 3090, EPYC 7252, 24 GiB each, 31.2 GiB system memory, 936.2 GB/s"),
        ({"machine": "2x-epyc-genoa-768gb"}, "2x EPYC Genoa, 749 GiB memory, 920 GB/s"),
        ({"memory_gib": 24, "bandwidth_gb_s": 1008}, "GPU with 24 GiB, 1008 GB/s"),
    ],
)
def test_a_machine_in_one_line(machine, said):
    assert machine_line(answer(**machine).machine) == said


def test_a_verdict_names_what_is_left_or_missing():
    fits = answer(machine="rtx-4090", ram_gib=64)
    assert verdict_line(fits.verdict, fits.plan).startswith("Fits, with 17.")
    no = answer(machine="m2-8", memory_gib=8, model="llama-3.3-70b")
    assert verdict_line(no.verdict, no.plan).startswith("Does not fit: ")
    said = verdict_line(no.verdict, no.plan).removeprefix("Does not fit: ").removesuffix(" too little")
    assert f"{said} too little" in no.verdict.reasons[0]
    part = answer(machine="rtx-4090", ram_gib=64, model="llama-3.3-70b")
    assert verdict_line(part.verdict, part.plan) == "Runs only in part on the GPU"


def test_what_is_missing_is_what_the_first_reason_says():
    """Where both the memory and the GPU's share of it are short, the memory decides."""
    no = answer(machine="m2-8", memory_gib=8, model="gpt-oss-20b", quant="MXFP4", gpu_layers="all")
    pool = no.plan.pools[0]
    assert missing_bytes(no.plan) == pool.total_bytes + (pool.in_use_bytes or 0) - pool.capacity_bytes


def test_nothing_is_missing_where_all_fits():
    assert missing_bytes(answer(machine="rtx-4090").plan) == 0


def test_figures_have_words_for_those_who_cannot_see_them():
    assert "Weights 4.3" in stack_text(answer(machine="rtx-4090").plan)


def test_curves_in_words():
    from advisor.estimate import curves_for

    question = Question.parse(LLAMA | {"machine": "rtx-3060-12gb"})
    found = answer(machine="rtx-3060-12gb")
    said = curves_text(curves_for(question, found.model, found.machine))
    assert "Q4_K_M: " in said
    assert ", fits up to " in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"machine": "rtx-4090"}, "NVIDIA GeForce RTX 4090 runs models up to 8B comfortably"),
        ({"machine": "epyc-9374f-cpu", "ram_gib": 64}, "has room for models up to 8B; without a GPU the large ones are slow"),
        ({"machine": "jetson-nano"}, "No model of the catalogue fits"),
    ],
)
def test_the_headline_says_how_large_a_model_may_be(fields, said):
    one = option(**fields, gpu_layers="all") if "cpu" not in fields["machine"] else option(**fields)
    assert said in headline(answer(**fields).machine, [one])


@pytest.mark.parametrize(
    ("tps", "words"),
    [
        (143.0, "faster than you read"),
        (40.0, "faster than you read"),
        (25.0, "comfortable to read along"),
        (9.0, "about as fast as people read"),
        (4.0, "slower than you read"),
        (0.3, "something to leave running"),
    ],
)
def test_a_speed_is_said_as_it_feels(tps: float, words: str) -> None:
    assert felt(tps) == words


@pytest.mark.parametrize(("value", "words"), [(0.314, "0.31 s"), (12.4, "12 s"), (240.0, "4 min"), (11520.0, "3.2 h")])
def test_a_duration_is_said_in_the_unit_that_fits(value: float, words: str) -> None:
    assert seconds(value) == words


def test_a_speed_is_said_with_its_range_and_grade() -> None:
    speed = SpeedForecast(Range(35, 41, 47), Range(800, 1000, 1300), Range(0.4, 0.5, 0.7), None, "typical", ())
    assert speed_line(speed) == (
        "About 41 (35 to 47) tokens/s, faster than you read; reads prompts at 1,000 (800 to 1,300) tokens/s, so 512 tokens "
        "take 0.50 s until the first word (typical; the range holds 80 % of cases)."
    )
