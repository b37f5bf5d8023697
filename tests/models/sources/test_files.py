"""Models in folders of every layout: plain, split, Hugging Face's cache, LM Studio's, MLX; and folders that would not end."""

import json
import os
import time
from pathlib import Path

import pytest

from advisor.errors import HeadroomError, MissingPartError, QuestionError
from advisor.models.resolve import resolve_model
from advisor.models.sources import files, here, lmstudio
from advisor.models.sources.files import find_models
from tests.command import advisor
from tests.models.real_files import smollm2
from tests.models.sources.test_ollama import manifest, put
from tests.waiting import wall_clock


def write(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF".ljust(size, b"\0"))
    return path


def found(folder: Path) -> dict[str, tuple[str, str | None, int | None]]:
    return {model.name: (model.format, model.quantization, model.size_bytes) for model in find_models(folder).models}


def test_a_plain_folder(tmp_path: Path) -> None:
    write(tmp_path / "a-Q4_K_M.gguf", 100)
    write(tmp_path / "deep/er/b.Q8_0.GGUF", 200)
    write(tmp_path / "mmproj-a-f16.gguf")
    write(tmp_path / "a.imatrix.gguf")
    write(tmp_path / "half-Q4_0.gguf.part")
    (tmp_path / "empty-Q4_0.gguf").touch()
    (tmp_path / "folder-Q4_0.gguf").mkdir()
    assert found(tmp_path) == {"a-Q4_K_M.gguf": ("gguf", "Q4_K_M", 100), "deep/er/b.Q8_0.GGUF": ("gguf", "Q8_0", 200)}


def test_split_models_are_one(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path / f"whole-Q4_K_M-{number:05}-of-00003.gguf", 100)
    write(tmp_path / "lacking-Q8_0-00001-of-00002.gguf", 100)
    write(tmp_path / "headless-Q8_0-00002-of-00002.gguf", 100)
    assert found(tmp_path) == {
        "whole-Q4_K_M-00001-of-00003.gguf": ("gguf", "Q4_K_M", 300),
        "lacking-Q8_0-00001-of-00002.gguf": ("gguf", "Q8_0", None),
    }


def test_hugging_faces_cache(tmp_path: Path) -> None:
    repo = tmp_path / "models--bartowski--Qwen3-8B-GGUF"
    blob = write(repo / "blobs" / "0123abc", 300)
    for revision in ("1" * 40, "2" * 40):
        link = repo / "snapshots" / revision / "Qwen3-8B-Q4_K_M.gguf"
        link.parent.mkdir(parents=True)
        link.symlink_to(blob)
    gone = repo / "snapshots" / ("1" * 40) / "Qwen3-8B-Q8_0.gguf"
    gone.symlink_to(repo / "blobs" / "never-loaded")
    mlx = tmp_path / "models--mlx-community--Qwen3-8B-4bit" / "snapshots" / ("3" * 40)
    mlx.mkdir(parents=True)
    (mlx / "config.json").write_text(json.dumps({"model_type": "qwen3", "quantization": {"bits": 4, "group_size": 64}}))
    (mlx / "model.safetensors").write_bytes(b"x" * 50)
    assert found(tmp_path) == {
        "bartowski/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf": ("gguf", "Q4_K_M", 300),
        "mlx-community/Qwen3-8B-4bit": ("mlx", "mlx-4bit", 50),
    }


def test_folders_that_are_no_models(tmp_path: Path) -> None:
    for name, config in {"a": "{", "b": "[1]", "c": "{}", "d": "[" * 100_000}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
        (tmp_path / name / "model.safetensors").write_bytes(b"x")
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "config.json").write_text('{"model_type": "llama"}')
    assert found(tmp_path) == {}


@wall_clock
def test_links_that_lead_back(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x-Q4_0.gguf")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self.gguf").symlink_to(tmp_path / "a" / "self.gguf")
    started = time.monotonic()
    assert len(find_models(tmp_path).models) == 1
    assert time.monotonic() - started < 1


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x-Q4_0.gguf")
    write(tmp_path.joinpath(*"abcdefghijklmno") / "deep-Q4_0.gguf")
    shallow = find_models(tmp_path)
    assert [model.name for model in shallow.models] == ["x-Q4_0.gguf"]
    assert not shallow.complete
    assert not find_models(tmp_path, seconds=0).complete
    monkeypatch.setattr(files, "MOST_MODELS", 1)
    write(tmp_path / "y-Q4_0.gguf")
    many = find_models(tmp_path)
    assert (len(many.models), many.complete) == (1, False)


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may read everything")
def test_folders_that_may_not_be_read_are_counted(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert find_models(tmp_path).unreadable == 1


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="there is no folder"):
        find_models(tmp_path / "none")
    with pytest.raises(QuestionError, match="is a file"):
        find_models(write(tmp_path / "x.gguf"))


