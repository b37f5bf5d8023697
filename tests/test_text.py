"""Answers as text: they say the same as the JSON and fit the terminal."""

from functools import cache

import pytest

from advisor.estimate import estimate
from advisor.fit import Fit, fit_machine
from advisor.machines.library import find_machine
from advisor.question import FitQuestion, Question
from advisor.text import estimate_text, fit_text, machine_text
from advisor.units import format_size

QUESTIONS = [
    {"model": "llama-3.1-8b"},
    {"model": "qwen3-30b-a3b", "machine": "rtx-3060-12gb", "ram_gib": 32, "context": 32768},
    {"model": "deepseek-r1-671b", "machine": "rtx-2080-ti-22gb-mod", "gpus": 4, "quant": "IQ1_S"},
    {"model": "gemma-3-27b", "machine": "m4-max-40", "memory_gib": 36, "type_k": "q8_0", "type_v": "q8_0", "slots": 2},
    {"model": "llama-3.1-8b", "gpu_layers": 0},
]


@cache
def fit() -> Fit:
    return fit_machine(FitQuestion.parse({"machine": "rpi-5-8gb", "context": 4096}))


@pytest.mark.parametrize("width", [80, 110])
@pytest.mark.parametrize("fields", QUESTIONS, ids=lambda fields: fields["model"])
def test_an_estimate_fits_its_terminal(fields: dict[str, object], width: int) -> None:
    text = estimate_text(estimate(Question.parse(fields)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("width", [80, 110])
def test_a_list_and_a_machine_fit_their_terminal(width: int) -> None:
    for text in (fit_text(fit(), width), machine_text(find_machine("m4-max-40"), width)):
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text


def test_an_estimate_says_what_the_plan_says() -> None:
    found = estimate(Question.parse({"model": "llama-3.1-8b", "machine": "rtx-4090", "context": 32768, "type_k": "q8_0"}))
    lines = estimate_text(found).splitlines()
    title = " ".join(lines[:2])
    assert title.startswith(
        "Llama 3.1 8B Q4_K_M, llama-server, context 32,768, 4 slots in one cache, KV cache q8_0/f16, 33 layers"
    )
    assert any(line.startswith("on NVIDIA GeForce RTX 4090") for line in lines)
    gpu = next(line for line in lines if line.startswith("NVIDIA GeForce RTX 4090  "))
    plan = found.plan.devices[0]
    for size in (plan.weights_bytes, plan.kv_cache_bytes, plan.compute_bytes, plan.total_bytes, plan.capacity_bytes):
        assert format_size(size) in gpu
    assert "Assumed:" in lines
    assert found.verdict
    assert " ".join(found.verdict.reasons[0].split()[:6]) in " ".join(lines)


def test_without_a_machine_there_is_no_verdict_and_no_limit() -> None:
    text = estimate_text(estimate(Question.parse({"model": "llama-3.1-8b"})))
    assert text.count("no limit") == 2
    assert "Fits" not in text


def test_a_list_says_how_many_it_leaves_out() -> None:
    lines = fit_text(fit(), most=3).splitlines()
    assert f"and {len(fit().options) - 3} more; --json lists all" in lines
    assert [line.split()[0] for line in lines if line[:1].isdigit()] == ["1", "2", "3"]


def test_unknown_facts_of_a_machine_are_said_to_be_unknown() -> None:
    text = machine_text(find_machine("rtx-4090"))
    assert "unknown" in text
    assert "None" not in text
