"""What people type for a model, and what they get where no network is: the hub's own answers are tests/models/sources's."""

import json
from pathlib import Path

import pytest

from advisor.errors import GGUFError, HeadroomError, MissingPartError, QuestionError
from advisor.models.resolve import resolve_model
from tests.models.real_files import smollm2, sparse_gemma
from tests.models.shapes_of_models import lines


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "no-ollama"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")


NAMES = [
    ("llama-3.1-8b", None, "llama-3.1-8b", "Q4_K_M"),
    ("Llama 3.1 8B", "q8_0", "llama-3.1-8b", "Q8_0"),
    ("llama-3.1-8b:Q6_K", None, "llama-3.1-8b", "Q6_K"),
    ("gpt-oss-20b", None, "gpt-oss-20b", "MXFP4_MOE"),
    ("google/gemma-3-270m-it", None, "gemma-3-270m", "Q4_K_M"),
    ("Google/Gemma-3-270M-IT", None, "gemma-3-270m", "Q4_K_M"),
    ("unsloth/gemma-3-270m-it-GGUF:Q8_0", None, "gemma-3-270m", "Q8_0"),
    ("unsloth/gemma-3-270m-it-GGUF:gemma-3-270m-it-Q6_K.gguf", None, "gemma-3-270m", "Q6_K"),
    ("https://huggingface.co/google/gemma-3-270m-it", "F16", "gemma-3-270m", "F16"),
    ("hf.co/unsloth/gemma-3-270m-it-GGUF:q4_k", None, "gemma-3-270m", "Q4_K_M"),
]


@pytest.mark.parametrize(("text", "quantization", "model", "expected"), NAMES)
def test_names(text: str, quantization: str | None, model: str, expected: str) -> None:
    found = resolve_model(text, quantization)
    assert (found.id, found.quantization) == (model, expected)
    if "/" in text:
        assert "the hub was not asked" in found.assumptions[-1]


def test_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gemma = sparse_gemma(tmp_path)
    assert resolve_model(str(gemma)).quantization == "Q4_K_M"
    assert resolve_model(str(tmp_path)).source == str(gemma)
    monkeypatch.chdir(tmp_path)
    assert resolve_model(gemma.name).file_bytes == resolve_model(f"./{gemma.name}").file_bytes
    assert resolve_model(str(smollm2()), "q4_1").quantization == "Q4_1"


def test_a_folder_in_hugging_face_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = next(row["config"] for row in lines("hf_configs.jsonl") if row["catalogue"] == "qwen3-8b")
    folder = tmp_path / "Qwen" / "Qwen3-8B"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for text in (
        str(folder),
        str(folder / "config.json"),
        str(folder / "model.safetensors"),
        "Qwen/Qwen3-8B",
        "./Qwen/Qwen3-8B",
    ):
        found = resolve_model(text, "Q5_K_M")
        assert (found.name, found.quantization, found.hyperparameters.architecture) == ("Qwen3-8B", "Q5_K_M", "qwen3")


WRONG = [
    ("no-such-model-anywhere", None, QuestionError, 2, "there is no model"),
    ("llama-3.1-8b:Q8_0", "Q4_K_M", QuestionError, 2, "names Q8_0"),
    ("llama-3.1-8b", "Q9_Z", QuestionError, 2, "Q9_Z"),
    ("nobody/nothing", None, MissingPartError, 3, "HF_HUB_OFFLINE is set"),
    ("someone/Llama-3.1-8B-Instruct-GGUF", None, MissingPartError, 3, 'ask for "llama-3.1-8b"'),
    ("unsloth/gemma-3-270m-it-GGUF:model.gguf", None, QuestionError, 2, "does not say its quantization"),
    ("ollama:llama3", None, MissingPartError, 3, "no Ollama models can be read"),
    ("ollama:../x", None, QuestionError, 2, "no name of an Ollama model"),
    ("lmstudio:no-such-model", None, MissingPartError, 3, "LM Studio has no"),
    ("https://example.com/o/r", None, QuestionError, 2, "an address of example.com"),
    ("https://huggingface.co/datasets/o/r", None, QuestionError, 2, "no model of the hub"),
    ("no-such.gguf", None, GGUFError, 3, "is not there"),
    ("./no/such/folder", None, GGUFError, 3, "is not there"),
    ("~/no-such/config.json", None, GGUFError, 3, "is not there"),
]


@pytest.mark.parametrize(("text", "quantization", "kind", "code", "part"), WRONG)
def test_what_cannot_be_had(text: str, quantization: str | None, kind: type[HeadroomError], code: int, part: str) -> None:
    with pytest.raises(kind) as caught:
        resolve_model(text, quantization)
    assert caught.value.exit_code == code
    assert part in str(caught.value)


def test_folders_that_hold_nothing_or_too_much(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="neither a config"):
        resolve_model(str(tmp_path))
    sparse_gemma(tmp_path).rename(tmp_path / "a.gguf")
    sparse_gemma(tmp_path).rename(tmp_path / "b.gguf")
    with pytest.raises(QuestionError, match=r"several models \(a\.gguf, b\.gguf\)"):
        resolve_model(str(tmp_path))
