"""Planning files: one for each content, no weight on the disk, gone with the process."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.engine.planning_files import PlanningFiles
from advisor.errors import EngineFailedError
from advisor.models.gguf_header import read_header
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlanningFiles]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = PlanningFiles(kept=2)
    yield files
    files.close()


def model(name: str = "smollm2-135m", quantization: str = "Q8_0") -> ModelMetadata:
    return catalogue().find(name).quantized(quantization)


def test_a_file_has_the_models_tensors_and_no_vocabulary(files: PlanningFiles) -> None:
    asked = model()
    header = read_header(files.of_model(asked))
    assert {(t.name, t.shape, t.type) for t in header.tensors} == {(t.name, t.shape, t.type) for t in asked.tensors}
    assert header.metadata["tokenizer.ggml.model"] == "no_vocab"
    assert "tokenizer.ggml.tokens" not in header.metadata


def test_the_same_content_is_written_once(files: PlanningFiles) -> None:
    asked = model()
    path = files.of_model(asked)
    written = path.stat().st_mtime_ns
    assert files.of_model(asked) == path
    assert files.of_model(replace(asked, name="another name")) == path
    assert path.stat().st_mtime_ns == written
    assert files.of_model(model(quantization="Q4_K_M")) != path
    assert files.of_model(replace(asked, keys={**(asked.keys or {}), "llama.context_length": 4096})) != path


def test_671_billion_weights_take_no_room(files: PlanningFiles) -> None:
    path = files.of_model(model("deepseek-r1-671b", "Q4_K_M"))
    assert path.stat().st_size > 400e9
    assert path.stat().st_blocks * 512 < 2e6


def test_few_are_kept(files: PlanningFiles) -> None:
    first = files.of_model(model(quantization="Q8_0"))
    later = [files.of_model(model(quantization=name)) for name in ("Q6_K", "Q4_K_M")]
    assert not first.exists()
    assert all(path.exists() for path in later)
    assert files.of_model(model(quantization="Q8_0")).exists()


def test_a_file_that_somebody_deleted_is_written_again(files: PlanningFiles) -> None:
    path = files.of_model(model())
    path.unlink()
    assert files.of_model(model()).exists()
    path.unlink()
    path.parent.rmdir()
    assert files.of_model(model()).exists()


def test_they_go_with_the_process(files: PlanningFiles, tmp_path: Path) -> None:
    files.of_model(model())
    files.close()
    assert list(tmp_path.iterdir()) == []


def test_a_model_whose_keys_are_not_known(files: PlanningFiles) -> None:
    with pytest.raises(EngineFailedError, match="metadata"):
        files.of_model(replace(model(), keys=None))


def test_a_disk_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with pytest.raises(EngineFailedError, match="set TMPDIR"):
        PlanningFiles().of_model(model())
