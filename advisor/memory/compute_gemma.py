"""What only Gemma 3n and Gemma 4 have: embeddings for every block, and Gemma 4's dense network beside its experts.

Sources: src/models/gemma4.cpp and gemma3n.cpp of the pinned engine.
"""

from advisor.memory.compute_attention import attention
from advisor.memory.compute_blocks import Block, BlockBuilder
from advisor.memory.compute_experts import experts, feed_forward
from advisor.memory.compute_graph import Node, Size


def per_layer_inputs(
    b: BlockBuilder, x: Node, table_size: Size, projection_size: Size, *, table_device: int, device: int
) -> Node:
    """Embeddings of all blocks: read from their table, added to a projection of the token embeddings.

    The projection lies with the first block (llama-arch.cpp:922, created with block 0).
    """
    g, shape = b.graph, b.shape
    width, layers, tokens = shape.per_layer_width, shape.layers, shape.tokens
    table = g.weight(shape.host if shape.per_layer_on_host else table_device, table_size, width * layers, 1)
    rows = g.get_rows(table, g.input("i32", tokens), width * layers)
    rows = g.expand(g.unary(g.reshape(rows, width, layers, tokens), "scale"))
    projected = g.matmul(g.weight(device, projection_size, shape.width, width * layers), x)
    projected = g.reshape(g.unary(projected, "scale"), width, layers, tokens)
    projected = g.binary("mul", g.unary(projected, "rms_norm"), g.weight(device, (width * 4, 0, 0), width))
    total = g.unary(g.binary("add", projected, rows), "scale")
    return g.op("cont", (width, tokens, layers), g.view(total, width, tokens, layers, op="permute"))


def with_layer_input(b: BlockBuilder, block: Block, index: int, x: Node, inputs: Node) -> Node:
    """The block's own embeddings, gated by its result and added to it (Gemma 4)."""
    g, shape = b.graph, b.shape
    gate = g.unary(b.linear(block, index, x, "inp_gate"))
    gate = g.binary("mul", gate, g.view(inputs, shape.per_layer_width, shape.tokens, contiguous=True))
    return g.binary("add", x, b.norm(block, index, b.linear(block, index, gate, "proj"), "post_norm"))


