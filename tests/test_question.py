"""Questions come back whole from an address, and a wrong one gets one sentence."""

import pytest

from advisor.errors import QuestionError
from advisor.question import ModelQuestion, Question

FULL = {
    "model": "qwen3-30b-a3b",
    "quant": "Q4_K_M",
    "machine": "rtx-3090",
    "runtime": "llama-cli",
    "context": 32768,
    "slots": 2,
    "unified_kv": False,
    "batch": 1024,
    "ubatch": 256,
    "type_k": "q8_0",
    "type_v": "q8_0",
    "flash_attention": "on",
    "swa_full": True,
    "gpu_layers": 20,
    "cpu_moe_layers": 10,
    "tensor_split": (3.0, 1.5),
    "logits": "ubatch",
    "depth": 100,
    "mmproj": "auto",
    "draft": "qwen3-0.6b",
    "build": "b6060",
    "grade": "engine",
    "gpus": 2,
    "memory_gib": 23.5,
    "ram_gib": 64.0,
    "bandwidth_gb_s": 936.2,
    "unified": True,
}


def test_every_field_travels_in_an_address() -> None:
    assert set(FULL) == set(Question.model_fields)
    question = Question.parse(FULL)
    assert Question.from_query(question.to_query()) == question


def test_a_short_question_has_a_short_address() -> None:
    assert Question.parse({"model": "llama-3.1-8b", "context": 8192}).to_query() == "model=llama-3.1-8b&context=8192"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({}, '"model" is missing'),
        ({"model": "m", "contxt": 8192}, 'no option "contxt"'),
        ({"model": "m", "context": 0}, 'context "0" is not right'),
        ({"model": "m", "context": "many"}, 'context "many" is not right'),
        ({"model": "m", "gpu_layers": "most"}, '"all" or "auto"'),
        ({"model": "m", "gpu_layers": -1}, '"all" or "auto"'),
        ({"model": "m", "type_k": "q3_0"}, "type_k"),
        ({"model": "m", "runtime": "torch"}, "llama-server"),
        ({"model": "m", "tensor_split": "3,x"}, "tensor_split"),
        ({"model": "m", "memory_gib": "inf"}, "memory_gib"),
        ({"model": "m", "memory_gib": 0}, "memory_gib"),
        ({"model": "m", "bandwidth_gb_s": 1e-300}, "it must be at least 0.001"),
        ({"model": "x" * 5000}, "model"),
    ],
)
def test_a_wrong_question_gets_one_sentence(fields: dict[str, object], part: str) -> None:
    with pytest.raises(QuestionError) as caught:
        Question.parse(fields)
    message = str(caught.value)
    assert part in message
    assert "\n" not in message
    assert len(message) < 600


def test_words_and_splits_are_read_as_people_type_them() -> None:
    question = Question.parse({"model": " m ", "gpu_layers": "ALL", "type_k": "Q8_0", "tensor_split": "3, 1"})
    assert (question.model, question.gpu_layers, question.type_k, question.tensor_split) == ("m", "all", "q8_0", (3.0, 1.0))


def test_a_setting_beside_travels_in_one_address() -> None:
    first = ModelQuestion(model="llama-3.1-8b", quant="Q4_K_M", context=8192, machine="rtx-4090", ram_gib=64)
    second = first.model_copy(update={"context": 32768, "beside": first.setting})
    again = ModelQuestion.from_query(second.to_query())
    assert again == second
    assert again.alone == Question(model="llama-3.1-8b", quant="Q4_K_M", context=32768, machine="rtx-4090", ram_gib=64)
    assert again.other() == first.alone
    assert "machine" not in first.setting
    assert first.other() is None


@pytest.mark.parametrize("beside", ["nonsense", "model=a&beside=b", "context=8192", "model=a&context=-1"])
def test_a_setting_beside_is_checked_like_any_question(beside: str) -> None:
    with pytest.raises(QuestionError):
        ModelQuestion(model="llama-3.1-8b", beside=beside).other()


def test_a_setting_beside_has_this_machine() -> None:
    asked = ModelQuestion(model="a", machine="rtx-4090", beside="model=b&machine=m2-8&gpus=4")
    found = asked.other()
    assert found is not None
    assert (found.machine, found.gpus) == ("rtx-4090", None)
