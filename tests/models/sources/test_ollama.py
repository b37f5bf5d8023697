"""Ollama's store, laid out as Ollama lays it, around a real model's file; and its server's documented answers."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import MissingPartError, QuestionError
from advisor.models.gguf_header import read_header
from advisor.models.projector import resolve_projector
from advisor.models.resolve import resolve_model
from advisor.models.sources import ollama
from advisor.models.sources.ollama_store import OllamaName, models, parse_name
from tests.models.gguf_builder import STRING, Builder
from tests.models.real_files import smollm2
from tests.models.sources.json_server import json_server

KIND = "application/vnd.ollama.image."


def put(store: Path, data: bytes | Path) -> str:
    """A blob, by its digest; of a real file a link, under a digest made of its name."""
    digest = hashlib.sha256(data if isinstance(data, bytes) else data.name.encode()).hexdigest()
    blob = store / "blobs" / f"sha256-{digest}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, bytes):
        blob.write_bytes(data)
    elif not blob.exists():
        blob.symlink_to(data)
    return f"sha256:{digest}"


def manifest(store: Path, name: str, layers: list[tuple[str, str]]) -> Path:
    path = store / "manifests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"mediaType": kind, "digest": digest, "size": 1} for kind, digest in layers]
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": put(store, b"{}"), "size": 2}
    path.write_text(json.dumps({"schemaVersion": 2, "config": config, "layers": rows}))
    return path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "ollama"
    monkeypatch.setenv("OLLAMA_MODELS", str(root))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    model = put(root, smollm2())
    projector = Builder().key("general.architecture", STRING, "clip").tensor("v.a").file()
    parameters = put(root, json.dumps({"num_ctx": 16384, "stop": ["<|im_end|>"]}).encode())
    manifest(root, "registry.ollama.ai/library/smollm2/135m", [(f"{KIND}model", model), (f"{KIND}params", parameters)])
    manifest(
        root, "registry.ollama.ai/someone/Vision/latest", [(f"{KIND}model", model), (f"{KIND}projector", put(root, projector))]
    )
    manifest(root, "hf.co/bartowski/SmolLM2-GGUF/Q4_1", [(f"{KIND.upper()}MODEL; charset=utf-8", model)])
    # What is in real stores and is no model here.
    manifest(root, "registry.ollama.ai/library/gpt-oss/120b-cloud", [])
    manifest(root, "registry.ollama.ai/library/image/latest", [(f"{KIND}tensor", model)])
    manifest(root, "registry.ollama.ai/library/gone/latest", [(f"{KIND}model", f"sha256:{'0' * 64}")])
    manifest(root, "registry.ollama.ai/library/wrong/latest", [(f"{KIND}model", "sha256:../../../etc/passwd")])
    (root / "manifests/registry.ollama.ai/library/gone/broken").write_text("{")
    (root / "manifests/registry.ollama.ai/library/gone/list").write_text("[1]")
    (root / "manifests/registry.ollama.ai/.DS_Store").write_text("")
    return root


def test_the_store(store: Path) -> None:
    found = {str(model.name): model for model in models(store)}
    assert sorted(found) == ["hf.co/bartowski/SmolLM2-GGUF:Q4_1", "smollm2:135m", "someone/Vision:latest"]
    assert found["smollm2:135m"].parameters["num_ctx"] == 16384
    assert len(found["someone/Vision:latest"].projectors) == 1
    assert {model.text for model in ollama.found_models()} == {f"ollama:{name}" for name in found}
    assert ollama.projector_of(str(found["someone/Vision:latest"].blob)) is not None


NAMES = [
    ("ollama:smollm2:135m", "ollama:smollm2:135m"),
    ("Ollama:SmolLM2:135M", "ollama:smollm2:135m"),
    ("ollama:registry.ollama.ai/library/smollm2:135m", "ollama:smollm2:135m"),
    ("ollama:someone/vision", "ollama:someone/Vision:latest"),
    ("ollama:hf.co/bartowski/SmolLM2-GGUF:q4_1", "ollama:hf.co/bartowski/SmolLM2-GGUF:Q4_1"),
]


@pytest.mark.parametrize(("text", "expected"), NAMES)
def test_names(store: Path, text: str, expected: str) -> None:
    found = resolve_model(text)
    assert (found.id, found.quantization, found.file_bytes) == (expected, "Q4_1", smollm2().stat().st_size)


def test_what_ollama_adds_is_said(store: Path) -> None:
    assert "Its Modelfile sets num_ctx to 16,384" in " ".join(resolve_model("ollama:smollm2:135m").assumptions)
    assert "loads its projector too" in " ".join(resolve_model("ollama:someone/vision").assumptions)


PARSED = [
    ("llama3.2", ("registry.ollama.ai", "library", "llama3.2", "latest")),
    ("llama3.2:3b-instruct-q4_K_M", ("registry.ollama.ai", "library", "llama3.2", "3b-instruct-q4_K_M")),
    ("me/mine", ("registry.ollama.ai", "me", "mine", "latest")),
    ("localhost:5000/me/mine:x", ("localhost:5000", "me", "mine", "x")),
    ("https://hf.co/o/r:Q4_K_M", ("hf.co", "o", "r", "Q4_K_M")),
    ("mine@sha256:abc", ("registry.ollama.ai", "library", "mine", "latest")),
]


@pytest.mark.parametrize(("text", "parts"), PARSED)
def test_parsed_names(text: str, parts: tuple[str, str, str, str]) -> None:
    assert parse_name(text) == OllamaName(*parts)


@pytest.mark.parametrize("text", ["", "a/b/c/d", "../x", "a b", "x:", ":x", "-x", "x" * 81])
def test_names_that_are_none(text: str) -> None:
    assert parse_name(text) is None


def test_what_is_not_there(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match=r"it has hf\.co/bartowski.*smollm2:135m.*`ollama pull qwen3:8b`"):
        resolve_model("ollama:qwen3:8b")
    with pytest.raises(QuestionError, match="is Q4_1; leave the quantization out"):
        resolve_model("ollama:smollm2:135m", "Q8_0")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "none"))
    with pytest.raises(MissingPartError, match="no Ollama models can be read"):
        resolve_model("ollama:qwen3:8b")


def test_the_projector_of_a_model(store: Path) -> None:
    blob = resolve_model("ollama:someone/vision").source
    assert resolve_projector("auto", blob).weights_bytes == 128


# --- the server --------------------------------------------------------------------------------------


def shown() -> dict[str, Any]:
    """An answer of /api/show for SmolLM2: its keys, with the vocabulary left out as the server does, and its tensors."""
    header = read_header(smollm2())
    info = {key: value if isinstance(value, int | float | str) else None for key, value in header.metadata.items()}
    tensors = [{"name": one.name, "type": one.type.name, "shape": list(one.shape)} for one in header.tensors]
    return {"details": {"format": "gguf"}, "model_info": info, "tensors": tensors}


def test_a_store_of_another_user_is_read_through_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "may-not-be-read"))
    with json_server({"/api/show": shown()}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address)
        found = resolve_model("ollama:smollm2:135m")
        assert server.posted == [{"model": "smollm2:135m", "verbose": False}]
    whole = resolve_model(str(smollm2()))
    assert found.hyperparameters == whole.hyperparameters
    assert found.tensor_bytes == whole.tensor_bytes
    assert "Read through Ollama's server" in found.assumptions[-1]


@pytest.mark.parametrize("answer", [{}, {"model_info": {}, "tensors": [{"name": "a"}]}, {"model_info": 1, "tensors": []}])
def test_a_server_that_says_too_little(answer: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "may-not-be-read"))
    with json_server({"/api/show": answer}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address)
        with pytest.raises(MissingPartError, match="does not say enough"):
            resolve_model("ollama:smollm2:135m")
