"""What only Gemma 3n and Gemma 4 have: embeddings for every block, and Gemma 4's dense network beside its experts.

Sources: src/models/gemma4.cpp and gemma3n.cpp of the pinned engine.
"""

from advisor.memory.compute_blocks import Block, BlockBuilder
from advisor.memory.compute_experts import experts, feed_forward
from advisor.memory.compute_graph import Node


def per_layer_inputs(b: BlockBuilder, x: Node, table_bytes: int, projection_bytes: int, device: int) -> Node:
    """Embeddings of all blocks: read from their table, added to a projection of the token embeddings."""
    g, shape = b.graph, b.shape
    width, layers, tokens = shape.per_layer_width, shape.layers, shape.tokens
    table = g.weight(shape.host if shape.per_layer_on_host else device, table_bytes, width * layers, 1)
    rows = g.get_rows(table, g.input("i32", tokens), width * layers)
    rows = g.expand(g.unary(g.reshape(rows, width, layers, tokens), "scale"))
    projected = g.matmul(g.weight(device, projection_bytes, shape.width, width * layers), x)
    projected = g.reshape(g.unary(projected, "scale"), width, layers, tokens)
    projected = g.binary("mul", g.unary(projected, "rms_norm"), g.weight(device, width * 4, width))
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
