"""The engine judges `quantize`: llama_model_quantize's dry run on an F16 skeleton gives every tensor the same type."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gguf.constants import GGML_QUANT_SIZES
from gguf.constants import GGMLQuantizationType as Kind

from advisor.models.library import CatalogueModel, catalogue
from advisor.models.quantization import QUANTIZATIONS, group_tensors, quantize_groups
from advisor.models.skeleton import write_skeleton

pytest.importorskip("llama_cpp")

PROBE = Path(__file__).with_name("quantize_probe.py")
# Left out: Q1_0, where the engine aborts if a row is not a multiple of 128; F32 and BF16, which are not made from an F16 file.
LEFT_OUT = {"Q1_0", "F32", "BF16"}
FILE_TYPES = tuple(q for q in QUANTIZATIONS.values() if q.ftype is not None and q.base == q.name and q.name not in LEFT_OUT)
SAMPLE = (
    "llama-3.1-8b",
    "qwen2.5-72b",
    "mixtral-8x7b",
    "phi-3.5-mini",
    "gemma-3-270m",
    "gemma-3n-e2b",
    "qwen3-30b-a3b",
    "gpt-oss-20b",
    "deepseek-v2-lite",
    "nemotron-3-nano-30b-a3b",
)
WITH_IMATRIX = ("llama-3.1-8b", "mixtral-8x7b")
REST = tuple(model.id for model in catalogue().models if model.id not in SAMPLE)


@pytest.mark.engine
@pytest.mark.parametrize("model_id", SAMPLE)
def test_the_engine_chooses_the_same_types(model_id: str, tmp_path: Path) -> None:
    judge(catalogue().find(model_id), "plain", tmp_path)


@pytest.mark.engine
@pytest.mark.parametrize("model_id", WITH_IMATRIX)
def test_the_engine_chooses_the_same_types_with_an_importance_matrix(model_id: str, tmp_path: Path) -> None:
    judge(catalogue().find(model_id), "imatrix", tmp_path)


@pytest.mark.engine_all
@pytest.mark.parametrize("model_id", REST)
def test_the_engine_chooses_the_same_types_all(model_id: str, tmp_path: Path) -> None:
    judge(catalogue().find(model_id), "plain", tmp_path)


def judge(model: CatalogueModel, mode: str, folder: Path) -> None:
    groups = group_tensors(model.block_tensors, model.hyperparameters)
    path = folder / "model.gguf"
    write_skeleton(path, model.keys, quantize_groups(groups, "F16"), vocab_size=model.hyperparameters.vocab_size)
    ftypes = ",".join(str(q.ftype) for q in FILE_TYPES)
    run = subprocess.run(
        [sys.executable, str(PROBE), str(path), ftypes, mode],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "GGML_NO_BACKTRACE": "1"},
        check=False,
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-600:]
    logs = re.split(r"\nftype \d+\n", run.stdout)[1:]
    for file_type, log in zip(FILE_TYPES, logs, strict=True):
        predicted = quantize_groups(groups, file_type.name, imatrix=mode == "imatrix")
        chosen = chosen_types(log)
        different = {t.name: (t.type.name, chosen.get(t.name)) for t in predicted if t.type.name != chosen.get(t.name)}
        assert different == {}, file_type.name
        assert printed_mib(log) == round(sum(t.n_bytes for t in predicted) / 2**20, 2), file_type.name


LINE = re.compile(r"\[ *\d+/ *\d+\] +(\S+) +- \[.*?\], type = +(\S+), size = .*MiB(?: \((\w+)\))?$", re.MULTILINE)


def chosen_types(log: str) -> dict[str, str]:
    """Type of each tensor that the dry run printed: the new one in brackets, or the old one where it stays."""
    text = re.sub(r"warning: \S+ +- ncols .*?-> falling back to +\S+\n", "", log)
    return {name: (new or old).upper() for name, old, new in LINE.findall(text)}


def printed_mib(log: str) -> float:
    found = re.search(r"quant size += +([\d.]+) MiB", log)
    assert found is not None
    return float(found[1])


def test_a_line_of_the_log_is_read() -> None:
    """Lines of the pinned engine, one that changes and one that stays."""
    log = (
        "[   1/ 292]                        output.weight - [  4096, 128256,      1,      1], type =    f16, "
        "size =  1002.00 MiB ->   410.98 MiB (q6_K)\n"
        "[   2/ 292]  output_norm.weight - [  4096,      1,      1,      1], type =    f32, size =    0.016 MiB\n"
    )
    assert chosen_types(log) == {"output.weight": "Q6_K", "output_norm.weight": "F32"}


def test_every_type_name_is_one_of_ggmls() -> None:
    assert {q.default_type for q in FILE_TYPES} <= set(GGML_QUANT_SIZES)
    assert Kind.Q4_K in {q.default_type for q in FILE_TYPES}
