"""Two settings on one machine: what B takes more than A, in words and in rows that add up."""

import pytest

from advisor.estimate import Estimate, curves_for, estimate
from advisor.machines.resolve import resolve_machine
from advisor.question import Question
from advisor.two_settings import TwoSettings, two_stacks_text
from advisor.units import GIB, MIB

LLAMA = {"model": "llama-3.1-8b", "quant": "Q4_K_M", "context": 8192, "machine": "rtx-4090", "ram_gib": 64}


def both(first: dict[str, object], second: dict[str, object]) -> TwoSettings:
    questions = [Question.parse(LLAMA | fields) for fields in (first, second)]
    answers = [estimate(question) for question in questions]
    machine, _ = resolve_machine(**questions[0].machine_fields())
    curves = [curves_for(question, answer.model, machine) for question, answer in zip(questions, answers, strict=True)]
    return TwoSettings(answers[0], answers[1], curves[0], curves[1])


def rows(shown: TwoSettings) -> dict[str, tuple[str, str, str]]:
    return {name: (a, b, difference) for name, a, b, difference in shown.rows()}


def kv(answer: Estimate) -> int:
    return sum(device.kv_cache_bytes for device in answer.plan.devices)


def test_a_longer_context_is_more_cache() -> None:
    shown = both({}, {"context": 32768})
    # 32 layers x 8 heads x 128 x 2 (K and V) x 2 bytes = 128 KiB a token (config.json of meta-llama/Llama-3.1-8B).
    assert kv(shown.b) - kv(shown.a) == (32768 - 8192) * 128 * 1024
    assert shown.said().startswith("B takes ")
    assert "more than A: KV cache +3.00 GiB, " in shown.said()
    assert "A: Fits, with " in shown.said()
    assert "B: Fits, with " in shown.said()
    found = rows(shown)
    assert found["Context"] == ("8k", "32k", "")
    assert found["KV cache"] == ("1.00 GiB", "4.00 GiB", "+3.00 GiB")
    assert found["Longest context that fits"] == ("128k", "128k", "the same")
    assert "File" not in found
    assert "Weights" not in found


def test_less_is_said_as_less() -> None:
    shown = both({"context": 32768}, {"context": 32768, "type_k": "q8_0", "type_v": "q8_0"})
    # A block of 32 q8_0 values is 34 bytes instead of 64 (ggml/src/ggml-common.h, block_q8_0).
    assert kv(shown.b) == kv(shown.a) * 34 // 64
    assert " less than A: KV cache \N{MINUS SIGN}1.88 GiB" in shown.said()
    assert rows(shown)["KV cache types"] == ("f16", "q8_0", "")


def test_what_hardly_changes_is_a_row_and_no_part_of_the_sentence() -> None:
    model = {"model": "qwen3-32b"}
    shown = both(model, model | {"type_k": "q8_0", "type_v": "q8_0"})
    assert rows(shown)["Compute buffers"][2] == "+160 KiB"
    assert shown.said().startswith("B takes 960 MiB less than A: KV cache \N{MINUS SIGN}960 MiB. A: Fits")


def test_the_same_setting_is_the_same() -> None:
    shown = both({}, {})
    assert shown.said().startswith("A and B take the same memory. A: Fits")
    assert rows(shown)["Memory in all"][2] == "the same"
    assert set(rows(shown)) == {
        "On the GPU",
        "In system memory",
        "Memory in all",
        "Longest context that fits",
        "Tokens/s",
    }


def test_layers_that_move_are_seen_by_memory() -> None:
    shown = both({"gpu_layers": "all"}, {"gpu_layers": 16})
    found = rows(shown)
    assert found["Layers on the GPU"] == ("33", "16", "") or found["Layers on the GPU"] == ("all", "16", "")
    assert found["On the GPU"][2].startswith("\N{MINUS SIGN}")
    assert found["In system memory"][2].startswith("+")
    assert float(found["Tokens/s"][2].removeprefix("x ")) < 0.5


def test_two_models_and_their_files() -> None:
    found = rows(both({"quant": "Q8_0"}, {"model": "qwen3-0.6b", "quant": "Q4_K_M"}))
    assert found["Model"] == ("Llama 3.1 8B", "Qwen3 0.6B", "")
    assert found["File"] == ("Q8_0", "Q4_K_M", "")
    assert found["Weights"][2].startswith("\N{MINUS SIGN}")


@pytest.mark.parametrize("machine", [{"machine": "m2-8", "memory_gib": 8, "ram_gib": None}, {"machine": "rtx-4090", "gpus": 2}])
def test_rows_of_memory_add_up(machine: dict[str, object]) -> None:
    shown = both(machine, machine | {"model": "llama-3.3-70b"})
    more = shown.b.plan.total_bytes - shown.a.plan.total_bytes
    size, unit = rows(shown)["Memory in all"][2].removeprefix("+").split()
    assert float(size) * {"GiB": GIB, "MiB": MIB}[unit] == pytest.approx(more, rel=0.01)
    assert "On the GPU" in rows(shown) or len(shown.b.plan.pools) == 1


def test_a_program_of_another_kind() -> None:
    shown = both({}, {"runtime": "vllm", "quant": "awq-4bit"})
    assert rows(shown)["Program"] == ("llama-server", "vllm", "")
    assert shown.said().startswith("B takes ")


def test_the_figure_in_words_names_both() -> None:
    shown = both({}, {"context": 32768})
    said = two_stacks_text(shown.a.plan, shown.b.plan)
    assert said.count("KV cache 1.00 GiB") == 1
    assert said.count("KV cache 4.00 GiB") == 1
    assert said.index("A: ") < said.index("B: ")
