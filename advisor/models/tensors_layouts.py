"""Which parts a block of each architecture is made of: a table of data. The comments name the engine's file (src/models/)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from advisor.models import tensors_attention as attend
from advisor.models import tensors_feed_forward as network
from advisor.models import tensors_recurrent as state_of
from advisor.models import tensors_single as single
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.tensor_shape import Shapes, TensorOptions

Part = Callable[[Hyperparameters, int, TensorOptions], Shapes]
OutsidePart = Callable[[Hyperparameters, TensorOptions], Shapes]

_BOTH = ("attn_norm", "ffn_norm")
_SANDWICH = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
_BEFORE_AND_AFTER_ATTENTION = ("attn_norm", "post_attention_norm")
_AFTER = ("post_attention_norm", "post_ffw_norm")
_ATTENTION_ONLY = ("attn_norm",)
_NO_OPTIONS = TensorOptions()


@dataclass(frozen=True, slots=True)
class Layout:
    """A block: norms, then attention or a recurrent part, then a dense network or experts, then an addition."""

    norms: tuple[str, ...] = _BOTH
    attention: Part = attend.separate
    feed_forward: Part = network.gated
    experts: Part = network.experts
    state: Part | None = None
    addition: Part | None = None
    outside: OutsidePart | None = None
    output_norm: str = "output_norm"
    options: TensorOptions = _NO_OPTIONS


_PLAIN = Layout()
_TIED = Layout(options=TensorOptions(tied_embeddings=True))
_HEAD_NORMS = Layout(options=TensorOptions(qk_norm="head"))
_QKV_BIAS = Layout(options=TensorOptions(qkv_bias=True))
_ALL_BIASES = TensorOptions(
    qkv_bias=True, attention_output_bias=True, norm_bias=True, output_norm_bias=True, feed_forward_bias=True
)
_LATENT = Layout(attention=attend.latent, options=TensorOptions(selection_bias=True))
_DELTA_NET = Layout(
    _BEFORE_AND_AFTER_ATTENTION,
    attend.gated,
    experts=network.experts_with_shared_gate,
    state=state_of.delta_net,
    options=TensorOptions(qk_norm="head"),
)
_LFM2 = Layout(
    state=state_of.short_convolution,
    output_norm="token_embd_norm",
    options=TensorOptions(tied_embeddings=True, qk_norm="head"),
)

LAYOUTS: dict[str, Layout] = {
    # --- dense decoders ---
    "llama": _PLAIN,  # llama.cpp, with experts for Mixtral
    "mistral3": _PLAIN,  # mistral3.cpp
    "minicpm": _PLAIN,  # minicpm.cpp
    "granite": _PLAIN,  # granite.cpp
    "exaone": Layout(options=TensorOptions(rope_freqs=True)),  # exaone.cpp
    "smollm3": _TIED,  # smollm3.cpp
    "ernie4_5": _TIED,  # ernie4-5.cpp
    "gemma": _TIED,  # gemma.cpp
    "qwen2": _QKV_BIAS,  # qwen2.cpp
    "qwen2vl": _QKV_BIAS,  # qwen2vl.cpp
    "qwen3": _HEAD_NORMS,  # qwen3.cpp
    "qwen3vl": _HEAD_NORMS,  # qwen3vl.cpp
    "hunyuan-dense": Layout(options=TensorOptions(tied_embeddings=True, qk_norm="head")),  # hunyuan-vl.cpp
    "gemma2": Layout(_SANDWICH, options=TensorOptions(tied_embeddings=True)),  # gemma2.cpp
    "gemma3": Layout(_SANDWICH, options=TensorOptions(tied_embeddings=True, qk_norm="head")),  # gemma3.cpp
    "gemma3n": Layout(  # gemma3n.cpp
        _SANDWICH,
        addition=single.gemma3n_addition,
        outside=single.gemma3n_outside,
        options=TensorOptions(tied_embeddings=True, qk_norm="head"),
    ),
    "gemma4": Layout(  # gemma4.cpp
        _SANDWICH,
        experts=network.gemma_experts,
        addition=single.gemma4_addition,
        outside=single.gemma4_outside,
        options=TensorOptions(tied_embeddings=True, qk_norm="head", rope_freqs=True),
    ),
    "glm4": Layout(_SANDWICH, feed_forward=network.merged),  # glm4.cpp
    "seed_oss": Layout(_BEFORE_AND_AFTER_ATTENTION, options=TensorOptions(qkv_bias=True)),  # seed-oss.cpp
    "olmo2": Layout(_AFTER, options=TensorOptions(qk_norm="full")),  # olmo2.cpp
    "exaone4": Layout(_AFTER, options=TensorOptions(qk_norm="head", rope_freqs=True)),  # exaone4.cpp
    "command-r": Layout(_ATTENTION_ONLY, options=TensorOptions(tied_embeddings=True)),  # command-r.cpp
    "cohere2": Layout(_ATTENTION_ONLY, options=TensorOptions(tied_embeddings=True)),  # cohere2.cpp
    "arcee": Layout(feed_forward=network.plain),  # arcee.cpp
    "apertus": Layout(feed_forward=network.plain, options=TensorOptions(qk_norm="head", rope_freqs=True)),  # apertus.cpp
    "nemotron": Layout(  # nemotron.cpp
        feed_forward=network.plain, options=TensorOptions(norm_bias=True, output_norm_bias=True)
    ),
    "starcoder2": Layout(feed_forward=network.plain, options=_ALL_BIASES),  # starcoder2.cpp
    "stablelm": Layout(options=TensorOptions(qkv_bias=True, norm_bias=True, output_norm_bias=True)),  # stablelm.cpp
    "phi2": Layout(  # phi2.cpp
        _ATTENTION_ONLY, attend.fused, network.plain, options=replace(_ALL_BIASES, output_bias=True)
    ),
    "phi3": Layout(attention=attend.fused, feed_forward=network.merged),  # phi3.cpp
    "gpt2": Layout(  # gpt2.cpp
        attention=attend.fused, feed_forward=network.plain, outside=single.gpt2_outside, options=_ALL_BIASES
    ),
    "bert": Layout(  # bert.cpp
        ("attn_output_norm", "layer_output_norm"),
        feed_forward=network.plain,
        outside=single.bert_outside,
        output_norm="",
        options=replace(_ALL_BIASES, tied_embeddings=True, output_norm_bias=False, token_types=2),
    ),
    # --- mixtures of experts ---
    "qwen2moe": Layout(experts=network.experts_with_shared_gate, options=TensorOptions(qkv_bias=True)),  # qwen2moe.cpp
    "qwen3moe": _HEAD_NORMS,  # qwen3moe.cpp
    "qwen3vlmoe": _HEAD_NORMS,  # qwen3vlmoe.cpp
    "granitemoe": _TIED,  # granite-moe.cpp
    "olmoe": Layout(options=TensorOptions(qk_norm="full")),  # olmoe.cpp
    "minimax-m2": Layout(options=TensorOptions(qk_norm="full", selection_bias=True)),  # minimax-m2.cpp
    "phimoe": Layout(  # phimoe.cpp
        options=TensorOptions(
            qkv_bias=True, attention_output_bias=True, norm_bias=True, output_norm_bias=True, output_bias=True
        )
    ),
    "gpt-oss": Layout(  # openai-moe.cpp
        _BEFORE_AND_AFTER_ATTENTION,
        attend.with_sinks,
        experts=network.biased_experts,
        options=TensorOptions(qkv_bias=True, attention_output_bias=True),
    ),
    "llama4": _PLAIN,  # llama4.cpp
    "hunyuan-moe": Layout(options=TensorOptions(tied_embeddings=True, qk_norm="head")),  # hunyuan-moe.cpp
    "ernie4_5-moe": Layout(options=TensorOptions(tied_embeddings=True, selection_bias=True)),  # ernie4-5.cpp
    "bailingmoe2": Layout(  # bailingmoe2.cpp
        attention=attend.fused, options=TensorOptions(qk_norm="head", selection_bias=True)
    ),
    "glm4moe": Layout(  # glm4-moe.cpp
        _BEFORE_AND_AFTER_ATTENTION, options=TensorOptions(qkv_bias=True, selection_bias=True)
    ),
    # --- latent attention ---
    "deepseek2": _LATENT,  # deepseek2.cpp
    "deepseek32": replace(_LATENT, attention=attend.latent_with_indexer),  # deepseek32.cpp
    "glm-dsa": replace(_LATENT, attention=attend.latent_with_indexer),  # glm-dsa.cpp
    # --- recurrent and hybrid ---
    "qwen3next": replace(_DELTA_NET, state=state_of.merged_delta_net),  # qwen3next.cpp
    "qwen35": _DELTA_NET,  # qwen35.cpp
    "qwen35moe": _DELTA_NET,  # qwen35moe.cpp
    "lfm2": _LFM2,  # lfm2.cpp
    "lfm2moe": replace(_LFM2, options=replace(_LFM2.options, selection_bias=True)),  # lfm2moe.cpp
    "falcon-h1": Layout(_ATTENTION_ONLY, state=state_of.mamba2, addition=single.falcon_h1_addition),  # falcon-h1.cpp
    "granitehybrid": Layout(state=state_of.mamba2, options=TensorOptions(tied_embeddings=True)),  # granite-hybrid.cpp
    "nemotron_h": Layout(_ATTENTION_ONLY, feed_forward=network.plain, state=state_of.mamba2),  # nemotron-h.cpp
    "nemotron_h_moe": Layout(  # nemotron-h.cpp
        _ATTENTION_ONLY, feed_forward=network.plain, experts=network.ungated_experts, state=state_of.mamba2
    ),
    # --- others that the engine loads, in files of other catalogues ---
    **dict.fromkeys(("internlm2", "baichuan", "xverse", "refact", "deepseek", "bailingmoe", "smallthinker", "llada"), _PLAIN),
    **dict.fromkeys(("llada-moe", "rnd1", "hunyuan_vl", "maincoder", "mellum"), _HEAD_NORMS),
    "dream": _QKV_BIAS,
    "paddleocr": _TIED,
    "mistral4": Layout(attention=attend.latent),
    "orion": Layout(options=TensorOptions(norm_bias=True, output_norm_bias=True)),
    "olmo": Layout((), output_norm=""),
    "plamo": Layout(_ATTENTION_ONLY),
    "qwen": Layout(attention=attend.fused, feed_forward=network.gated_half, options=TensorOptions(qkv_bias=True)),
    "chatglm": Layout(attention=attend.fused, feed_forward=network.merged, options=TensorOptions(qkv_bias=True)),
    "falcon": Layout(
        _ATTENTION_ONLY, attend.fused, network.plain, options=TensorOptions(norm_bias=True, output_norm_bias=True)
    ),
    "gptneox": Layout(attention=attend.fused, feed_forward=network.plain, options=_ALL_BIASES),
    "codeshell": Layout(attention=attend.fused, feed_forward=network.plain, options=_ALL_BIASES),
    "starcoder": Layout(attention=attend.fused, feed_forward=network.plain, outside=single.gpt2_outside, options=_ALL_BIASES),
    "bloom": Layout(attention=attend.fused, feed_forward=network.plain, outside=single.bloom_outside, options=_ALL_BIASES),
    "jais2": Layout(feed_forward=network.plain, options=_ALL_BIASES),
    "mpt": Layout(attention=attend.fused, feed_forward=network.plain, options=TensorOptions(tied_embeddings=True)),
    "pangu-embedded": Layout(options=TensorOptions(qkv_bias=True, attention_output_bias=True)),
    "deci": Layout((), addition=single.deci_addition, options=TensorOptions(rope_freqs=True)),
    "dots1": Layout(options=TensorOptions(qk_norm="head", selection_bias=True)),
    "exaone-moe": Layout(options=TensorOptions(qk_norm="head", selection_bias=True, rope_freqs=True)),
    "cohere2moe": Layout(_ATTENTION_ONLY, options=TensorOptions(tied_embeddings=True)),
    "afmoe": Layout(_SANDWICH, addition=single.afmoe_addition, options=TensorOptions(qk_norm="head", selection_bias=True)),
    "nomic-bert": Layout(
        ("attn_output_norm", "layer_output_norm"),
        attend.fused,
        outside=single.nomic_outside,
        output_norm="",
        options=TensorOptions(tied_embeddings=True, norm_bias=True, token_types=2),
    ),
    "mamba": Layout(_ATTENTION_ONLY, state=state_of.mamba, options=TensorOptions(tied_embeddings=True)),
    "mamba2": Layout(_ATTENTION_ONLY, state=state_of.mamba2, options=TensorOptions(tied_embeddings=True)),
    "jamba": Layout(state=state_of.normed_mamba),
}