def dense_and_experts(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    """Gemma 4's feed-forward part: a dense network and a mixture of experts, each with its own norms, added."""
    g = b.graph
    dense = feed_forward(b, block, index, b.norm(block, index, x, "ffn_norm"))
    dense = b.norm(block, index, dense, "post_ffw_norm_1")
    router = g.unary(g.unary(x, "rms_norm"), "scale")
    if "ffn_gate_inp.scale" in block.named:
        router = g.binary("mul", router, b.weight(block, "ffn_gate_inp.scale", index))
    mixed = experts(b, block, index, b.norm(block, index, x, "pre_ffw_norm_2"), router)
    return g.binary("add", dense, b.norm(block, index, mixed, "post_ffw_norm_2"))


ALTERNATES = 4
"""Copies of the residual that Gemma 3n predicts and corrects (altup.num_inputs of both its models)."""


def spread(b: BlockBuilder, x: Node, projection: Size, device: int) -> Node:
    """Gemma 3n: the token embeddings, and three projections of them scaled to the same magnitude."""
    g, width, tokens = b.graph, b.shape.width, b.shape.tokens
    rest = (width, tokens, ALTERNATES - 1)
    added = g.op("mul_mat", rest, g.weight(device, projection, width, width), g.op("repeat", rest, x))
    return g.op("concat", (width, tokens, ALTERNATES), x, _scaled_to(b, added, x))


def merge(b: BlockBuilder, x: Node, projection: Size, device: int) -> Node:
    """Gemma 3n: the mean of all copies, after the last block."""
    g, width, tokens = b.graph, b.shape.width, b.shape.tokens
    rest = (width, tokens, ALTERNATES - 1)
    others = g.op("mul_mat", rest, g.weight(device, projection, width, width), g.view(x, *rest))
    others = _scaled_to(b, others, _slice(b, x))
    total = _slice(b, x)
    for _ in range(ALTERNATES - 1):
        total = g.binary("add", total, _slice(b, others))
    return g.unary(total, "scale")


def _slice(b: BlockBuilder, x: Node) -> Node:
    return b.graph.view(x, b.shape.width, b.shape.tokens, contiguous=True)


def _magnitude(b: BlockBuilder, x: Node) -> Node:
    g = b.graph
    return g.unary(g.op("sum_rows", (1, *x.shape[1:]), g.unary(x, "sqr")), "sqrt")


def _scaled_to(b: BlockBuilder, x: Node, target: Node) -> Node:
    g = b.graph
    return g.binary("div", g.binary("mul", x, _magnitude(b, target)), _magnitude(b, x))


def _modalities(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    g = b.graph
    routed = g.unary(b.norm(block, index, x, "altup_router_norm"), "scale")
    return g.unary(b.linear(block, index, routed, "altup_router"))


def alternating_block(b: BlockBuilder, block: Block, index: int, x: Node, inputs: Node) -> Node:
    """One block of Gemma 3n: predict all copies, compute the active one, correct the others (src/models/gemma3n.cpp)."""
    g, width, tokens = b.graph, b.shape.width, b.shape.tokens
    every = (width, tokens, ALTERNATES)
    g.stage = "feed-forward"
    turned = g.op("cont", (ALTERNATES, width, tokens), g.view(x, ALTERNATES, width, tokens, op="permute"))
    coefficients = b.linear(block, index, _modalities(b, block, index, _slice(b, x)), "altup_predict_coef")
    predicted = g.op("mul_mat", (ALTERNATES, width, tokens), turned, g.reshape(coefficients, ALTERNATES, ALTERNATES, tokens))
    predicted = g.binary("add", g.op("cont", every, g.view(predicted, *every, op="permute")), x)
    active = _slice(b, predicted)
    normed = b.norm(block, index, active, "attn_norm")
    out = b.norm(block, index, attention(b, block, index, normed), "post_attention_norm")
    out = g.binary("add", out, active)
    g.stage = "feed-forward"
    low = b.linear(block, index, b.linear(block, index, normed, "laurel_l"), "laurel_r")
    low = g.binary("add", b.norm(block, index, low, "laurel_post_norm"), normed)
    middle = g.unary(g.binary("add", out, low), "scale")
    out = b.norm(block, index, _sparse_network(b, block, index, b.norm(block, index, middle, "ffn_norm")), "post_ffw_norm")
    activated = g.binary("add", out, middle)
    corrected = _corrected(b, block, index, predicted, activated)
    first = g.binary("mul", _slice(b, corrected), b.weight(block, "altup_correct_scale.weight", index))
    first = g.unary(b.linear(block, index, first, "inp_gate"))
    first = g.binary("mul", first, g.view(inputs, b.shape.per_layer_width, tokens, contiguous=True))
    first = b.norm(block, index, b.linear(block, index, first, "proj"), "post_norm")
    rest = g.op("add", (width, tokens, ALTERNATES - 1), g.view(corrected, width, tokens, ALTERNATES - 1), first)
    return g.op("concat", every, _slice(b, corrected), rest)


def _sparse_network(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    g = b.graph
    up, gate = b.linear(block, index, x, "ffn_up"), b.linear(block, index, x, "ffn_gate")
    if block.sparse:
        mean = g.op("mean", (1, x.shape[1]), gate)
        squares = g.unary(g.binary("sub", gate, mean), "sqr")
        deviation = g.unary(g.unary(g.op("sum_rows", mean.shape, squares), "scale"), "sqrt")
        gate = g.unary(g.binary("sub", gate, g.binary("add", mean, g.unary(deviation, "scale"))))
    return b.linear(block, index, g.binary("mul", up, g.unary(gate)), "ffn_down")


def _corrected(b: BlockBuilder, block: Block, index: int, predicted: Node, activated: Node) -> Node:
    g, width, tokens = b.graph, b.shape.width, b.shape.tokens
    every = (width, tokens, ALTERNATES)
    change = g.op("repeat", every, g.binary("sub", activated, _slice(b, predicted)))
    coefficients = g.unary(b.linear(block, index, _modalities(b, block, index, activated), "altup_correct_coef"), "scale")
    coefficients = g.op("cont", (1, tokens, ALTERNATES), g.view(coefficients, 1, tokens, ALTERNATES, op="transpose"))
    return g.binary("add", g.binary("mul", change, coefficients), predicted)