# --- LM Studio ---------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def studio(folder: Path) -> None:
    model = folder / "lmstudio-community" / "SmolLM2-135M-Instruct-GGUF"
    model.mkdir(parents=True)
    (model / "SmolLM2-135M-Instruct-Q4_1.gguf").symlink_to(smollm2())
    write(folder / "bartowski" / "Qwen3-8B-GGUF" / "Qwen3-8B-Q8_0.gguf")
    write(folder / "bartowski" / "Qwen3-8B-GGUF" / "Qwen3-8B-Q4_K_M.gguf")


PLACES = [
    ({}, ".lmstudio/models"),
    ({}, ".cache/lm-studio/models"),
    ({".lmstudio-home-pointer": "{home}/elsewhere\n"}, "elsewhere/models"),
    ({".lmstudio/settings.json": '{{"downloadsFolder": "{home}/chosen"}}'}, "chosen"),
    ({".config/LM Studio/settings.json": '{{"downloadsFolder": "{home}/chosen"}}'}, "chosen"),
    ({".lmstudio/settings.json": "not json", ".lmstudio-home-pointer": ""}, ".lmstudio/models"),
]


@pytest.mark.parametrize(("settings", "place"), PLACES)
def test_where_lm_studio_keeps_models(home: Path, settings: dict[str, str], place: str) -> None:
    for name, text in settings.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text.format(home=home))
    studio(home / place)
    assert len(list(lmstudio.models())) == 3


NAMES = [
    "lmstudio:lmstudio-community/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_1.gguf",
    "lmstudio:lmstudio-community/SmolLM2-135M-Instruct-GGUF",
    "LMStudio:smollm2-135m-instruct-q4_1",
    "lmstudio:smollm2-135m-instruct@q4_1",
    "lmstudio:smollm2-135m-instruct:Q4_1",
]


@pytest.mark.parametrize("text", NAMES)
def test_names_of_lm_studio(home: Path, text: str) -> None:
    studio(home / ".lmstudio/models")
    assert resolve_model(text).file_bytes == smollm2().stat().st_size


def test_names_that_are_several_or_none(home: Path) -> None:
    with pytest.raises(MissingPartError, match="LM Studio has no models"):
        resolve_model("lmstudio:qwen3-8b")
    studio(home / ".lmstudio/models")
    with pytest.raises(QuestionError, match="may be any of bartowski/Qwen3-8B-GGUF/Qwen3-8B-"):
        resolve_model("lmstudio:qwen3-8b")
    with pytest.raises(MissingPartError, match=r"it has .*SmolLM2"):
        resolve_model("lmstudio:gemma")


# --- all of them -------------------------------------------------------------------------------------


def test_everything_here_and_each_file_once(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    studio(home / ".lmstudio/models")
    digest = put(tmp_path / "ollama", write(tmp_path / "llama"))
    manifest(tmp_path / "ollama", "registry.ollama.ai/library/llama3.2/3b", [("application/vnd.ollama.image.model", digest)])
    write(home / ".cache/huggingface/hub/models--o--r/snapshots/1/r-Q4_0.gguf")
    write(home / ".cache/llama.cpp/o_r-Q5_0.gguf")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "same.gguf").symlink_to(home / ".lmstudio/models/bartowski/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf")
    rows = {model.text.rpartition("/")[2]: model.source for model in here.models_here([mine]).models}
    assert rows == {
        "SmolLM2-135M-Instruct-Q4_1.gguf": "lm-studio",
        "same.gguf": "folder",
        "Qwen3-8B-Q4_K_M.gguf": "lm-studio",
        "ollama:llama3.2:3b": "ollama",
        "r-Q4_0.gguf": "hugging-face",
        "o_r-Q5_0.gguf": "hugging-face",
    }
    with pytest.raises(HeadroomError):
        here.models_here([tmp_path / "none"])


def test_the_command(tmp_path: Path) -> None:
    write(tmp_path / "a-Q4_K_M.gguf", 2**20)
    ran = advisor("models", "--folder", str(tmp_path), "--json")
    assert ran.code == 0
    rows = [row for row in json.loads(ran.out)["models"] if row["source"] == "folder"]
    assert [(row["name"], row["quantization"], row["file_bytes"]) for row in rows] == [("a-Q4_K_M.gguf", "Q4_K_M", 2**20)]
    ran = advisor("models", "--folder", str(tmp_path / "none"))
    assert (ran.code, ran.err.count("\n")) == (3, 1)
