"""Multi-head latent attention as nodes of a compute graph: src/models/deepseek2.cpp of the pinned engine."""

from advisor.memory.compute_attention import attend, heads, store
from advisor.memory.compute_beside import copy_padding
from advisor.memory.compute_blocks import Block, BlockBuilder, row_size
from advisor.memory.compute_graph import CACHE_CELLS, Node


def latent_attention(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    """DeepSeek 2 and 3, GLM 4.7 Flash, Kimi K2: one latent vector a token instead of keys and values."""
    g, shape = b.graph, b.shape
    g.stage = "attention"
    rank, rope, tokens = shape.kv_lora_rank, shape.rope_dimensions, shape.tokens
    sparse = "indexer.attn_k.weight" in block.named
    if sparse:
        _store_indexer_keys(b, block, index, x)
    q, compressed = _query(b, block, index, x)
    if sparse:
        b.chosen_tokens = _chosen_tokens(b, block, index, x, compressed)
    joined = b.linear(block, index, x, "attn_kv_a_mqa")
    k_rope = b.rotate(block, g.view(joined, rope, 1, tokens))
    latent = b.norm(block, index, g.view(joined, rank, tokens), "attn_kv_a_norm")
    if "attn_k_b.weight" in block.named:
        out = _absorbed(b, block, index, q, latent, k_rope)
    else:
        out = _whole_heads(b, block, index, q, latent, k_rope)
    return b.linear(block, index, out, "attn_output")


def _query(b: BlockBuilder, block: Block, index: int, x: Node) -> tuple[Node, Node]:
    """Queries of all heads, and the vector they are made from."""
    compressed = x
    if "attn_q.weight" in block.named:
        q = b.linear(block, index, x, "attn_q")
    else:
        compressed = b.norm(block, index, b.linear(block, index, x, "attn_q_a"), "attn_q_a_norm")
        q = b.linear(block, index, compressed, "attn_q_b")
    return b.graph.reshape(q, q.shape[0] // block.heads, block.heads, b.shape.tokens), compressed


def _store_indexer_keys(b: BlockBuilder, block: Block, index: int, x: Node) -> None:
    """DeepSeek sparse attention: the indexer's keys go to a cache of their own (src/models/deepseek32.cpp)."""
    g, shape = b.graph, b.shape
    width, tokens = shape.indexer_length, shape.tokens
    keys = b.norm(block, index, b.linear(block, index, x, "indexer.attn_k"), "indexer.k_norm")
    keys = b.rotate(block, g.reshape(keys, width, 1, tokens))
    keys = g.op("mul_mat", keys.shape, b.input("indexer rotation", "f32", width, width), keys)
    cache = g.cache(block.device, row_size(width, shape.key_bytes) * shape.streams, CACHE_CELLS)
    store(b, CACHE_CELLS, cache, keys, width, "indexer rows")


def _chosen_tokens(b: BlockBuilder, block: Block, index: int, x: Node, compressed: Node) -> Node:
    """The tokens that each query attends to, by the indexer's scores of all cells."""
    g, shape = b.graph, b.shape
    width, count, tokens = shape.indexer_length, shape.indexer_heads, shape.tokens
    q = g.reshape(g.matmul(b.weight(block, "indexer.attn_q_b.weight", index), compressed), width, count, tokens)
    q = b.rotate(block, q)
    q = g.op("mul_mat", q.shape, b.input("indexer rotation", "f32", width, width), q)
    weights = g.unary(g.matmul(b.weight(block, "indexer.proj.weight", index), x), "scale")
    g.twice += 1  # the cache that keys were stored to
    cache = g.cache(block.device, row_size(width, shape.key_bytes) * shape.streams, CACHE_CELLS)
    scores = g.op(
        "lightning_indexer",
        (CACHE_CELLS, tokens),
        g.view(q, *q.shape),
        g.view(cache, 1),
        g.view(weights, *weights.shape),
        b.input("indexer mask", "f16", CACHE_CELLS, tokens // shape.streams, 1, shape.streams),
    )
    return g.cont(g.op("top_k", (shape.chosen_tokens, tokens), scores, kind="i32"))


def _sparse_mask(b: BlockBuilder) -> Node | None:
    """The attention mask with all but the chosen tokens masked (build_attn with llm_graph_input_attn_k_dsa)."""
    if b.chosen_tokens is None:
        return None
    g, tokens = b.graph, b.shape.tokens
    mask = b.mask(CACHE_CELLS)
    count = b.shape.chosen_tokens
    zeros = g.unary(Node("none", (1, count, tokens), "f32", []), "fill")
    hidden = g.unary(mask, "fill")
    shown = g.set_rows(hidden, zeros, g.view(b.chosen_tokens, count, tokens))
    return g.op("add", mask.shape, g.view(shown, *mask.shape), mask, kind=mask.kind)


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
    padding = copy_padding(shape, rank + rope, shape.key_bytes)
    keys = g.cache(block.device, row_size(rank + rope, shape.key_bytes) * shape.streams, CACHE_CELLS, padding=padding)
    store(b, CACHE_CELLS, keys, key, rank + rope, "k rows")
    if not shape.latent_values:
        return heads(b, block, index, query, g.view(keys, 1), g.view(keys, 1), CACHE_CELLS, _sparse_mask(b))
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
