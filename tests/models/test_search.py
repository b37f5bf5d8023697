"""What people type, and the model that must come first: names of the hub, of Ollama and of LM Studio, parts, orders, slips."""

import time

import pytest

from advisor.errors import QuestionError, UnplannedModelError
from advisor.models.library import catalogue
from advisor.models.resolve import resolve_model
from advisor.models.search import words

TYPED = [
    ("r1 distill 32", "deepseek-r1-distill-qwen-32b"),
    ("qwen3 coder", "qwen3-coder-30b-a3b"),
    ("llama3.1 8b", "llama-3.1-8b"),
    ("deepseek r1:32b", "deepseek-r1-distill-qwen-32b"),
    ("Qwen/Qwen3-8B-GGUF", "qwen3-8b"),
    ("gpt oss 20", "gpt-oss-20b"),
    ("gptoss 120b", "gpt-oss-120b"),
    ("gpt-oss:20b", "gpt-oss-20b"),
    ("llama3.1:8b", "llama-3.1-8b"),
    ("llama3.2:3b", "llama-3.2-3b"),
    ("llama 3.3", "llama-3.3-70b"),
    ("llama3.3:70b", "llama-3.3-70b"),
    ("meta llama 3 8b", "llama-3-8b"),
    ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "llama-3.1-8b"),
    ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "llama-3.1-8b"),
    ("https://huggingface.co/unsloth/Qwen3-30B-A3B-GGUF", "qwen3-30b-a3b"),
    ("https://huggingface.co/bartowski/Qwen_Qwen3-14B-GGUF", "qwen3-14b"),
    ("unsloth/gemma-3-27b-it-GGUF:Q4_K_M", "gemma-3-27b"),
    ("mlx-community/Qwen3-8B-4bit", "qwen3-8b"),
    ("lmstudio-community/gpt-oss-20b-MLX-8bit", "gpt-oss-20b"),
    ("ollama:gemma3:12b", "gemma-3-12b"),
    ("gemma3:27b", "gemma-3-27b"),
    ("gemma 3 4b it", "gemma-3-4b"),
    ("gema 3 12b", "gemma-3-12b"),
    ("gemma3n e4b", "gemma-3n-e4b"),
    ("gemma 4 31", "gemma-4-31b"),
    ("gemma 4 26b", "gemma-4-26b-a4b"),
    ("qwen 2.5 coder 32b", "qwen2.5-coder-32b"),
    ("qwen2.5-coder:7b", "qwen2.5-coder-7b"),
    ("coder 14b qwen", "qwen2.5-coder-14b"),
    ("qwen2.5 72b instruct", "qwen2.5-72b"),
    ("qwen3 30b", "qwen3-30b-a3b"),
    ("qwen3:30b-a3b", "qwen3-30b-a3b"),
    ("qwen3 235b", "qwen3-235b-a22b"),
    ("qwen3 next", "qwen3-next-80b-a3b"),
    ("qwen3-coder:480b", "qwen3-coder-480b-a35b"),
    ("qwen3.5 27b", "qwen3.5-27b"),
    ("qwen 3.6 35b", "qwen3.6-35b-a3b"),
    ("qwen3 vl 8b", "qwen3-vl-8b"),
    ("qwen vl 7b", "qwen2.5-vl-7b"),
    ("quen3 8b", "qwen3-8b"),
    ("qwq", "qwq-32b"),
    ("deepseek r1 671b", "deepseek-r1-671b"),
    ("deepseek-r1:671b", "deepseek-r1-671b"),
    ("deepseek-r1:70b", "deepseek-r1-distill-llama-70b"),
    ("deepseek-r1:7b", "deepseek-r1-distill-qwen-7b"),
    ("deepseek-r1:1.5b", "deepseek-r1-distill-qwen-1.5b"),
    ("deepseek v3", "deepseek-v3-0324"),
    ("deepseek v3.2", "deepseek-v3.2"),
    ("deepseek v4 flash", "deepseek-v4-flash"),
    ("deepseek coder 6.7", "deepseek-coder-6.7b"),
    ("deepseek-coder-v2:16b", "deepseek-coder-v2-lite"),
    ("deepsek r1 14b", "deepseek-r1-distill-qwen-14b"),
    ("distill llama 8b", "deepseek-r1-distill-llama-8b"),
    ("mixtral 8x7b", "mixtral-8x7b"),
    ("mixtral:8x22b", "mixtral-8x22b"),
    ("mistral 7b", "mistral-7b-v0.3"),
    ("mistral nemo", "mistral-nemo-12b"),
    ("mistral small 24b", "mistral-small-24b-2501"),
    ("devstral", "devstral-small-24b"),
    ("minstral 8b", "ministral-8b"),
    ("phi4", "phi-4"),
    ("phi 4 reasoning plus", "phi-4-reasoning-plus"),
    ("phi-4-mini", "phi-4-mini"),
    ("phi3.5 mini", "phi-3.5-mini"),
    ("glm 4.5 air", "glm-4.5-air"),
    ("glm-4.6", "glm-4.6"),
    ("glm 4.7 flash", "glm-4.7-flash"),
    ("zai-org/GLM-4.5-Air", "glm-4.5-air"),
    ("kimi k2 thinking", "kimi-k2-thinking"),
    ("kimi-k2", "kimi-k2"),
    ("kimi k3", "kimi-k3"),
    ("minimax m2.5", "minimax-m2.5"),
    ("granite 4 h small", "granite-4.0-h-small"),
    ("granite4 tiny", "granite-4.0-h-tiny"),
    ("nemotron nano 9b", "nemotron-nano-9b-v2"),
    ("nemotron 3 nano 30b", "nemotron-3-nano-30b-a3b"),
    ("seed oss", "seed-oss-36b"),
    ("smollm2 1.7b", "smollm2-1.7b"),
    ("smol 135m", "smollm2-135m"),
    ("tinyllama", "tinyllama-1.1b"),
    ("codellama 34b", "codellama-34b"),
    ("code llama 7b", "codellama-7b"),
    ("llama 70b 3.1", "llama-3.1-70b"),
    ("llama2 13b", "llama-2-13b"),
    ("llama 4 scout", "llama-4-scout"),
    ("maverick", "llama-4-maverick"),
    ("command r plus", "command-r-plus-08-2024"),
    ("exaone 4 32b", "exaone-4.0-32b"),
    ("lfm2 1.2b", "lfm2-1.2b"),
    ("olmo 2 32b", "olmo-2-32b"),
    ("falcon h1 34b", "falcon-h1-34b"),
    ("yi coder", "yi-coder-9b"),
    ("starcoder2 15b", "starcoder2-15b"),
    ("nomic embed", "nomic-embed-text-v1.5"),
    ("nomic-embed-text", "nomic-embed-text-v1.5"),
    ("qwen3 embedding 0.6b", "qwen3-embedding-0.6b"),
    ("bge m3", "bge-m3"),
    ("mimo v2 flash", "mimo-v2-flash"),
    ("step 3.5 flash", "step-3.5-flash"),
    ("hunyuan a13b", "hunyuan-a13b"),
    ("ernie 21b", "ernie-4.5-21b-a3b"),
    ("solar 10.7b", "solar-10.7b"),
    ("llama 3.1 405", "llama-3.1-405b"),
    ("405b", "llama-3.1-405b"),
    ("llama vision 11b", "llama-3.2-11b-vision"),
    ("apertus 70b", "apertus-70b"),
    ("internlm3", "internlm3-8b"),
    ("stable lm 1.6b", "stablelm-2-1.6b"),
]


