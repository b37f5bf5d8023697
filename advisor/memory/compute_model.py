"""A whole model as a compute graph, from token embeddings to logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.memory.compute_attention import attention
from advisor.memory.compute_blocks import Block, BlockBuilder, GraphShape
from advisor.memory.compute_encoder import encoder_block, normed_after
from advisor.memory.compute_experts import feed_forward, mixture
from advisor.memory.compute_gemma import (
    alternating_block,
    dense_and_experts,
    merge,
    per_layer_inputs,
    spread,
    with_layer_input,
)
from advisor.memory.compute_graph import END_WEIGHT, Graph, Node
from advisor.memory.compute_latent import latent_attention
from advisor.memory.compute_recurrent import gated_delta_net, mamba2, short_convolution


@dataclass(frozen=True)
class Ends:
    """What comes before the first block and after the last."""

    vocabulary: int
    """0 where embeddings are the result."""
    output_device: int
    normed: bool
    """False where the last block's own norm is the last."""
    norm_layer: bool
    """True where the last norm has a bias."""
    softcap: bool
    scaled_logits: bool
    scaled_embeddings: Literal["", "within", "after"]
    """Whether embeddings are scaled, by build_inp_embd itself or after it."""
    typed: bool
    """True where an embedding of the token's type is added."""
    positioned: bool
    """True where an embedding of the position is added (LLM_TENSOR_POS_EMBD in src/models/)."""
    norm_of_embeddings: Literal["", "plain", "biased"]
    """Norm of the sum of all embeddings, which lies with the first block."""


END_WEIGHTS = (
    "output.weight",
    "token_embd.weight",
    "per_layer_token_embd.weight",
    "per_layer_model_proj.weight",
    "altup_proj.weight",
)
"""Weights outside blocks whose bytes a layout does not depend on: the order in which `Facts` has them."""
_OUTPUT, _EMBEDDING, _TABLE, _PROJECTION, _ALTERNATES = ((number, 0, END_WEIGHT) for number in range(len(END_WEIGHTS)))


RESIDUAL_FIRST = frozenset({"phi3", "phimoe"})
"""Architectures that add the feed-forward network's result to the residual and not the other way round: the sum takes the
residual's place in memory."""


def build(shape: GraphShape, blocks: Sequence[Block], ends: Ends) -> Graph:
    """The graph that the engine reserves memory for (llama_context::graph_reserve)."""
    b = BlockBuilder(shape)
    g = b.graph
    alternating = shape.architecture == "gemma3n"
    x = _embeddings(b, ends, blocks[0].device)
    inputs = None
    if shape.per_layer_width and shape.architecture in ("gemma4", "gemma3n"):
        inputs = per_layer_inputs(b, x, _TABLE, _PROJECTION, table_device=ends.output_device, device=blocks[0].device)
    if alternating:
        x = spread(b, x, _ALTERNATES, ends.output_device)
    rows = g.input("i32", shape.outputs)
    for index, block in enumerate(blocks):
        if alternating and inputs is not None:
            x = alternating_block(b, block, index, x, inputs)
        else:
            picked = rows if index == len(blocks) - 1 and not shape.late_rows else None
            x = _with_extras(b, block, index, _block(b, block, index, x, picked), inputs)
        g.marks.append(len(g.nodes))
        g.leaf_marks.append(len(g.leaves))
        g.sizes.append(g.size)
    if alternating:
        x = g.get_rows(merge(b, x, _ALTERNATES, ends.output_device), rows, shape.width)
    g.expand(_logits(b, ends, x, rows))
    return g


def _with_extras(b: BlockBuilder, block: Block, index: int, x: Node, inputs: Node | None) -> Node:
    """What Gemma 4 does after a block."""
    if inputs is not None:
        x = with_layer_input(b, block, index, x, inputs)
    if "layer_output_scale.weight" in block.named:
        x = b.graph.binary("mul", x, b.weight(block, "layer_output_scale.weight", index))
    return x


def _logits(b: BlockBuilder, ends: Ends, x: Node, rows: Node) -> Node:
    """The last norm and the output layer, where there are.

    Embeddings, hidden states and logits are kept (llm_graph_result::set_outputs).
    """
    g, shape = b.graph, b.shape
    if not ends.normed:
        x.is_output = True
        return x
    before_norm = shape.late_rows and shape.architecture == "gpt-oss"
    if before_norm:
        x.is_output = True
        x = g.get_rows(x, rows, shape.width)
    g.stage = "logits"
    device = ends.output_device
    x = g.unary(x, "norm" if ends.norm_layer else "rms_norm")
    x = g.binary("mul", x, g.weight(device, (shape.width * 4, 0, 0), shape.width))
    x.is_output = True
    if shape.late_rows and not before_norm:
        x = g.get_rows(x, rows, shape.width)
    if not ends.vocabulary:
        return x
    logits = g.matmul(g.weight(device, _OUTPUT, shape.width, ends.vocabulary), x)
    if ends.scaled_logits:
        logits = g.unary(logits, "scale")
    if ends.softcap:
        for op in ("scale", "unary", "scale"):
            logits = g.unary(logits, op)
    logits.is_output = True
    return logits


