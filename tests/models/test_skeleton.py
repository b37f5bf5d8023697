"""Skeleton files: read back as they were meant, long and nearly empty."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from gguf.constants import GGMLQuantizationType

from advisor.errors import MissingPartError
from advisor.models import skeleton
from advisor.models.gguf_header import read_header
from advisor.models.keys import hyperparameters
from advisor.models.library import catalogue
from advisor.models.skeleton import skeleton_keys, write_skeleton
from advisor.models.tensor import Tensor
from tests.models.real_files import smollm2


def test_a_skeleton_reads_back_as_the_model(tmp_path: Path) -> None:
    model = catalogue().find("deepseek-r1-671b")
    metadata = model.quantized("Q4_K_M")
    path = tmp_path / "r1.gguf"
    length = write_skeleton(path, model.keys, metadata.tensors)
    status = path.stat()
    assert length == status.st_size > 400 * 10**9
    assert status.st_blocks * 512 < 2**20
    header = read_header(path)
    # What the engine would otherwise assume is said: V3's router weights are divided by their sum, V2's are not.
    assert hyperparameters(header.metadata) == replace(model.hyperparameters, expert_weights_norm=True)
    assert [(t.name, t.shape, t.type) for t in header.tensors] == [(t.name, t.shape, t.type) for t in metadata.tensors]
    assert header.metadata["tokenizer.ggml.model"] == "no_vocab"


def test_router_weights_are_kept_where_published_files_keep_them(tmp_path: Path) -> None:
    model = catalogue().find("deepseek-v2-lite")
    path = tmp_path / "v2.gguf"
    write_skeleton(path, model.keys, model.quantized("Q4_K_M").tensors)
    assert hyperparameters(read_header(path).metadata).expert_weights_norm is False


def test_a_real_header_without_its_vocabulary(tmp_path: Path) -> None:
    header = read_header(smollm2())
    path = tmp_path / "smollm2.gguf"
    write_skeleton(path, header.metadata, header.tensors)
    again = read_header(path)
    assert hyperparameters(again.metadata) == hyperparameters(header.metadata)
    assert again.metadata["llama.attention.layer_norm_rms_epsilon"] == header.metadata["llama.attention.layer_norm_rms_epsilon"]
    assert not any(name.startswith("tokenizer.") and name != "tokenizer.ggml.model" for name in again.metadata)
    assert again.header_bytes < 20_000 < header.header_bytes


def test_keys_of_the_model_go_before_those_added() -> None:
    keys = {"general.architecture": "granite", "granite.logit_scale": 6.0}
    written = skeleton_keys(keys, (), 100)
    assert written["granite.logit_scale"] == 6.0
    assert written["granite.residual_scale"] == 0.22
    assert written["granite.vocab_size"] == 100


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (7, 7),
        (-1, -1),
        (2**40, 2**40),
        (0.5, 0.5),
        (True, True),
        ((1, 2, 3), (1, 2, 3)),
        ((2**40, 1), (2**40, 1)),
        ((True, False), (True, False)),
        ((0.5, 1.0), (0.5, 1.0)),
        (("a", "b"), None),
    ],
)
def test_values_keep_their_types(value: object, read: object, tmp_path: Path) -> None:
    path = tmp_path / "one.gguf"
    tensors = [Tensor("token_embd.weight", (32, 8), GGMLQuantizationType.Q8_0)]
    write_skeleton(path, {"general.architecture": "llama", "llama.some_key": value}, tensors)
    found = read_header(path).metadata.get("llama.some_key")
    assert found == read
    assert type(found) is type(read)


def test_a_disk_without_holes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeleton, "_allocated", lambda _descriptor: 2**30)
    path = tmp_path / "model.gguf"
    with pytest.raises(MissingPartError, match="without sparse files"):
        write_skeleton(path, {"general.architecture": "llama"}, [Tensor("a", (32,), GGMLQuantizationType.F32)])
    assert not path.exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="could not be written"):
        write_skeleton(tmp_path / "none" / "model.gguf", {"general.architecture": "llama"}, [])


@pytest.mark.skipif(os.name != "posix", reason="blocks are counted on POSIX systems")
def test_every_family_takes_little_room(tmp_path: Path) -> None:
    for model in catalogue().models[::20]:
        path = tmp_path / f"{model.id}.gguf"
        write_skeleton(path, model.keys, model.quantized("Q8_0").tensors)
        assert path.stat().st_blocks * 512 < 400_000