@pytest.mark.parametrize(("text", "model_id"), TYPED, ids=[text for text, _ in TYPED])
def test_what_people_type_finds_the_model_first(text: str, model_id: str) -> None:
    assert catalogue().search(text)[0].model.id == model_id


def test_a_search_takes_less_than_five_milliseconds() -> None:
    index = catalogue()
    index.search("warm")
    spent = []
    for place, (text, _) in enumerate(TYPED):
        start = time.process_time()
        index.search(f"{text} {place}")  # a word that no earlier search has looked up
        spent.append(time.process_time() - start)
    assert sorted(spent)[len(spent) // 2] < 0.005


@pytest.mark.parametrize("model", [*catalogue().models, *catalogue().facts_only], ids=lambda model: model.id)
def test_every_model_is_found_by_its_id_its_name_and_its_repository(model) -> None:  # type: ignore[no-untyped-def]
    assert catalogue().search(model.id)[0].model is model
    assert catalogue().search(model.name)[0].model is model
    if model.entry.hf_repo:
        found = catalogue().search(f"https://huggingface.co/{model.entry.hf_repo}")[0].model
        assert found.entry.hf_repo == model.entry.hf_repo


@pytest.mark.parametrize("text", ["", "   ", "zzzz", "-", "'; drop table", "x" * 100_000, "8" * 5_000, "\x00"])
def test_nonsense_finds_nothing_and_breaks_nothing(text: str) -> None:
    assert catalogue().search(text) == []


def test_a_slip_is_offered_and_never_taken() -> None:
    with pytest.raises(QuestionError, match="near it are qwen3-8b"):
        catalogue().find("quen3 8b")


def test_words_leave_out_quantizations_and_endings() -> None:
    assert words("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf") == ("llama", "3.1", "8b")
    assert words("unsloth/Qwen3-30B-A3B-GGUF:UD-Q4_K_XL") == ("unsloth", "qwen", "3", "30b", "a3b")
    assert words("mlx-community/gpt-oss-20b-MXFP4-4bit") == ("community", "gpt", "oss", "20b")


@pytest.mark.parametrize(
    ("text", "model_id", "quantization"),
    [
        ("deepseek-r1:32b", "deepseek-r1-distill-qwen-32b", "Q4_K_M"),
        ("llama3.1:8b-instruct-q5_K_M", "llama-3.1-8b", "Q5_K_M"),
        ("mixtral:8x7b", "mixtral-8x7b", "Q4_K_M"),
        ("phi4:latest", "phi-4", "Q4_K_M"),
        ("llama-3.1-8b:q6_k", "llama-3.1-8b", "Q6_K"),
    ],
)
def test_names_of_ollama_are_resolved(text: str, model_id: str, quantization: str) -> None:
    found = resolve_model(text)
    assert (found.id, found.quantization) == (model_id, quantization)


def test_a_quantization_that_nobody_knows_is_not_taken_for_a_name() -> None:
    with pytest.raises(QuestionError, match="Q4_K_Z"):
        resolve_model("llama-3.1-8b:Q4_K_Z")


@pytest.mark.parametrize("model", catalogue().facts_only, ids=lambda model: model.id)
def test_a_model_without_a_plan_says_what_is_known_what_is_missing_and_what_is_nearest(model) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnplannedModelError) as caught:
        resolve_model(model.id)
    said = str(caught.value)
    assert said.startswith(f"{model.name} is known (")
    assert model.entry.missing in said
    assert "billion parameters" in said
    assert caught.value.nearest in said
    assert "\n" not in said
    assert catalogue().find(caught.value.nearest).parameters


def test_the_nearest_model_is_of_the_same_family_or_publisher_where_there_is_one() -> None:
    nearest = {model.id: catalogue().nearest_planned(model).id for model in catalogue().facts_only}
    assert nearest["gemma-4-12b"] == "gemma-4-e4b"
    assert nearest["deepseek-v4-pro"].startswith("deepseek")
    assert nearest["lfm2.5-2.6b"] == "lfm2-2.6b"


def test_models_without_a_plan_are_never_ranked() -> None:
    planned = {model.id for model in catalogue().models}
    assert not planned & {model.id for model in catalogue().facts_only}
    assert len(planned) + len(catalogue().facts_only) == 282
