"""The tensors of a model from its hyperparameters: names and shapes as llama.cpp's converter writes them, without a file.

Names and shapes are those of `load_arch_tensors` (vendored llama.cpp, src/models/*.cpp), top-level tensors first, then block by
block. A weight's type is not decided here (`advisor.models.quantization`).
"""

from collections.abc import Iterator
from dataclasses import fields

from advisor.errors import QuestionError
from advisor.models.block_tensors import BlockTensors, NamedShapes
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.tensor_shape import Shapes, TensorOptions, TensorShape
from advisor.models.tensors_layouts import LAYOUTS, Layout

__all__ = ["TensorOptions", "TensorShape", "default_options", "tensor_list", "tensors_by_block"]


def tensor_list(hp: Hyperparameters, options: TensorOptions | None = None) -> tuple[TensorShape, ...]:
    """All tensors of the model. `options` default to the architecture's own (`default_options`).

    Raises as `tensors_by_block`.
    """
    return tuple(TensorShape(name, shape) for name, shape in tensors_by_block(hp, options).listed)


def tensors_by_block(hp: Hyperparameters, options: TensorOptions | None = None) -> BlockTensors:
    """As `tensor_list`, by block: blocks whose hyperparameters are alike are made once.

    Raises QuestionError for an architecture whose tensors are not known: such a model needs its file.
    """
    layout = LAYOUTS.get(hp.architecture)
    if layout is None:
        raise QuestionError(
            f'The tensors of the architecture "{hp.architecture}" are not known without a file; give a GGUF file of the model.',
            field="model",
        )
    options = layout.options if options is None else options
    made: dict[tuple[object, ...], NamedShapes] = {}
    blocks = []
    for il, kind in enumerate(_kinds(hp)):
        if kind not in made:
            made[kind] = tuple(_block(hp, il, options, layout))
        blocks.append(made[kind])
    return BlockTensors.in_order(tuple(_outside_blocks(hp, options, layout)), blocks)


def _kinds(hp: Hyperparameters) -> Iterator[tuple[object, ...]]:
    """All that a block's tensors depend on, by block."""
    per_block = [getattr(hp, field.name) for field in fields(hp) if field.name != "assumptions"]
    per_block = [values for values in per_block if isinstance(values, tuple) and values]
    yield from zip(*per_block, (il >= hp.layer_count for il in range(hp.block_count)), strict=True)


def default_options(architecture: str) -> TensorOptions:
    """The options that models of an architecture mostly have; the plain ones for an unknown architecture."""
    layout = LAYOUTS.get(architecture)
    return layout.options if layout else TensorOptions()


def _outside_blocks(hp: Hyperparameters, options: TensorOptions, layout: Layout) -> Shapes:
    width, half_rotation = hp.embedding_length, hp.rope_dimension_count // 2
    yield "token_embd.weight", (width, hp.vocab_size)
    if layout.output_norm:
        yield f"{layout.output_norm}.weight", (width,)
    if options.output_norm_bias:
        yield f"{layout.output_norm}.bias", (width,)
    if not options.tied_embeddings:
        yield "output.weight", (width, hp.vocab_size)
    if options.output_bias:
        yield "output.bias", (hp.vocab_size,)
    if options.rope_freqs:
        yield "rope_freqs.weight", (half_rotation,)
    if options.rope_factors:
        yield "rope_factors_long.weight", (half_rotation,)
        yield "rope_factors_short.weight", (half_rotation,)
    if layout.outside:
        yield from layout.outside(hp, options)


def _block(hp: Hyperparameters, il: int, options: TensorOptions, layout: Layout) -> Iterator[tuple[str, tuple[int, ...]]]:
    for norm in layout.norms:
        yield f"{norm}.weight", (hp.embedding_length,)
        if options.norm_bias:
            yield f"{norm}.bias", (hp.embedding_length,)
    if hp.recurrent[il] and layout.state:
        yield from layout.state(hp, il, options)
    if hp.attention[il] is not Attention.NONE:
        yield from layout.attention(hp, il, options)
    if hp.feed_forward_length[il]:
        yield from layout.feed_forward(hp, il, options)
    if hp.mixture[il]:
        yield from layout.experts(hp, il, options)
    if layout.addition:
        yield from layout.addition(hp, il, options)
    if il >= hp.layer_count:
        yield from _next_token(hp, options)


def _next_token(hp: Hyperparameters, options: TensorOptions) -> Shapes:
    """What a multi-token-prediction block has beside an ordinary block (glm4-moe.cpp, glm-dsa.cpp, qwen35.cpp)."""
    width = hp.embedding_length
    yield "nextn.eh_proj.weight", (2 * width, width)
    yield "nextn.enorm.weight", (width,)
    yield "nextn.hnorm.weight", (width,)
    yield "nextn.shared_head_norm.weight", (width,)
    if options.nextn_embeddings:
        yield "nextn.embed_tokens.weight", (width, hp.vocab_size)
        yield "nextn.shared_head_head.weight", (width, hp.vocab_size)
