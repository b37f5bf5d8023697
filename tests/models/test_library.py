"""The catalogue: its files, how models are found, and what a quantized model is."""

import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from advisor.errors import QuestionError
from advisor.models.gguf_header import GGUFHeader, parse_header, read_header
from advisor.models.keys import hyperparameters
from advisor.models.library import catalogue, read_family
from advisor.models.quantization import parse_quantization
from tests.models import real_files

FOLDER = Path(sys.modules["advisor.models.library"].__file__ or "").parent / "catalogue"

MUST_HAVE = (
    # The story of the product and the models of public load logs.
    *("deepseek-r1-671b", "deepseek-r1-distill-qwen-1.5b", "deepseek-r1-distill-qwen-7b", "deepseek-r1-distill-llama-8b"),
    *("deepseek-r1-distill-qwen-14b", "deepseek-r1-distill-qwen-32b", "deepseek-r1-distill-llama-70b", "deepseek-v3-0324"),
    *("llama-2-7b", "llama-3-8b", "llama-3.1-8b", "llama-3.1-70b", "llama-3.2-1b", "llama-3.2-3b", "llama-3.3-70b"),
    *("llama-4-scout", "tinyllama-1.1b", "deepseek-coder-6.7b", "danube3-500m", "codellama-34b", "yi-coder-9b"),
    *("qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b", "qwen2.5-7b", "qwen2.5-coder-14b", "qwq-32b", "kimi-dev-72b"),
    *("codeqwen1.5-7b", "qwen2.5-omni-7b", "qwen3-0.6b", "qwen3-4b", "qwen3-30b-a3b", "qwen3-coder-30b-a3b"),
    *("qwen3-235b-a22b", "qwen3-next-80b-a3b", "qwen3.5-9b", "qwen3.5-35b-a3b", "qwen3.6-35b-a3b"),
    *("gemma-2-2b", "gemma-3-1b", "gemma-3-12b", "gemma-3-27b", "gemma-4-e2b", "gemma-4-e4b", "gemma-4-26b-a4b"),
    *("gpt-oss-20b", "gpt-oss-120b", "mistral-7b-v0.3", "mistral-nemo-12b", "mixtral-8x7b", "phi-3.5-mini", "phi-4"),
    *("deepseek-coder-v2-lite", "glm-4.5-air", "glm-z1-32b-0414", "granite-4.1-8b", "lfm2-1.2b", "minimax-m2"),
    *("exaone-4.0-1.2b", "command-r-08-2024", "falcon-h1-1.5b-deep", "gpt2-medium", "bge-m3"),
)


@pytest.mark.parametrize("model_id", MUST_HAVE)
def test_the_first_catalogue_holds(model_id: str) -> None:
    assert catalogue().find(model_id).id == model_id


def test_ids_and_names_are_each_given_once() -> None:
    ids = [model.id for model in catalogue().models]
    assert len(ids) == len(set(ids)) == 244
    names = [model.name for model in catalogue().models]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("model", catalogue().models, ids=[model.id for model in catalogue().models])
def test_every_entry_is_whole(model) -> None:  # type: ignore[no-untyped-def]
    assert sum(shape.elements for shape in model.shapes) == model.parameters
    hp = model.hyperparameters
    assert hp.assumptions == ()
    assert (model.active_parameters is None) == (hp.expert_count == 0)
    experts = sum(shape.elements for shape in model.shapes if "_exps" in shape.name)
    if model.active_parameters:
        idle = experts * (hp.expert_count - hp.expert_used_count) // hp.expert_count
        assert model.active_parameters == model.parameters - idle
    if model.native_quantization:
        assert parse_quantization(model.native_quantization) == model.native_quantization
    assert model.entry.sources.keys
    assert model.entry.tokenizer is None or model.header_bytes > 500_000


FOUND = [
    ("Llama 3.1 8B", "llama-3.1-8b"),
    ("LLAMA-3.1-8B", "llama-3.1-8b"),
    ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
    ("Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b"),
    ("bartowski/Meta-Llama-3-8B-Instruct-GGUF", "llama-3-8b"),
    ("deepseek-r1", "deepseek-r1-671b"),
    ("gpt-oss", "gpt-oss-20b"),
    ("QwQ", "qwq-32b"),
    ("gemma-3-27b-it", "gemma-3-27b"),
    ("8x22b", "mixtral-8x22b"),
    ("nemotron nano 9b", "nemotron-nano-9b-v2"),
]


