"""`model_from_header`: names, quantizations, and sound files that are no language model."""

from pathlib import Path

import pytest

from advisor import errors as e
from advisor.models.gguf_header import parse_header, read_header
from advisor.models.metadata import model_from_header
from tests.models import gguf_builder as g
from tests.models import real_files as real
from tests.models.gguf_builder import Builder

Q4_K, F16, F32 = 12, 1, 0


def test_gemma(tmp_path: Path) -> None:
    path = real.sparse_gemma(tmp_path)
    model = model_from_header(read_header(path), id="gemma-3-270m", source=str(path))
    assert (model.id, model.name, model.quantization) == ("gemma-3-270m", "Gemma 3 270m", "Q4_K_M")
    assert model.file_bytes == real.GEMMA_FILE_BYTES
    assert model.parameters == 268_098_176  # the sum over the table of gguf.GGUFReader
    assert model.hyperparameters.vocab_size == 262_144
    assert (model.predicted, model.assumptions) == (False, ())


def test_smollm2() -> None:
    model = model_from_header(read_header(real.smollm2()), id="x", source=str(real.smollm2()))
    assert (model.quantization, model.parameters) == ("Q4_1", 134_515_008)
    assert model.hyperparameters.head_count_kv == (3,) * 30


@pytest.mark.parametrize(
    ("file_type", "source", "kinds", "expected"),
    [
        (15, "x.gguf", (Q4_K,), "Q4_K_M"),
        (15 + 1024, "x.gguf", (Q4_K,), "Q4_K_M"),  # guessed by the program that wrote it
        (0, "x-Q8_0.gguf", (F32,), "F32"),  # what the file says goes before its name
        (15, "Qwen3-8B-UD-Q4_K_XL.gguf", (Q4_K,), "UD-Q4_K_XL"),  # a kind of Q4_K_M that only the name tells
        (38, "gpt-oss-20b-mxfp4.gguf", (39,), "MXFP4_MOE"),
        (None, "dir/llama-2-7b.Q5_K_M.gguf", (Q4_K,), "Q5_K_M"),
        (None, "m-iq3_xxs-00001-of-00001.gguf", (Q4_K,), "IQ3_XXS"),
        (None, "m.gguf", (Q4_K, Q4_K, F32), "Q4_K_M"),
        (None, "sha256-4d7a", (F16,), "F16"),
        (9999, "m.gguf", (8,), "Q8_0"),
        (None, "m.gguf", (26,), None),  # int32: no quantization has it
    ],
)
def test_quantization(file_type: int | None, source: str, kinds: tuple[int, ...], expected: str | None) -> None:
    builder = g.llama()
    if file_type is not None:
        builder.key("general.file_type", g.U32, file_type)
    for number, kind in enumerate(kinds):
        builder.tensor(f"t{number}", (256,), kind, n_bytes=1024)
    model = model_from_header(parse_header(builder.file()), id="x", source=source)
    assert model.quantization == expected
    said = file_type is not None and file_type < 9999
    assert len(model.assumptions) == (0 if said or expected is None else 1)


def test_name_falls_back_to_the_files() -> None:
    builder = Builder().key("general.architecture", g.STRING, "llama").key("general.name", g.STRING, " ")
    for name in (
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
        "vocab_size",
    ):
        builder.key(f"llama.{name}", g.U32, 1)
    header = parse_header(builder.tensor("t").file())
    assert model_from_header(header, id="x", source="/models/Tiny-1B-00001-of-00002.gguf").name == "Tiny-1B"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"general.architecture": "clip", "general.type": "mmproj"}, "projector"),
        ({"general.architecture": "clip"}, "projector"),
        ({"general.architecture": "llama", "general.type": "adapter"}, "adapter"),
        ({"general.type": "imatrix"}, "importance matrix"),
        ({"general.architecture": "controlvector"}, "control vector"),
    ],
)
def test_sound_files_that_are_no_model(keys: dict[str, str], words: str) -> None:
    builder = Builder()
    for name, value in keys.items():
        builder.key(name, g.STRING, value)
    with pytest.raises(e.NotAModelError, match=words) as caught:
        model_from_header(parse_header(builder.tensor("t").file()), id="x", source="/models/x.gguf")
    assert caught.value.path == "/models/x.gguf"


def test_a_vocabulary_alone() -> None:
    with pytest.raises(e.NotAModelError, match="vocabulary and no weights"):
        model_from_header(parse_header(g.llama().header()), id="x", source="x.gguf")


def test_one_part_of_several() -> None:
    header = parse_header(g.llama().key("split.count", g.U16, 2).key("split.no", g.U16, 0).tensor("t").file())
    with pytest.raises(e.GGUFPartMissingError, match="one of 2 parts"):
        model_from_header(header, id="x", source="x-00001-of-00002.gguf")


def test_a_model_without_an_architecture() -> None:
    with pytest.raises(e.HyperparameterError, match=r"general\.architecture"):
        model_from_header(parse_header(Builder().tensor("t").file()), id="x", source="x.gguf")
