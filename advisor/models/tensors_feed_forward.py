"""Feed-forward tensors of one block: dense networks and mixtures of experts."""

from advisor.models.hyperparameters import Hyperparameters
from advisor.models.tensor_shape import Shapes, TensorOptions


def gated(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """ffn_gate, ffn_up, ffn_down."""
    width, inner = hp.embedding_length, hp.feed_forward_length[il]
    yield "ffn_gate.weight", (width, inner)
    yield from plain(hp, il, options)


def plain(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """ffn_up and ffn_down without a gate (arcee.cpp, nemotron.cpp, starcoder2.cpp, apertus.cpp, phi2.cpp)."""
    width, inner = hp.embedding_length, hp.feed_forward_length[il]
    yield "ffn_up.weight", (width, inner)
    yield "ffn_down.weight", (inner, width)
    if options.feed_forward_bias:
        yield "ffn_up.bias", (inner,)
        yield "ffn_down.bias", (width,)


def merged(hp: Hyperparameters, il: int, _options: TensorOptions) -> Shapes:
    """Gate and up in one ffn_up of double width (phi3.cpp, glm4.cpp)."""
    width, inner = hp.embedding_length, hp.feed_forward_length[il]
    yield "ffn_up.weight", (width, 2 * inner)
    yield "ffn_down.weight", (inner, width)


def gated_half(hp: Hyperparameters, il: int, _options: TensorOptions) -> Shapes:
    """As `gated` at half the width that the key says (qwen.cpp)."""
    width, inner = hp.embedding_length, hp.feed_forward_length[il] // 2
    yield "ffn_gate.weight", (width, inner)
    yield "ffn_up.weight", (width, inner)
    yield "ffn_down.weight", (inner, width)


def experts(hp: Hyperparameters, _il: int, options: TensorOptions) -> Shapes:
    """Router, experts and shared experts."""
    width, inner, count = hp.embedding_length, hp.expert_feed_forward_length, hp.expert_count
    yield "ffn_gate_inp.weight", (width, count)
    yield "ffn_gate_exps.weight", (width, inner, count)
    yield "ffn_up_exps.weight", (width, inner, count)
    yield "ffn_down_exps.weight", (inner, width, count)
    if shared := hp.expert_shared_feed_forward_length:
        yield "ffn_gate_shexp.weight", (width, shared)
        yield "ffn_up_shexp.weight", (width, shared)
        yield "ffn_down_shexp.weight", (shared, width)
    if options.selection_bias:
        yield "exp_probs_b.bias", (count,)


def experts_with_shared_gate(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """As `experts`, with a gate on the shared expert (qwen2moe.cpp, qwen3next.cpp, qwen35moe.cpp)."""
    yield from experts(hp, il, options)
    yield "ffn_gate_inp_shexp.weight", (hp.embedding_length,)


def biased_experts(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """As `experts`, every projection with a bias (openai-moe.cpp)."""
    yield from experts(hp, il, options)
    inner, count = hp.expert_feed_forward_length, hp.expert_count
    yield "ffn_gate_inp.bias", (count,)
    yield "ffn_gate_exps.bias", (inner, count)
    yield "ffn_up_exps.bias", (inner, count)
    yield "ffn_down_exps.bias", (hp.embedding_length, count)


def ungated_experts(hp: Hyperparameters, _il: int, _options: TensorOptions) -> Shapes:
    """Experts without a gate, in a narrower latent space where the model has one (nemotron-h.cpp:108-133)."""
    width, inner, count = hp.embedding_length, hp.expert_feed_forward_length, hp.expert_count
    outer, shared = hp.expert_latent_length or width, hp.expert_shared_feed_forward_length
    yield "ffn_gate_inp.weight", (width, count)
    yield "exp_probs_b.bias", (count,)
    if hp.expert_latent_length:
        yield "ffn_latent_down.weight", (width, outer)
        yield "ffn_latent_up.weight", (outer, width)
    yield "ffn_up_exps.weight", (outer, inner, count)
    yield "ffn_down_exps.weight", (inner, outer, count)
    yield "ffn_up_shexp.weight", (width, shared)
    yield "ffn_down_shexp.weight", (shared, width)


def gemma_experts(hp: Hyperparameters, _il: int, _options: TensorOptions) -> Shapes:
    """Experts beside a dense network, gate and up merged, with scales and norms of their own (gemma4.cpp:108-140)."""
    width, inner, count = hp.embedding_length, hp.expert_feed_forward_length, hp.expert_count
    yield "ffn_gate_inp.weight", (width, count)
    yield "ffn_gate_inp.scale", (width,)
    yield "ffn_gate_up_exps.weight", (width, 2 * inner, count)
    yield "ffn_down_exps.weight", (inner, width, count)
    yield "ffn_down_exps.scale", (count,)
    yield "pre_ffw_norm_2.weight", (width,)
    yield "post_ffw_norm_1.weight", (width,)
    yield "post_ffw_norm_2.weight", (width,)