@pytest.mark.parametrize(("text", "model_id"), FOUND)
def test_names_people_use(text: str, model_id: str) -> None:
    assert catalogue().find(text).id == model_id


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(QuestionError, match=r'there is no model "llamma-3\.1-8b".*llama-3\.1-8b') as caught:
        catalogue().find("llamma-3.1-8b")
    assert caught.value.field == "model"
    with pytest.raises(QuestionError, match=r'"phi-3" may be any of phi-3'):
        catalogue().find("phi-3")
    with pytest.raises(QuestionError, match=r'there is no model "a{80}\.\.\."') as caught:
        catalogue().find("a" * 4000)
    assert len(str(caught.value)) < 300
    with pytest.raises(QuestionError, match="there is no model"):
        catalogue().find("")


PUBLISHED = [
    # Exact sizes of published files, bytes (hub listings of the repositories named).
    ("llama-3.1-8b", "Q4_K_M", 4_920_739_232),  # bartowski/Meta-Llama-3.1-8B-Instruct-GGUF
    ("llama-3.1-8b", "Q8_0", 8_540_775_840),
    ("llama-3.3-70b", "Q4_K_M", 42_520_398_816),  # bartowski/Llama-3.3-70B-Instruct-GGUF
    ("qwen3-30b-a3b", "Q4_K_M", 18_556_685_824),  # Qwen/Qwen3-30B-A3B-GGUF
    ("gpt-oss-120b", "MXFP4", 63_387_346_208),  # ggml-org/gpt-oss-120b-GGUF
    ("gemma-2-9b", "Q4_K_M", 5_761_057_728),  # bartowski/gemma-2-9b-it-GGUF
    ("granite-4.0-h-tiny", "Q4_K_M", 4_230_976_352),  # ibm-granite/granite-4.0-h-tiny-GGUF
    ("deepseek-coder-v2-lite", "Q4_K_M", 10_364_416_768),  # bartowski/DeepSeek-Coder-V2-Lite-Instruct-GGUF
]


@pytest.mark.parametrize(("model_id", "quantization", "published"), PUBLISHED)
def test_file_sizes_are_those_published(model_id: str, quantization: str, published: int) -> None:
    """Within a thousandth: the header's vocabulary is known to about 1 MB."""
    model = catalogue().find(model_id).quantized(quantization)
    assert model.file_bytes == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize(
    ("model_id", "quantization", "header"),
    [
        ("smollm2-135m", "Q4_1", read_header(real_files.smollm2())),
        ("gemma-3-270m", "Q4_K_M", parse_header(real_files.gemma_header(), real_files.GEMMA_FILE_BYTES)),
    ],
    ids=["smollm2", "gemma3"],
)
def test_real_files_are_as_the_catalogue_says(model_id: str, quantization: str, header: GGUFHeader) -> None:
    model = catalogue().find(model_id)
    assert model.hyperparameters == hyperparameters(header.metadata)
    predicted = model.quantized(quantization)
    assert {t.name: (t.shape, t.type) for t in predicted.tensors} == {t.name: (t.shape, t.type) for t in header.tensors}
    assert predicted.file_bytes == header.file_bytes


def test_a_quantized_model_is_made_once() -> None:
    model = catalogue().find("llama-3.2-1b")
    metadata = model.quantized("q4_k_m")
    assert metadata is model.quantized("Q4_K_M")
    assert metadata.quantization == "Q4_K_M"
    assert metadata.predicted
    assert metadata.parameters == model.parameters == 1_235_814_432
    assert metadata.source == "catalogue: llama-3.2-1b"


def test_an_unknown_quantization_is_named() -> None:
    with pytest.raises(QuestionError, match="Q4_K_Z"):
        catalogue().find("llama-3.2-1b").quantized("Q4_K_Z")


def test_files_are_checked(tmp_path: Path) -> None:
    good = (FOLDER / "tinyllama.toml").read_text()
    for wrong in (
        good.replace("[models.keys]", "color = 1\n\n[models.keys]"),
        good.replace("parameters = ", "parameters = -"),
        good.replace("block_count = 22", 'block_count = "22"'),
        good.replace("block_count = 22", "block_count = 22.0"),
    ):
        assert wrong != good
        path = tmp_path / "wrong.toml"
        path.write_text(wrong)
        with pytest.raises(ValidationError):
            read_family(path)


def test_every_file_holds_one_family() -> None:
    for path in FOLDER.glob("*.toml"):
        if path.name != "tokenizers.toml":
            assert tomllib.loads(path.read_text())["family"]