def _embeddings(b: BlockBuilder, ends: Ends, first: int) -> Node:
    """build_inp_embd, with what is added to it: both ways in are reserved, for tokens and for embeddings.

    `first` is the first block's device.
    """
    g, shape = b.graph, b.shape
    table = g.weight(shape.host, _EMBEDDING, shape.width, ends.vocabulary)
    x = g.get_rows(table, b.input("tokens", "i32", shape.tokens), shape.width)
    g.expand(x)
    if ends.scaled_embeddings == "within":
        x = g.expand(g.unary(x, "scale"))
    if shape.embeddings_input:
        g.expand(g.input("f32", shape.width, shape.tokens))
    if ends.scaled_embeddings == "after":
        x = g.unary(x, "scale")
    if ends.typed:
        x = g.binary("add", x, g.view(g.weight(shape.host, (shape.width * 4, 0, 0), shape.width, 1), shape.width))
    if ends.positioned:
        table = g.weight(shape.host, (0, 0, 0), shape.width, 1)
        added = g.get_rows(table, b.positions(), shape.width)
        x = g.binary("add", added, x) if shape.cacheless else g.binary("add", x, added)
    if ends.norm_of_embeddings:
        x = g.unary(x, "norm")
        if shape.norms_placed:
            x.device = first
        x = g.binary("mul", x, g.weight(first, (shape.width * 4, 0, 0), shape.width))
        if ends.norm_of_embeddings == "biased":
            x = g.binary("add", x, g.weight(first, (shape.width * 4, 0, 0), shape.width))
    return x


def _block(b: BlockBuilder, block: Block, index: int, x: Node, rows: Node | None) -> Node:
    """One block with its residual connections."""
    if normed_after(block):
        return encoder_block(b, block, index, x, rows)
    g, names = b.graph, block.named
    normed = b.norm(block, index, x, "attn_norm")
    alone = not ({"ffn_down.weight", "ffn_down_exps.weight"} & names.keys())
    if not block.recurrent and not _attends(block):
        out = normed if alone else mixture(b, block, index, normed)
        alone = True
    else:
        out = _token_mixer(b, block, index, normed, x)
    if alone:
        if rows is not None:
            out, x = _pick(b, rows, out), _pick(b, rows, x)
        return _add(b, out, x)
    if "ssm_in.weight" in names and _attends(block):
        return _mixers_side_by_side(b, block, index, b.graph.binary("add", out, x), rows)
    parallel = not ({"ffn_norm.weight", "post_attention_norm.weight", "post_ffw_norm.weight"} & names.keys())
    if rows is not None:
        out, x = _pick(b, rows, out), _pick(b, rows, x)
        if parallel:
            normed = _pick(b, rows, normed)
    if parallel:
        narrow = mixture(b, block, index, normed)
        first, last = (x, out) if b.shape.architecture.startswith(("command-r", "cohere")) else (narrow, x)
        return g.binary("add", g.binary("add", narrow if last is out else out, first), last)
    before_ffn = "post_attention_norm" if not ({"ffn_norm.weight", "post_ffw_norm.weight"} & names.keys()) else "ffn_norm"
    if before_ffn == "ffn_norm":
        out = b.norm(block, index, out, "post_attention_norm")
    middle = _add(b, out, x)
    if "pre_ffw_norm_2.weight" in names:
        out = dense_and_experts(b, block, index, middle)
    else:
        out = mixture(b, block, index, b.norm(block, index, middle, before_ffn))
    out = b.norm(block, index, out, "post_ffw_norm")
    return g.binary("add", middle, out) if b.shape.architecture in RESIDUAL_FIRST else _add(b, out, middle)


def _mixers_side_by_side(b: BlockBuilder, block: Block, index: int, middle: Node, rows: Node | None) -> Node:
    """Falcon-H1 after attention and recurrent mixer: rows picked of the sum; its norm's weight has a name without ".weight"."""
    if rows is not None:
        middle = _pick(b, rows, middle)
    normed = b.graph.unary(middle, "rms_norm")
    if b.shape.norms_placed:
        normed.device = block.device
    normed = b.graph.binary("mul", normed, b.weight(block, "ffn_norm", index))
    return b.graph.binary("add", feed_forward(b, block, index, normed), middle)


def _add(b: BlockBuilder, out: Node, x: Node) -> Node:
    """A residual connection, scaled where the architecture does."""
    architecture = b.shape.architecture
    if architecture.startswith(("granite", "minicpm")):
        out = b.graph.unary(out, "scale")
    return b.graph.binary("add", x, out) if architecture.startswith("lfm2") else b.graph.binary("add", out, x)


def _attends(block: Block) -> bool:
    return bool({"attn_q.weight", "attn_qkv.weight", "attn_q_a.weight"} & block.named.keys())


def _token_mixer(b: BlockBuilder, block: Block, index: int, normed: Node, x: Node) -> Node:
    """Attention, or what a recurrent block has in its place; Falcon-H1 has both."""
    names = block.named
    if block.recurrent:
        if "shortconv.in_proj.weight" in names:
            return short_convolution(b, block, index, normed)
        if "ssm_beta.weight" in names or "ssm_ba.weight" in names:
            return gated_delta_net(b, block, index, normed)
        if "ssm_in.weight" in names and not _attends(block):
            return mamba2(b, block, index, normed)
    if "attn_kv_a_mqa.weight" in names:
        return latent_attention(b, block, index, normed)
    if not _attends(block):
        return b.graph.unary(normed)  # a mixer that is not known: its input's size
    out = attention(b, block, index, normed)
    if "ssm_in.weight" in names:
        out = b.graph.binary("add", out, mamba2(b, block, index, b.norm(block, index, x, "attn_norm")))
    return out


def _pick(b: BlockBuilder, rows: Node, x: Node) -> Node:
    return b.graph.get_rows(x, rows, x.shape[0])
