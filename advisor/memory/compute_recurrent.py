"""Recurrent layers as nodes of a compute graph: gated delta nets, Mamba, short convolutions.

Sources: src/models/delta-net-base.cpp, qwen35.cpp, qwen3next.cpp, mamba-base.cpp, lfm2.cpp; src/llama-graph.cpp (build_rs).
"""

from collections.abc import Callable

from advisor.memory.compute_blocks import Block, BlockBuilder, strided
from advisor.memory.compute_delta_net import chunked_delta_net
from advisor.memory.compute_graph import Node


def _states(b: BlockBuilder, block: Block, width: int) -> tuple[Node, Node]:
    """The cache of one kind of state, and the states of this batch's sequences."""
    return _read_states(b, block, width, lambda cache, rows: b.graph.op("get_rows", (width, b.shape.sequences), cache, rows))


def _read_states(b: BlockBuilder, block: Block, width: int, read: Callable[[Node, Node], Node]) -> tuple[Node, Node]:
    """build_rs: one state cleared, those of the batch read, those beyond it moved (none, but the nodes are there)."""
    g, sequences = b.graph, b.shape.sequences
    cache = g.cache(block.device, 4 * width * sequences)
    states = g.reshape(cache, width, sequences)
    ids = b.input("state rows", "i32", sequences)
    chosen, moved = b.shared("states", lambda: (g.view(ids, sequences), g.view(ids, 0)))
    zero = g.view(states, width)
    g.expand(g.in_place(zero, "scale"))
    out = g.expand(read(states, chosen))
    others = g.op("get_rows", (width, 0), states, moved)
    g.expand(g.store(g.view(cache, width), others))
    return cache, out


def _convolved(b: BlockBuilder, block: Block, index: int, x: Node, channels: int, kernel: int, weight: str) -> Node:
    """State and new tokens joined, the end of them kept as the next state, and the convolution."""
    g, sequences = b.graph, b.shape.sequences
    cache, state = _states(b, block, (kernel - 1) * channels)
    tokens = b.shape.tokens // sequences
    state = g.reshape(state, kernel - 1, channels, sequences)
    new = g.view(x, tokens, channels, sequences, op="transpose", span=strided(x, channels))
    joined = g.op("concat", (kernel - 1 + tokens, channels, sequences), state, new)
    span = 4 * (joined.shape[0] * (channels * sequences - 1) + kernel - 1)
    g.expand(g.store(cache, g.view(joined, kernel - 1, channels, sequences, span=span)))
    return g.op("ssm_conv", (channels, tokens, sequences), joined, b.weight(block, weight, index))


