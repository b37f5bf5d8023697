"""Verification of a running server: which model it means, what is predicted of it, and where nothing is."""

import pytest

from advisor.errors import MissingPartError, QuestionError
from advisor.question import VerifyQuestion
from advisor.verification import look
from tests.models.real_files import smollm2
from tests.verify.fake_server import OLLAMA_PAGES, VLLM_PAGES, serving

LLAMA_SERVER = {
    "/props": {
        "default_generation_settings": {"n_ctx": 1024},
        "total_slots": 2,
        "model_path": str(smollm2()),
        "build_info": "b9000-abc",
    },
    "/v1/models": {"data": [{"id": "smollm2", "owned_by": "llamacpp"}]},
}


def test_llama_server_is_planned_by_the_file_that_it_has_loaded():
    """Its own file, context and slots: what was asked for is only a name there."""
    with serving(LLAMA_SERVER, {}) as (address, _):
        looked = look(VerifyQuestion(model="smollm2", backend=address))
    assert (looked.model.id, looked.model.quantization) == (smollm2().name, "Q4_1")
    settings = looked.memory_plan.settings
    assert (settings.context, settings.slots, settings.unified_kv) == (1024, 2, True)
    assert looked.check.answer == "go", "it is loaded already"
    assert looked.forecast is not None
    assert looked.notes == ("llama-server b9000-abc calls the model smollm2.",)


def test_ollamas_model_is_planned_by_the_catalogue_and_may_still_have_to_be_loaded():
    with serving(OLLAMA_PAGES, {}) as (address, _):
        looked = look(VerifyQuestion(model="qwen3-0.6b", backend=address))
    assert (looked.model.id, looked.request.model) == ("qwen3-0.6b", "qwen3:0.6b")
    assert looked.memory_plan.settings.runtime == "ollama"


def test_a_model_that_is_not_known_here_is_measured_without_a_prediction():
    with serving(VLLM_PAGES, {}) as (address, _):
        looked = look(VerifyQuestion(model="my-own-finetune", backend=f"{address}/v1"))
    assert (looked.memory_plan, looked.plan, looked.forecast) == (None, None, None)
    assert looked.check.answer == "go"


def test_what_is_wrong_with_the_address_is_said():
    with serving({}, {}) as (address, _), pytest.raises(QuestionError, match="no server of language models"):
        look(VerifyQuestion(model="x", backend=address))
    with pytest.raises(MissingPartError, match="nothing answers"):
        look(VerifyQuestion(model="x", backend="http://127.0.0.1:9"))
