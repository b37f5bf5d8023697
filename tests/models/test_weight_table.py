"""Bytes of a model by part: where llama.cpp puts each tensor."""

import numpy as np
import pytest

from advisor.models.quantization import kept_types, quantize_groups, weight_table
from advisor.models.tensor_role import Role, role_of
from advisor.models.weight_table import WeightTable
from tests.models.shapes_of_models import grouped, hyperparameters, model_names, shapes

# llama.cpp src/llama-arch.cpp:727-1010 (LLM_TENSOR_INFOS); experts by common/common.h:1198
ROLES = {
    "token_embd.weight": (Role.EMBEDDING, None),
    "per_layer_token_embd.weight": (Role.PER_LAYER_EMBEDDING, None),
    "position_embd.weight": (Role.INPUT, None),
    "token_types.weight": (Role.INPUT, None),
    "output.weight": (Role.OUTPUT, None),
    "output.bias": (Role.OUTPUT_OTHER, None),
    "output_norm.weight": (Role.OUTPUT_OTHER, None),
    "altup_proj.weight": (Role.OUTPUT_OTHER, None),
    "altup_unembd_proj.weight": (Role.OUTPUT_OTHER, None),
    "cls.output.weight": (Role.OUTPUT_OTHER, None),
    "rope_freqs.weight": (Role.BLOCK, 0),
    "rope_factors_long.weight": (Role.BLOCK, 0),
    "per_layer_model_proj.weight": (Role.BLOCK, 0),
    "token_embd_norm.weight": (Role.BLOCK, 0),
    "blk.0.attn_q.weight": (Role.BLOCK, 0),
    "blk.12.ffn_down.weight": (Role.BLOCK, 12),
    "blk.12.ffn_down_shexp.weight": (Role.BLOCK, 12),
    "blk.12.ffn_gate_inp.weight": (Role.BLOCK, 12),
    "blk.12.exp_probs_b.bias": (Role.BLOCK, 12),
    "blk.12.ffn_down_exps.weight": (Role.EXPERT, 12),
    "blk.12.ffn_gate_exps.bias": (Role.EXPERT, 12),
    "blk.12.ffn_gate_up_exps.weight": (Role.EXPERT, 12),
    "blk.12.ffn_up_chexps.weight": (Role.EXPERT, 12),
}


@pytest.mark.parametrize(("name", "role"), ROLES.items())
def test_role_of_a_tensor(name: str, role: tuple[Role, int | None]) -> None:
    assert role_of(name, "llama") == role


def test_lfm2_norm_of_embeddings_is_the_output_norm() -> None:
    assert role_of("token_embd_norm.weight", "lfm2") == (Role.OUTPUT_OTHER, None)


@pytest.mark.parametrize("model", [name for name in model_names() if "step" not in name])
def test_the_table_of_groups_is_the_table_of_tensors(model: str) -> None:
    hp = hyperparameters(model)
    groups = grouped(shapes(model), hp, kept=kept_types(hp))
    for name in ("Q4_K_M", "IQ2_XXS", "BF16"):
        tensors = quantize_groups(groups, name)
        table = weight_table(groups, name)
        read = WeightTable.from_tensors(tensors, hp.block_count, hp.architecture)
        np.testing.assert_array_equal(table.block_bytes, read.block_bytes)
        np.testing.assert_array_equal(table.expert_bytes, read.expert_bytes)
        plain = ("token_embedding_bytes", "per_layer_embedding_bytes", "output_bytes", "other_bytes", "largest_tensor_bytes")
        assert [getattr(table, field) for field in plain] == [getattr(read, field) for field in plain]
        assert table.total_bytes == sum(t.n_bytes for t in tensors)


def test_llama_3_1_8b_q4_k_m() -> None:
    """CUDA logs of this file: 281.81 MiB on the host (the token embedding), 4403.49 on the GPU with all 33 layers."""
    table = weight_table(grouped(shapes("llama-3.1-8b"), hyperparameters("llama-3.1-8b")), "Q4_K_M")
    assert round(table.token_embedding_bytes / 2**20, 2) == 281.81
    on_gpu = int(table.block_bytes.sum()) + table.other_output_bytes + (table.output_bytes or 0)
    assert round(on_gpu / 2**20, 2) == 4403.49
    assert table.expert_bytes.sum() == 0
    assert table.output_bytes == table.largest_tensor_bytes == 430_940_160


def test_qwen3_30b_with_experts_on_the_host() -> None:
    """The engine's own plan with the experts' tensors in system memory: 784.42 MiB on the GPU, 16,906.92 on the host."""
    table = weight_table(grouped(shapes("qwen3-30b-a3b"), hyperparameters("qwen3-30b-a3b")), "Q4_K_M")
    on_gpu = int(table.block_bytes.sum()) + table.other_output_bytes + (table.output_bytes or 0)
    on_host = int(table.expert_bytes.sum()) + table.token_embedding_bytes
    assert (round(on_gpu / 2**20, 2), round(on_host / 2**20, 2)) == (784.42, 16_906.92)


def test_a_tied_model_has_no_output_weight_of_its_own() -> None:
    table = weight_table(grouped(shapes("gemma-3-4b"), hyperparameters("gemma-3-4b")), "Q4_K_M")
    assert table.output_bytes is None
    assert table.token_embedding_bytes > 0


def test_a_dynamic_name_scales_every_part() -> None:
    groups = grouped(shapes("llama-3.1-8b"), hyperparameters("llama-3.1-8b"))
    plain, dynamic = weight_table(groups, "Q4_K_M"), weight_table(groups, "UD-Q4_K_XL")
    assert dynamic.total_bytes / plain.total_bytes == pytest.approx(1.017, abs=1e-6)
    assert dynamic.block_bytes[3] / plain.block_bytes[3] == pytest.approx(1.017, abs=1e-6)


def test_a_block_beyond_the_model_is_refused() -> None:
    tensors = quantize_groups(grouped(shapes("gemma-3-270m"), hyperparameters("gemma-3-270m")), "Q8_0")
    with pytest.raises(ValueError, match="beyond the model's 3 blocks"):
        WeightTable.from_tensors(tensors, 3)
