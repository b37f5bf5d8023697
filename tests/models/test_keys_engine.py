"""The engine reads the same keys: what it prints of a model of every architecture, before it misses the first tensor."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.models.architectures import ARCHITECTURES
from advisor.models.hyperparameters import Attention
from advisor.models.keys import hyperparameters
from advisor.models.skeleton import write_skeleton
from tests.models.test_skeleton_engine import PROBE, expected_print

pytest.importorskip("llama_cpp")

BLOCKS = 12
COMMON: dict[str, object] = {
    # Everything that some architecture insists on; what an architecture does not read changes nothing.
    "context_length": 4096,
    "block_count": BLOCKS,
    "embedding_length": 512,
    "features_length": 512,
    "feed_forward_length": 1024,
    "attention.head_count": 8,
    "attention.head_count_kv": 4,
    "attention.layer_norm_epsilon": 1e-5,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "attention.group_norm_epsilon": 1e-5,
    "attention.group_norm_groups": 2,
    "attention.sliding_window": 96,
    "attention.clamp_kqv": 8.0,
    "attention.max_alibi_bias": 8.0,
    "attention.key_length_swa": 64,
    "attention.value_length_swa": 64,
    "attention.q_lora_rank": 32,
    "attention.kv_lora_rank": 64,
    "attention.decay_lora_rank": 32,
    "attention.iclr_lora_rank": 32,
    "attention.value_residual_mix_lora_rank": 32,
    "attention.gate_lora_rank": 32,
    "attention.relative_buckets_count": 32,
    "attention.indexer.head_count": 4,
    "attention.indexer.key_length": 128,
    "attention.indexer.top_k": 64,
    "attention.indexer.block_size": 8,
    "attention.indexer.local_blocks": 1,
    "attention.indexer.kpool": 4,
    "attention.output_group_count": 2,
    "attention.output_lora_rank": 32,
    "attention.compress_rope_freq_base": 10000.0,
    "attention.compress_ratios": (4,) * BLOCKS,
    "hyper_connection.count": 4,
    "hyper_connection.sinkhorn_iterations": 2,
    "hyper_connection.epsilon": 1e-5,
    "hyper_connection.magnitude": 1.0,
    "hyper_connection.low_rank": 8,
    "hash_layer_count": 1,
    "rope.dimension_sections": (16, 8, 8, 0),
    "rope.freq_base_swa": 10000.0,
    "use_parallel_residual": True,
    "logit_scale": 1.0,
    "residual_scale": 1.0,
    "embedding_length_per_layer_input": 0,
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 1024,
    "ssm.state_size": 16,
    "ssm.group_count": 2,
    "ssm.time_step_rank": 8,
    "kda.head_dim": 64,
    "kda.gate_lower_bound": -1.0,
    "kda.safe_gate": True,
    "wkv.head_size": 64,
    "time_mix_extra_dim": 32,
    "time_decay_extra_dim": 64,
    "shortconv.l_cache": 3,
    "posnet.embedding_length": 64,
    "posnet.block_count": 2,
    "convnext.embedding_length": 64,
    "convnext.block_count": 2,
    "hrm.layers_per_stack": 2,
    "hrm.h_cycles": 2,
    "hrm.l_cycles": 2,
    "activation.situ_beta": 1.0,
    "activation.situ_linear_beta": 1.0,
    "attn_res.block_size": 2,
    "target_layers": (1, 2, 3),
    "target_hidden_size": 512,
    "swin_norm": False,
    "swiglu_clamp_exp": (7.0,) * BLOCKS,
    "swiglu_clamp_shexp": (7.0,) * BLOCKS,
}
EXPERTS = {
    "expert_count": 8,
    "expert_used_count": 2,
    "expert_shared_count": 1,
    "expert_feed_forward_length": 256,
    "expert_gating_func": 2,
    "expert_weights_scale": 1.0,
    "expert_weights_norm": True,
    "expert_group_scale": 0.1,
    "experts_per_group": 2,
    "leading_dense_block_count": 1,
    "interleave_moe_layer_step": 2,
    "moe_every_n_layers": 2,
}
LISTED = ("gemma4", "gemma4-assistant", "mimo2", "step35", "spark2_5", "maple", "granite_swa", "dflash", "dots3note")
LATENT = (
    "bailingmoe3",
    "deepseek2",
    "deepseek32",
    "dots3note",
    "glm-dsa",
    "glm5-next",
    "hy_v4",
    "kimi-k3",
    "kimi-linear",
    "mistral4",
)
DENSE = ("hunyuan-dense", "hunyuan_vl")
NOT_LOADED = {
    "gptj": "llama.cpp names it and has no loader for it (src/llama-model.cpp, llama_model_create)",
    "graniteswitch": "its adapters need lists of token ids",
    "qwen4exp": "its loader refuses without the tensors that it probes",
}


def keys_of(architecture: str) -> dict[str, object]:
    values = {**COMMON, **({} if architecture in DENSE else EXPERTS)}
    if architecture in LISTED:
        values["attention.sliding_window_pattern"] = (True, True, False) * (BLOCKS // 3)
    if architecture in LATENT:
        values |= {"attention.key_length_mla": 96, "attention.value_length_mla": 64, "rope.dimension_count": 32}
    if architecture == "dots3note":
        values |= {"attention.key_length_mla_swa": 96, "attention.value_length_mla_swa": 64, "attention.kv_lora_rank_swa": 64}
        values["attention.indexer.types"] = (1,) * BLOCKS
    if architecture == "hy_v4":
        values["attention.indexer.types"] = (1,) * BLOCKS
    if architecture == "dflash":
        del values["hyper_connection.count"]
    if architecture == "deepseek4":
        values["expert_gating_func"] = 4  # the only one its loader takes
    if architecture == "deepseek2-ocr":
        del values["attention.kv_lora_rank"]
    if not ARCHITECTURES[architecture].causal:
        values["attention.causal"] = False  # as their converters write
    return {"general.architecture": architecture, **{f"{architecture}.{name}": value for name, value in values.items()}}


@pytest.mark.engine_all
@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - set(NOT_LOADED)))
def test_the_engine_reads_the_same(architecture: str, tmp_path: Path) -> None:
    keys = keys_of(architecture)
    hp = hyperparameters({**keys, f"{architecture}.vocab_size": 1000})
    path = tmp_path / "keys.gguf"
    write_skeleton(
        path,
        {**keys, **{f"xielu.{name}": (0.5,) * BLOCKS for name in ("alpha_n", "alpha_p", "beta", "eps")}},
        [],
        vocab_size=1000,
    )
    environment = {**os.environ, "GGML_NO_BACKTRACE": "1"}
    command = [sys.executable, str(PROBE), str(path), "512"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    printed = dict(re.findall(r"print_info: (\S.*?) += (.*)", run.stdout))
    assert "n_head_kv" in printed, (run.stdout + run.stderr)[-500:]
    expected = {name: value for name, value in expected_print(hp).items() if name in printed}
    if ARCHITECTURES[architecture].keys_only:
        del expected["n_embd_v_gqa"]
    if expected["is_swa_any"] == "0":
        del expected["n_swa"]  # printed as the file has it, whether it is used or not
    assert {name: printed[name] for name in expected} == expected
    windowed = dict(re.findall(r"layer +(\d+) assigned to device \S+ is_swa = (\d)", run.stdout))
    assert len(windowed) > hp.block_count
    near = [str(int(kind in (Attention.SLIDING, Attention.CHUNKED))) for kind in hp.attention]
    assert [windowed[str(il)] for il in range(hp.layer_count)] == near[: hp.layer_count]
