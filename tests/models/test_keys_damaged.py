"""Keys that contradict each other or the file's tensors: each is refused by name, and none breaks a plan."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.errors import HeadroomError, HyperparameterError
from advisor.estimate import estimate_for
from advisor.machines.library import find_machine
from advisor.models.gguf_header import GGUFHeader, read_header
from advisor.models.keys import hyperparameters
from advisor.models.library import catalogue
from advisor.models.metadata import model_from_header
from advisor.models.skeleton import write_skeleton
from advisor.question import Question

MISSING = "missing"
VALUES = (MISSING, 0, 1, 3, 31, 64, 2**15, 2**31 - 1)


@pytest.mark.parametrize(
    ("model", "changed", "named", "said"),
    [
        ("stablelm-2-1.6b", {"block_count": 1}, "block_count", "says 1, but the file holds a block 1"),
        ("llama-3.1-8b", {"attention.head_count_kv": 0}, "attention.head_count_kv", "says 0 for block 0, which attends"),
        ("falcon-h1-7b", {"attention.head_count_kv": 0}, "attention.head_count_kv", "says 0 for block 0, which attends"),
        ("qwen3-30b-a3b", {"expert_count": MISSING}, "expert_count", "says 0, but block 0 has experts"),
        ("granite-4.0-h-tiny", {"ssm.time_step_rank": MISSING}, "ssm.time_step_rank", "is missing"),
        ("granite-4.0-h-tiny", {"ssm.group_count": 0}, "ssm.group_count", "is 0"),
        ("glm-4.5-air", {"nextn_predict_layers": 48}, "nextn_predict_layers", "says 48 of 47 blocks"),
        ("deepseek-v3.2", {"attention.indexer.key_length": 2**31 - 1}, "attention.indexer.key_length", "more than any model"),
    ],
)
def test_what_cannot_be_is_refused_by_name(model: str, changed: dict[str, Any], named: str, said: str) -> None:
    found = catalogue().find(model)
    names = {tensor.name for tensor in found.quantized("Q4_K_M").tensors}
    architecture = found.keys["general.architecture"]
    changed = {f"{architecture}.{key}": value for key, value in changed.items()}
    keys = {key: value for key, value in {**found.keys, **changed}.items() if value != MISSING}
    with pytest.raises(HyperparameterError, match=said) as caught:
        hyperparameters(keys, names)
    assert caught.value.key == f"{architecture}.{named}"


def test_no_sound_model_is_refused() -> None:
    for model in catalogue().models:
        if model.keys:
            names = {tensor.name for tensor in model.quantized("Q4_K_M").tensors}
            assert hyperparameters(model.keys, names).block_count == model.hyperparameters.block_count, model.id


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GGUFHeader]:
    """A header of one model of each architecture."""
    path, found = tmp_path_factory.mktemp("skeletons") / "model.gguf", {}
    for model in catalogue().models:
        architecture = str(model.keys["general.architecture"])
        if architecture not in found:
            path.unlink(missing_ok=True)
            write_skeleton(path, model.keys, model.quantized("Q4_K_M").tensors)
            found[architecture] = read_header(path)
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_key_says_the_answer_is_a_plan_or_a_sentence(headers: dict[str, GGUFHeader], data: st.DataObject) -> None:
    header = headers[data.draw(st.sampled_from(sorted(headers)))]
    numbers = [key for key, value in header.metadata.items() if isinstance(value, int | tuple)]
    key, value = data.draw(st.sampled_from(numbers)), data.draw(st.sampled_from(VALUES))
    keys = {name: said for name, said in {**header.metadata, key: value}.items() if said != MISSING}
    said = ""
    try:
        model = model_from_header(replace(header, metadata=keys), id="x", source="x.gguf")
        for layers in ("all", 0, 5):
            estimate_for(Question(model="x", context=8192, gpu_layers=layers), model, find_machine("rtx-4090"))
    except HeadroomError as refused:
        said = str(refused)
    assert said.isprintable()
