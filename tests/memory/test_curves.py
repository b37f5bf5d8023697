"""The longest context that a curve marks: a plan with it fits, and with the next step it does not."""

import pytest

from advisor.advice.verdict import Word
from advisor.estimate import curves_for, estimate
from advisor.machines.resolve import resolve_machine
from advisor.memory.curves import Curve
from advisor.question import Question


def curve(question: Question) -> Curve:
    machine, _ = resolve_machine(**question.machine_fields())
    return curves_for(question, estimate(question).model, machine).curves[0]


def verdict(question: Question, context: int) -> Word:
    found = estimate(question.model_copy(update={"context": context})).verdict
    assert found is not None
    return found.verdict


@pytest.mark.parametrize(
    ("machine", "model"),
    [
        ({"machine": "rtx-3060-12gb", "ram_gib": 32}, "llama-3.1-8b"),
        ({"machine": "rtx-3060-12gb", "ram_gib": 32}, "llama-3.3-70b"),
        ({"machine": "m2-8", "memory_gib": 16}, "qwen3-14b"),
        ({"machine": "rtx-4090", "gpus": 2, "ram_gib": 64}, "llama-3.3-70b"),
        ({"machine": "m4-max-40", "memory_gib": 64}, "llama-3.3-70b"),
        ({"machine": "rx-7900-xtx", "ram_gib": 64}, "gpt-oss-20b"),
        ({"machine": "rpi-5-8gb"}, "llama-3.1-8b"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"runtime": "llama-cpp-python"}, {"gpu_layers": "all"}])
def test_what_is_marked_fits_and_the_next_step_does_not(machine, model, more):
    """Automatic placement leaves 1 GiB of each GPU free (common/common.h:483): it once counted as if it left none."""
    question = Question.parse({"model": model, "context": 8192, **machine, **more})
    found = curve(question)
    after = 0
    if found.longest is not None:
        assert verdict(question, found.longest) == "fits"
        after = found.contexts.index(found.longest) + 1
    assert after == len(found.contexts) or verdict(question, found.contexts[after]) != "fits"


def test_layers_that_must_all_be_on_the_gpu_reach_further_than_automatic_placement_leaves_them():
    question = Question(model="llama-3.1-8b", machine="rtx-3060-12gb", ram_gib=32, context=8192)
    automatic, every = (curve(question.model_copy(update={"gpu_layers": layers})).longest for layers in ("auto", "all"))
    assert (automatic, every) == (32768, 49152)
