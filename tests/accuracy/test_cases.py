"""What a load log says, as a question: print_info's names to keys, printed sizes to ranges, the run's words to settings."""

from typing import Any

import pytest

from advisor.accuracy.cases import Interval, metadata_keys, parse_case
from advisor.models.hyperparameters import Attention
from advisor.models.keys import hyperparameters

# print_info of gemma-4-26B-A4B, b8854, shortened to the keys that decide caches
GEMMA_4: dict[str, Any] = {
    "n_ctx_train": 262144,
    "n_embd": 2816,
    "n_layer": 6,
    "n_head": 16,
    "n_head_kv": [8, 8, 8, 8, 8, 2],
    "n_rot": 512,
    "n_swa": 1024,
    "n_embd_head_k": 512,
    "n_embd_head_v": 512,
    "n_embd_k_gqa": [2048, 2048, 2048, 2048, 2048, 1024],
    "n_embd_v_gqa": [2048, 2048, 2048, 2048, 2048, 1024],
    "n_ff": 2112,
    "n_expert": 128,
    "n_expert_used": 8,
    "n_vocab": 262144,
}


def record(**changes: Any) -> dict[str, Any]:
    """A record of the file's form."""
    base = {"id": "x", "source": "s", "arch": "llama", "hparams": {"n_layer": 32, "n_embd": 4096}, "run": {"backends": ["CPU"]}}
    return base | changes


def test_heads_of_another_width_slide() -> None:
    """Gemma 4's blocks with heads of 256 slide; the full ones have heads of 512 (n_embd_k_gqa over n_head_kv)."""
    hp = hyperparameters(metadata_keys("gemma4", GEMMA_4))
    assert hp.key_length == (256, 256, 256, 256, 256, 512)
    assert hp.attention == (Attention.SLIDING,) * 5 + (Attention.FULL,)
    assert hp.k_width == tuple(GEMMA_4["n_embd_k_gqa"])


def test_printed_zero_is_no_key() -> None:
    """print_info prints 0 for what a model has none of; a key with 0 would override a default."""
    keys = metadata_keys("llama", {"n_layer": 2, "n_swa": 0, "n_expert": 0, "ssm_d_conv": 0, "n_embd": 64})
    assert keys == {"general.architecture": "llama", "llama.block_count": 2, "llama.embedding_length": 64}


def test_all_layers_count_the_predicting_ones() -> None:
    """n_layer_all holds the multi-token-prediction blocks, n_layer does not."""
    keys = metadata_keys("qwen35", {"n_layer": 32, "n_layer_all": 33})
    assert keys["qwen35.block_count"] == 33
    assert keys["qwen35.nextn_predict_layers"] == 1


@pytest.mark.parametrize(
    ("ftype", "file_name", "quantization", "embedding"),
    [
        ("Q4_K - Medium", "C:\\models\\qwen2.5-3b-instruct-q4_k_m.gguf", "Q4_K_M", None),
        ("Q2_K - Medium", None, "Q2_K", None),
        ("IQ4_NL - 4.5 bpw", None, "IQ4_NL", None),
        ("Q4_K - Medium (guessed)", None, "Q4_K_M", None),
        ("Q8_0", "Llama-3.3-70B-Instruct-UD-Q8_K_XL-00001-of-00002.gguf", "UD-Q8_K_XL", None),
        ("IQ1_S - 1.5625 bpw", "GLM-4.5-Air-THIREUS-BF16-SPECIAL_TENSOR-00001-of-00804.gguf", "IQ1_S", None),
        ("Q4_0", "llama-3.2-1b-instruct-q4_0-emb_f32.gguf", "Q4_0", "F32"),
        (None, "deepseek-coder-v2-lite-instruct-q4_k_m.gguf", "Q4_K_M", None),
        (None, "sha256-6415b2c7cb61ff8e01fec069d6f2fd6e213c509824d642c8a15c3d002e73", None, None),
    ],
)
def test_quantization(ftype: str | None, file_name: str | None, quantization: str | None, embedding: str | None) -> None:
    """The printed file type decides; a recipe's name only where it rests on that type."""
    case = parse_case(record(ftype=ftype, model_file=file_name))
    assert (case.quantization, case.embedding_type) == (quantization, embedding)


def test_printed_sizes_are_ranges() -> None:
    """ "1.79 GiB" stands for everything that is printed so."""
    case = parse_case(record(file_size_printed="1.79 GiB (4.99 BPW)", bpw=4.99, params="3.09 B"))
    assert case.file_bytes is not None
    assert case.parameters is not None
    assert case.file_bytes.holds(1834.8 * 2**20)
    assert not case.file_bytes.holds(1840 * 2**20)
    assert case.parameters == Interval(pytest.approx(3.085e9), pytest.approx(3.095e9))  # type: ignore[arg-type]


def test_devices_and_layers() -> None:
    """The CPU is no GPU; "33/65" are layers on GPUs."""
    case = parse_case(record(run={"backends": ["CUDA0", "CPU"], "offloaded": "33/65"}))
    assert case.gpus == ("CUDA0",)
    assert case.offloaded == (33, 65)
