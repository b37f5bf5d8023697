"""Graphs too large for the engine's tables. The counts are those of its scheduler after the last graph was laid out."""

from typing import Any

import pytest

from advisor.errors import QuestionError
from advisor.memory.graph_room import check_graph, graph_size, most_nodes, table_size
from advisor.memory.planner import arrange, plan_memory
from tests.memory.models import file, settings

COUNTED = [
    # (model, GPUs, asked, tensors of the graph, room for them) as llama-cpp-python 0.3.36 has them
    ("codellama-7b", 0, {"slots": 1}, 1360, 4099),
    ("codellama-7b", 0, {"slots": 1, "flash_attention": "off"}, 1520, 4099),
    ("codellama-7b", 0, {"slots": 1, "type_k": "q8_0", "type_v": "q8_0"}, 1746, 4099),
    ("codellama-7b", 0, {"slots": 4}, 1424, 4099),
    ("gemma-3-4b", 0, {"slots": 1}, 1889, 4099),
    ("gpt2-medium", 0, {"slots": 1}, 1125, 4099),
    ("bge-m3", 0, {"slots": 1}, 1172, 4099),
    ("deepseek-v2-lite", 0, {"slots": 4}, 2228, 4099),
    ("falcon-h1-0.5b", 0, {"slots": 1}, 3546, 8209),
    ("lfm2-350m", 0, {"slots": 1}, 726, 2053),
    ("qwen3-next-80b-a3b", 0, {"slots": 1}, 6018, 32771),
    ("olmoe-1b-7b", 0, {"slots": 1}, 1168, 2053),
    ("phi-3.5-moe", 0, {"slots": 1}, 2324, 8209),
    ("granite-3.1-3b-a800m", 0, {"slots": 4, "flash_attention": "off"}, 2545, 4099),
]


@pytest.mark.parametrize(("name", "gpus", "asked", "tensors", "room"), COUNTED)
def test_a_graph_has_as_many_tensors_as_the_engine_counts(
    name: str, gpus: int, asked: dict[str, Any], tensors: int, room: int
) -> None:
    model = file(name, "F16")
    arrangement = arrange(model, None, settings(model, context=2048, gpu_layers=0, **asked), gpus=gpus)
    assert sum(graph_size(arrangement.layout, arrangement.placement)) == tensors
    assert table_size(most_nodes(arrangement.layout, arrangement.placement)) == room


TOO_LARGE = [
    ("granite-3.1-1b-a400m", {"slots": 1, "type_k": "q8_0", "type_v": "q8_0"}, "2,060 tensors, and there is room for 2,053"),
    ("phi-4", {"slots": 4, "type_k": "q8_0", "type_v": "q8_0"}, "2,058 tensors, and there is room for 2,053"),
    ("phi-3-medium-14b", {"slots": 4, "type_k": "q4_0", "type_v": "q4_0"}, "tensors, and there is room for 2,053"),
]
"""The engine ends with "ggml-impl.h:330: fatal error"."""


@pytest.mark.parametrize(("name", "asked", "reason"), TOO_LARGE)
def test_a_graph_without_room_is_refused(name: str, asked: dict[str, Any], reason: str) -> None:
    model = file(name)
    with pytest.raises(QuestionError, match=reason) as caught:
        plan_memory(model, None, settings(model, **asked))
    assert caught.value.field == "type_k"


@pytest.mark.parametrize("asked", [{"slots": 1, "type_k": "q8_0", "type_v": "q8_0"}, {"slots": 4}])
def test_the_same_model_is_planned_where_there_is_room(asked: dict[str, Any]) -> None:
    model = file("phi-4")
    assert plan_memory(model, None, settings(model, **asked)).grade == "formula"


def test_builds_that_do_not_rotate_a_quantized_cache_have_room() -> None:
    model = file("phi-4")
    chosen = settings(model, slots=4, type_k="q8_0", type_v="q8_0", build="2026-03-01")
    arrangement = arrange(model, None, chosen)
    check_graph(arrangement.layout, arrangement.placement)


def test_a_plan_refuses_what_the_engine_refuses_however_its_settings_came_about() -> None:
    model = file("phi-2")
    chosen = settings(model).model_copy(update={"type_k": "q8_0"})
    with pytest.raises(QuestionError, match="does not divide this model's heads of 80"):
        plan_memory(model, None, chosen)


@pytest.mark.parametrize(
    ("least", "size"), [(1024, 1031), (1031, 1031), (1032, 2053), (2054, 4099), (20480, 32771), (10**9, 1073741827)]
)
def test_tables_have_the_first_prime_after_a_power_of_two(least: int, size: int) -> None:
    assert table_size(least) == size
