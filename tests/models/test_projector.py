"""Projectors: sizes against what the engine prints for the same files, and finding the file."""

from pathlib import Path
from typing import Any

import pytest
from gguf.constants import GGMLQuantizationType

from advisor.errors import MissingPartError, NotAModelError, QuestionError
from advisor.models.gguf_header import read_header
from advisor.models.projector import projector_from_header, resolve_projector
from advisor.models.skeleton import write_skeleton
from advisor.models.tensor import Tensor
from advisor.units import MIB


def projector_file(path: Path, kind: str = "gemma3", *, gated: bool = False, **vision: Any) -> Path:
    """A small file with the keys of a projector."""
    numbers = {"image_size": 896, "patch_size": 14, "embedding_length": 1152, "feed_forward_length": 4304, "block_count": 27}
    numbers |= vision
    keys = {"general.architecture": "clip", "clip.has_vision_encoder": True, "clip.projector_type": kind}
    tensors = [Tensor("v.blk.0.ffn_up.weight", (1152, 4304), GGMLQuantizationType.F16)]
    if gated:
        tensors.append(Tensor("v.blk.0.ffn_gate.weight", (1152, 4304), GGMLQuantizationType.F16))
    write_skeleton(path, {**keys, **{f"clip.vision.{name}": value for name, value in numbers.items()}}, tensors, vocab_size=0)
    return path


MEASURED = [
    # MiB of compute that clip_init of the pinned engine prints on the CPU with flash attention, and how far above we may be.
    ("gemma3", {}, False, 121.25, 1.0),
    ("qwen3vl_merger", {"patch_size": 16, "image_size": 768, "spatial_merge_size": 2}, False, 248.10, 1.02),
    (
        "qwen2.5vl_merger",
        {"embedding_length": 1280, "feed_forward_length": 3420, "block_count": 32, "n_wa_pattern": 8},
        True,
        704.79,
        1.25,
    ),
]


@pytest.mark.parametrize(("kind", "vision", "gated", "printed_mib", "most"), MEASURED)
def test_compute(kind: str, vision: dict[str, Any], gated: bool, printed_mib: float, most: float, tmp_path: Path) -> None:
    path = projector_file(tmp_path / "mmproj.gguf", kind, gated=gated, **vision)
    projector = projector_from_header(read_header(path), name="mmproj.gguf")
    assert projector.kind == kind
    assert projector.weights_bytes == (2 if gated else 1) * 1152 * 4304 * 2
    assert printed_mib - 0.01 <= projector.compute_bytes / MIB <= printed_mib * most + 0.01


def test_a_projector_beside_the_model_is_found(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    with pytest.raises(MissingPartError, match="no mmproj file lies in"):
        resolve_projector("auto", str(model))
    projector_file(tmp_path / "mmproj-F16.gguf")
    assert resolve_projector("auto", str(model)).name == "mmproj-F16.gguf"
    projector_file(tmp_path / "mmproj-Q8_0.gguf")
    with pytest.raises(QuestionError, match="several projectors"):
        resolve_projector("auto", str(model))
    assert resolve_projector(str(tmp_path / "mmproj-Q8_0.gguf"), str(model)).kind == "gemma3"


def test_what_cannot_be_a_projector(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="catalogue model"):
        resolve_projector("auto", "catalogue: gemma-3-4b")
    with pytest.raises(MissingPartError, match="there is no projector file"):
        resolve_projector(str(tmp_path / "none.gguf"), "x")
    tensors = [Tensor("token_embd.weight", (64, 8), GGMLQuantizationType.F16)]
    write_skeleton(tmp_path / "model.gguf", {"general.architecture": "llama"}, tensors, vocab_size=8)
    with pytest.raises(NotAModelError, match="no projector"):
        resolve_projector(str(tmp_path / "model.gguf"), "x")