def gated_delta_net(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    """Qwen3-Next and Qwen3.5: linear attention with a matrix of state for every head."""
    g, shape = b.graph, b.shape
    g.stage = "recurrent"
    sequences, tokens = shape.sequences, shape.tokens // shape.sequences
    keys, values = shape.groups, shape.steps
    g.left_out += 7 if shape.architecture == "qwen3next" else 3  # reshapes and views of views
    width = shape.inner // values
    g.expand(x)
    mixed, z = b.linear(block, index, x, "attn_qkv"), b.linear(block, index, x, "attn_gate")
    beta, decay = _gates(b, block, index, x)
    convolved = _convolved(b, block, index, mixed, shape.inner + 2 * keys * shape.state, shape.conv_kernel, "ssm_conv1d.weight")
    cache, state = _states(b, block, shape.state * shape.inner)
    state = g.reshape(state, width, width, values, sequences)
    convolved = g.unary(convolved)
    span = 4 * (convolved.shape[0] * (shape.tokens - 1) + shape.state * keys)
    q, k = (
        g.unary(g.unary(g.view(convolved, shape.state, keys, tokens, sequences, span=span), "rms_norm"), "scale")
        for _ in range(2)
    )
    v = g.view(convolved, width, values, tokens, sequences, span=4 * (convolved.shape[0] * (shape.tokens - 1) + shape.inner))
    # qwen3next.cpp repeats them for its fused operation too, qwen35.cpp does not
    if keys != values and (shape.architecture == "qwen3next" or not shape.fused_delta_net):
        q, k = (g.op("repeat", (shape.state, values, tokens, sequences), one) for one in (q, k))
    if shape.fused_delta_net:
        rows = tokens * sequences + width * sequences
        both = g.op("gated_delta_net", (width * values, rows), q, k, v, decay, beta, state)
        out, new_state = g.view(both, width, values, tokens, sequences), g.view(both, width, width, values, sequences)
    else:
        out, new_state = chunked_delta_net(g, q, k, v, decay, beta, state)
    g.expand(g.store(cache, new_state))
    out = g.unary(out, "rms_norm")
    out = g.binary("mul", out, b.weight(block, "ssm_norm.weight", index))
    out = g.binary("mul", out, g.unary(g.reshape(z, width, values, tokens, sequences)))
    out = g.matmul(b.weight(block, "ssm_out.weight", index), g.reshape(out, shape.inner, shape.tokens))
    # A view, so that the residual is added in its own place and not in the product's.
    return g.reshape(out, shape.width, shape.tokens)


def _gates(b: BlockBuilder, block: Block, index: int, x: Node) -> tuple[Node, Node]:
    """beta and the decay of each head."""
    g, shape = b.graph, b.shape
    sequences, tokens, values = shape.sequences, shape.tokens // shape.sequences, shape.steps
    if "ssm_ba.weight" in block.named:
        both = b.linear(block, index, x, "ssm_ba")
        beta, alpha = (g.cont(g.view(both, values, tokens, sequences)) for _ in range(2))
    else:
        beta, alpha = b.linear(block, index, x, "ssm_beta"), b.linear(block, index, x, "ssm_alpha")
    beta = g.unary(g.reshape(beta, 1, values, tokens, sequences))
    alpha = g.unary(g.binary("add", g.reshape(alpha, values, tokens, sequences), b.weight(block, "ssm_dt.bias", index)))
    decay = g.binary("mul", alpha, b.weight(block, "ssm_a", index))
    return beta, g.reshape(decay, 1, values, tokens, sequences)


def mamba2(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    """build_mamba2_layer: Granite 4, Falcon-H1, Nemotron-H."""
    g, shape = b.graph, b.shape
    g.left_out += 5  # reshapes and views of views
    g.stage = "recurrent"
    sequences, tokens, count = shape.sequences, shape.tokens // shape.sequences, shape.steps
    head, channels = shape.inner // count, shape.inner + 2 * shape.groups * shape.state
    mixed = b.linear(block, index, x, "ssm_in")
    z = g.view(mixed, head, count, tokens, sequences, span=strided(mixed, shape.inner))
    convolved = _convolved(b, block, index, mixed, channels, shape.conv_kernel, "ssm_conv1d.weight")
    convolved = g.unary(b.biased(block, index, convolved, "ssm_conv1d"))
    rows = channels * (shape.tokens - 1)
    inner = g.view(convolved, head, count, tokens, sequences, span=4 * (rows + shape.inner))
    group = [
        g.view(convolved, shape.state, shape.groups, tokens, sequences, span=4 * (rows + shape.groups * shape.state))
        for _ in range(2)
    ]
    steps = g.binary(
        "add",
        g.cont(g.view(mixed, count, tokens, sequences, span=strided(mixed, count))),
        b.weight(block, "ssm_dt.bias", index),
    )
    size = shape.tokens * shape.inner + shape.state * shape.inner * sequences
    decay = b.weight(block, "ssm_a", index)
    cache, scanned = _read_states(
        b,
        block,
        shape.state * shape.inner,
        lambda states, rows: g.op("ssm_scan", (size,), states, inner, steps, decay, *group, rows),
    )
    g.expand(g.store(cache, g.view(scanned, shape.state * shape.inner, sequences)))
    direct = g.binary("mul", inner, b.weight(block, "ssm_d", index))
    out = g.binary("add", g.view(scanned, *inner.shape), direct)
    out = b.gated(g.cont(z), out)
    if "ssm_norm.weight" in block.named:
        out = b.norm(block, index, g.reshape(out, shape.inner // shape.groups, shape.groups, tokens, sequences), "ssm_norm")
    return b.linear(block, index, g.reshape(out, shape.inner, shape.tokens), "ssm_out")


def short_convolution(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    """LFM2's gated short convolution."""
    g, shape = b.graph, b.shape
    g.left_out += 2  # reshapes
    g.stage = "recurrent"
    sequences, tokens = shape.sequences, shape.tokens // shape.sequences
    width = shape.width
    mixed = b.linear(block, index, x, "shortconv.in_proj")
    part = (width, tokens, sequences)
    span = strided(mixed, width)
    gated = g.op("mul", part, g.view(mixed, *part, span=span), g.view(mixed, *part, span=span))
    convolved = _convolved(b, block, index, gated, width, shape.conv_kernel, "shortconv.conv.weight")
    out = g.op("mul", part, g.view(mixed, *part, span=span), convolved)
    # A view, in whose place nothing is added.
    return g.reshape(b.linear(block, index, out, "shortconv.out_proj"), width, shape.tokens)
