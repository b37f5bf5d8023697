"""Multi-head latent attention as nodes of a compute graph: src/models/deepseek2.cpp of the pinned engine."""

from advisor.memory.compute_attention import attend, heads, store
from advisor.memory.compute_blocks import Block, BlockBuilder, row_size
from advisor.memory.compute_graph import CACHE_CELLS, Node


def latent_attention(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    """DeepSeek 2 and 3, GLM 4.7 Flash, Kimi K2: one latent vector a token instead of keys and values."""
    g, shape = b.graph, b.shape
    g.stage = "attention"
    rank, rope, tokens = shape.kv_lora_rank, shape.rope_dimensions, shape.tokens
    q = _query(b, block, index, x)
    joined = b.linear(block, index, x, "attn_kv_a_mqa")
    k_rope = b.rotate(block, g.view(joined, rope, 1, tokens))
    latent = b.norm(block, index, g.view(joined, rank, tokens), "attn_kv_a_norm")
    if "attn_k_b.weight" in block.named:
        out = _absorbed(b, block, index, q, latent, k_rope)
    else:
        out = _whole_heads(b, block, index, q, latent, k_rope)
    return b.linear(block, index, out, "attn_output")


def _query(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    if "attn_q.weight" in block.named:
        q = b.linear(block, index, x, "attn_q")
    else:
        q = b.norm(block, index, b.linear(block, index, x, "attn_q_a"), "attn_q_a_norm")
        q = b.linear(block, index, q, "attn_q_b")
    return b.graph.reshape(q, q.shape[0] // block.heads, block.heads, b.shape.tokens)


def _absorbed(b: BlockBuilder, block: Block, index: int, q: Node, latent: Node, k_rope: Node) -> Node:
    """Queries brought to the latent width, which keys and values share."""
    g, shape = b.graph, b.shape
    rank, rope, tokens = shape.kv_lora_rank, shape.rope_dimensions, shape.tokens
    nope = q.shape[0] - rope
    q_rope = b.rotate(block, g.view(q, rope, block.heads, tokens))
    q_nope = g.view(g.view(q, nope, block.heads, tokens), nope, tokens, block.heads, op="permute")
    wide = g.op("mul_mat", (rank, tokens, block.heads), b.weight(block, "attn_k_b.weight", index), q_nope)
    query = g.op("concat", (rank + rope, block.heads, tokens), g.view(wide, rank, block.heads, tokens, op="permute"), q_rope)
    latent = g.reshape(latent, rank, 1, tokens)
    key = g.op("concat", (rank + rope, 1, tokens), latent, k_rope)
    for node in (query, latent, key):
        g.expand(node)
    keys = g.cache(block.device, row_size(rank + rope, shape.key_bytes) * shape.streams, CACHE_CELLS)
    store(b, CACHE_CELLS, keys, key, rank + rope, "k rows")
    if not shape.latent_values:
        return heads(b, block, index, query, g.view(keys, 1), g.view(keys, 1), CACHE_CELLS)
    values = g.cache(block.device, row_size(rank, shape.value_bytes) * shape.streams, CACHE_CELLS)
    store(b, CACHE_CELLS, values, latent, rank, "v rows", transposed=not shape.flash)
    return heads(b, block, index, query, g.view(keys, 1), g.view(values, 1), CACHE_CELLS)


def _whole_heads(b: BlockBuilder, block: Block, index: int, q: Node, latent: Node, k_rope: Node) -> Node:
    """Files older than the latent cache: keys and values of every head."""
    g, shape = b.graph, b.shape
    rope, tokens = shape.rope_dimensions, shape.tokens
    nope = q.shape[0] - rope
    both = g.matmul(b.weight(block, "attn_kv_b.weight", index), latent)
    value_length = both.shape[0] // block.heads - nope
    v = g.cont(g.view(both, value_length, block.heads, tokens))
    query = b.rotate(block, q)
    repeated = g.op("repeat", (rope, block.heads, tokens), k_rope)
    key = g.op("concat", (nope + rope, block.heads, tokens), g.view(both, nope, block.heads, tokens), repeated)
    return attend(b, block, index, query, key, v)
