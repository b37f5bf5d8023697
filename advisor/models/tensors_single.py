"""Tensors that only one architecture has: beside its blocks (`.._outside`) or within each (`.._addition`)."""

from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.tensor_shape import Shapes, TensorOptions

_ALTUP_INPUTS, _LAUREL_RANK = 4, 64
"""src/llama-hparams.h: n_altup and laurel_rank, set by the engine; no key says them."""


def _per_layer_input(hp: Hyperparameters) -> Shapes:
    length = hp.per_layer_embedding_length
    if length:
        yield "per_layer_token_embd.weight", (length * hp.block_count, hp.vocab_size)
        yield "per_layer_model_proj.weight", (hp.embedding_length, length * hp.block_count)
        yield "per_layer_proj_norm.weight", (length,)


def gemma4_outside(hp: Hyperparameters, _options: TensorOptions) -> Shapes:
    """Per-layer embeddings of the E2B and E4B (gemma4.cpp)."""
    yield from _per_layer_input(hp)


def gemma3n_outside(hp: Hyperparameters, _options: TensorOptions) -> Shapes:
    """Per-layer embeddings and AltUp (gemma3n.cpp)."""
    yield from _per_layer_input(hp)
    width, inputs = hp.embedding_length, _ALTUP_INPUTS
    yield "altup_proj.weight", (width, width, inputs - 1)
    yield "altup_unembd_proj.weight", (width, width, inputs - 1)


def _per_layer_gate(hp: Hyperparameters) -> Shapes:
    width, length = hp.embedding_length, hp.per_layer_embedding_length
    if length:
        yield "inp_gate.weight", (width, length)
        yield "proj.weight", (length, width)
        yield "post_norm.weight", (width,)


def gemma4_addition(hp: Hyperparameters, _il: int, _options: TensorOptions) -> Shapes:
    """A scale of the block's output, and the gate of the per-layer embedding (gemma4.cpp)."""
    yield "layer_output_scale.weight", (1,)
    yield from _per_layer_gate(hp)


def falcon_h1_addition(hp: Hyperparameters, _il: int, _options: TensorOptions) -> Shapes:
    """A norm named without ".weight": falcon-h1.cpp:96; gguf's tensor map has "pre_ff_layernorm.weight" as a whole name."""
    yield "ffn_norm", (hp.embedding_length,)


def gemma3n_addition(hp: Hyperparameters, _il: int, _options: TensorOptions) -> Shapes:
    """AltUp and LAuReL (gemma3n.cpp)."""
    width, inputs = hp.embedding_length, _ALTUP_INPUTS
    yield from _per_layer_gate(hp)
    yield "altup_correct_coef.weight", (inputs, inputs)
    yield "altup_correct_scale.weight", (width,)
    yield "altup_predict_coef.weight", (inputs, inputs * inputs)
    yield "altup_router.weight", (width, inputs)
    yield "altup_router_norm.weight", (width,)
    yield "laurel_l.weight", (width, _LAUREL_RANK)
    yield "laurel_r.weight", (_LAUREL_RANK, width)
    yield "laurel_post_norm.weight", (width,)


def gpt2_outside(hp: Hyperparameters, _options: TensorOptions) -> Shapes:
    """Learned positions (gpt2.cpp, starcoder.cpp)."""
    yield "position_embd.weight", (hp.embedding_length, hp.context_length or 0)


def bert_outside(hp: Hyperparameters, options: TensorOptions) -> Shapes:
    """Token types, learned positions, a norm on the embedding (bert.cpp)."""
    if options.token_types:
        yield "token_types.weight", (hp.embedding_length, options.token_types)
    yield "position_embd.weight", (hp.embedding_length, hp.context_length or 0)
    yield "token_embd_norm.weight", (hp.embedding_length,)
    yield "token_embd_norm.bias", (hp.embedding_length,)


def bloom_outside(hp: Hyperparameters, _options: TensorOptions) -> Shapes:
    """A norm on the embedding (bloom.cpp)."""
    yield "token_embd_norm.weight", (hp.embedding_length,)
    yield "token_embd_norm.bias", (hp.embedding_length,)


def nomic_outside(hp: Hyperparameters, options: TensorOptions) -> Shapes:
    """As BERT without positions (nomic-bert.cpp)."""
    yield "token_types.weight", (hp.embedding_length, options.token_types)
    yield from bloom_outside(hp, options)


def afmoe_addition(hp: Hyperparameters, il: int, _options: TensorOptions) -> Shapes:
    """A gate on the attention's output (afmoe.cpp)."""
    yield "attn_gate.weight", (hp.embedding_length, hp.head_count[il] * hp.key_length[il])


def deci_addition(hp: Hyperparameters, il: int, _options: TensorOptions) -> Shapes:
    """Deci's blocks have a norm for each part that is there; some replace attention by one matrix (deci.cpp:33-60)."""
    width = hp.embedding_length
    if hp.head_count[il]:
        yield "attn_norm.weight", (width,)
        if hp.attention[il] is Attention.NONE:
            yield "attn_output.weight", (width, width)
    if hp.feed_forward_length[il]:
        yield "ffn_norm.weight", (width,)
