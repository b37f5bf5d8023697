"""Tensors of recurrent blocks: Mamba 2, gated delta net, short convolution."""

from advisor.models.hyperparameters import Hyperparameters
from advisor.models.tensor_shape import Shapes, TensorOptions


def mamba(hp: Hyperparameters, _il: int, _options: TensorOptions) -> Shapes:
    """mamba.cpp."""
    width, inner, state, rank = hp.embedding_length, hp.ssm_inner_size, hp.ssm_state_size, hp.ssm_time_step_rank
    yield "ssm_in.weight", (width, 2 * inner)
    yield "ssm_conv1d.weight", (hp.ssm_conv_kernel, inner)
    yield "ssm_conv1d.bias", (inner,)
    yield "ssm_x.weight", (inner, rank + 2 * state)
    yield "ssm_dt.weight", (rank, inner)
    yield "ssm_dt.bias", (inner,)
    yield "ssm_a", (state, inner)
    yield "ssm_d", (inner,)
    yield "ssm_out.weight", (inner, width)


def normed_mamba(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """As `mamba` with norms on step, input and output (jamba.cpp)."""
    yield from mamba(hp, il, options)
    yield "ssm_dt_norm.weight", (hp.ssm_time_step_rank,)
    yield "ssm_b_norm.weight", (hp.ssm_state_size,)
    yield "ssm_c_norm.weight", (hp.ssm_state_size,)


def mamba2(hp: Hyperparameters, _il: int, options: TensorOptions) -> Shapes:
    """nemotron-h.cpp:85-103, granite-hybrid.cpp, falcon-h1.cpp."""
    width, inner, groups, heads = hp.embedding_length, hp.ssm_inner_size, hp.ssm_group_count, hp.ssm_time_step_rank
    mixed = inner + 2 * groups * hp.ssm_state_size
    yield "ssm_in.weight", (width, inner + mixed + heads)
    yield "ssm_conv1d.weight", (hp.ssm_conv_kernel, mixed)
    yield "ssm_conv1d.bias", (mixed,)
    yield "ssm_dt.bias", (heads,)
    yield "ssm_a", (1, heads)
    yield "ssm_d", (1, heads)
    if options.state_norm:
        yield "ssm_norm.weight", (inner // groups, groups)
    yield "ssm_out.weight", (inner, width)


def _delta_net(hp: Hyperparameters) -> Shapes:
    width, inner, heads = hp.embedding_length, hp.ssm_inner_size, hp.ssm_time_step_rank
    mixed = inner + 2 * hp.ssm_group_count * hp.ssm_state_size
    yield "attn_qkv.weight", (width, mixed)
    yield "attn_gate.weight", (width, inner)
    yield "ssm_conv1d.weight", (hp.ssm_conv_kernel, mixed)
    yield "ssm_dt.bias", (heads,)
    yield "ssm_a", (heads,)
    yield "ssm_norm.weight", (hp.ssm_state_size,)
    yield "ssm_out.weight", (inner, width)


def delta_net(hp: Hyperparameters, _il: int, _options: TensorOptions) -> Shapes:
    """Gated delta net with alpha and beta apart (qwen35.cpp, qwen35moe.cpp)."""
    yield from _delta_net(hp)
    yield "ssm_beta.weight", (hp.embedding_length, hp.ssm_time_step_rank)
    yield "ssm_alpha.weight", (hp.embedding_length, hp.ssm_time_step_rank)


def merged_delta_net(hp: Hyperparameters, _il: int, options: TensorOptions) -> Shapes:
    """Gated delta net with alpha and beta in one tensor (qwen3next.cpp:85-92)."""
    both = ("attn_qkv.weight", "attn_gate.weight")
    shapes = dict(_delta_net(hp))
    if options.merged_ssm_in:
        yield "ssm_in.weight", (hp.embedding_length, sum(shapes[name][1] for name in both))
    yield from ((name, shape) for name, shape in shapes.items() if not (options.merged_ssm_in and name in both))
    yield "ssm_ba.weight", (hp.embedding_length, 2 * hp.ssm_time_step_rank)


def short_convolution(hp: Hyperparameters, _il: int, _options: TensorOptions) -> Shapes:
    """lfm2.cpp:60-66."""
    width = hp.embedding_length
    yield "shortconv.conv.weight", (hp.shortconv_l_cache, width)
    yield "shortconv.in_proj.weight", (width, 3 * width)
    yield "shortconv.out_proj.weight", (width, width)
