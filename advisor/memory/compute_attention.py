"""Attention layers as nodes of a compute graph: build_qkv, build_attn and build_attn_mha of src/llama-graph.cpp."""

from math import prod

from advisor.memory.compute_beside import beside_attention, copy_padding
from advisor.memory.compute_blocks import Block, BlockBuilder, row_size, strided
from advisor.memory.compute_graph import CACHE_CELLS, WINDOW_CELLS, Node
from advisor.models.hyperparameters import Attention

SLIDING = (Attention.SLIDING, Attention.CHUNKED)
SCALED_QUERIES = frozenset({"gemma", "gemma2", "gemma3", "gemma-embedding", "phi2", "phi3", "phimoe"})
"""Architectures that scale queries by an operation of its own, in their place (Qcur = ggml_scale in src/models/)."""

_MAVERICK_EXPERTS = 128
"""By which the engine knows Llama 4 Maverick (src/models/llama4.cpp:36-41)."""


def attention(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    """One attention layer, from the normed input to the output projection."""
    b.graph.stage = "attention"
    q_weight = block.named.get("attn_q.weight")
    if q_weight is not None and q_weight[0][1] == 2 * block.heads * block.key_length:
        q, k, v, gate = _query_with_gate(b, block, index, x)
        out = attend(b, block, index, q, k, v)
        out = b.graph.binary("mul", out, b.graph.unary(gate))
    else:
        out = attend(b, block, index, *_normed_and_rotated(b, block, index, *_query_key_value(b, block, index, x)))
    if "attn_sub_norm.weight" in block.named:
        out = b.norm(block, index, out, "attn_sub_norm")
    return b.linear(block, index, out, "attn_output") if "attn_output.weight" in block.named else out


def _query_key_value(b: BlockBuilder, block: Block, index: int, x: Node) -> tuple[Node, Node | None, Node | None]:
    """build_qkv: heads split, not yet normed or rotated."""
    g, tokens = b.graph, b.shape.tokens
    g.left_out += b.shape.architecture in SCALED_QUERIES
    q_shape = (block.key_length, block.heads, tokens)
    k_shape = (block.key_length, block.kv_heads, tokens)
    v_shape = (block.value_length, block.kv_heads, tokens)
    if "attn_qkv.weight" in block.named:
        joined = b.linear(block, index, x, "attn_qkv")
        q_span, k_span, v_span = (strided(joined, one[0] * one[1]) for one in (q_shape, k_shape, v_shape))
        return (
            g.view(joined, *q_shape, span=q_span),
            g.view(joined, *k_shape, span=k_span),
            g.view(joined, *v_shape, span=v_span),
        )
    q = g.reshape(_normed_whole(b, block, index, b.linear(block, index, x, "attn_q"), "attn_q_norm"), *q_shape)
    if not (block.caches or b.shape.cacheless):
        return q, None, None
    flat_k = b.linear(block, index, x, "attn_k")
    v = b.linear(block, index, x, "attn_v") if "attn_v.weight" in block.named else flat_k
    return q, g.reshape(_normed_whole(b, block, index, flat_k, "attn_k_norm"), *k_shape), g.reshape(v, *v_shape)


def _over_all_heads(block: Block, name: str) -> bool:
    """True where a norm's weight spans all heads, not each of them (OLMo 2, MiniMax M2)."""
    shape = block.named.get(f"{name}.weight", ((0,),))[0]
    return len(shape) == 1 and shape[0] > block.key_length


def _normed_whole(b: BlockBuilder, block: Block, index: int, flat: Node, name: str) -> Node:
    """Queries or keys before they are split into heads, normed where the norm spans all of them."""
    if not _over_all_heads(block, name):
        return flat
    b.graph.left_out += 2 * b.shape.cacheless  # split into heads, and whole again (src/models/bert.cpp)
    return b.norm(block, index, flat, name)


def _normed_and_rotated(
    b: BlockBuilder, block: Block, index: int, q: Node, k: Node | None, v: Node | None
) -> tuple[Node, Node | None, Node | None]:
    architecture = b.shape.architecture
    after = architecture in ("hunyuan-dense", "hunyuan-moe")
    q_norm = "attn_q_norm" if "attn_q_norm.weight" in block.named else "attn_q_norm_2"
    if not after and not _over_all_heads(block, q_norm):
        q = b.norm(block, index, q, q_norm)
        k = k if k is None else b.norm(block, index, k, "attn_k_norm")
    if v is not None and architecture in ("gemma4", "gemma3n"):
        v = b.graph.unary(v, "rms_norm")
    if architecture == "llama4" and block.rotates and b.shape.experts != _MAVERICK_EXPERTS:
        b.graph.left_out += 2  # norms in the place of queries and keys, which all others have (src/models/llama4.cpp:41, 180)
    if architecture == "llama4" and not block.rotates:  # src/models/llama4.cpp:173-175, build_inp_attn_scale
        q = b.graph.binary("mul", q, b.input("attention scale", "f32", 1, 1, b.shape.tokens))
    q, k = b.rotate(block, q), (k if k is None else b.rotate(block, k))
    if after:
        q = b.norm(block, index, q, q_norm)
        k = k if k is None else b.norm(block, index, k, "attn_k_norm")
    return q, k, v


def _query_with_gate(b: BlockBuilder, block: Block, index: int, x: Node) -> tuple[Node, Node, Node, Node]:
    """Qwen3-Next and Qwen3.5: the query projection also makes a gate for the output (src/models/qwen35.cpp)."""
    g, tokens = b.graph, b.shape.tokens
    g.left_out += b.shape.architecture == "qwen3next"  # the gate, reshaped
    both = b.linear(block, index, x, "attn_q")
    span = strided(both, both.shape[0] - block.key_length)
    q = b.norm(block, index, g.view(both, block.key_length, block.heads, tokens, span=span), "attn_q_norm")
    half = g.view(both, block.key_length, block.heads, tokens, span=span)
    gate = g.cont(half, block.key_length * block.heads, tokens)
    k = g.reshape(b.linear(block, index, x, "attn_k"), block.key_length, block.kv_heads, tokens)
    v = g.reshape(b.linear(block, index, x, "attn_v"), block.value_length, block.kv_heads, tokens)
    k = b.norm(block, index, k, "attn_k_norm")
    return b.rotate(block, q), b.rotate(block, k), v, gate


def attend(b: BlockBuilder, block: Block, index: int, q: Node, k: Node | None, v: Node | None) -> Node:
    """build_attn without the output projection: keys and values stored, then all heads."""
    g, shape = b.graph, b.shape
    cells = WINDOW_CELLS if shape.windowed and block.attention in SLIDING else CACHE_CELLS
    if shape.cacheless and k is not None and v is not None:
        return _attend_to_batch(b, block, q, k, v, cells)
    if rotation := shape.key_rotation[cells == WINDOW_CELLS]:
        name = f"key rotation{cells}"
        q = _hadamard(b, q, name, rotation)
        k = k if k is None else _hadamard(b, k, name, rotation)
    if shape.value_rotation and v is not None:
        v = _hadamard(b, v, f"value rotation{cells}", shape.value_rotation)
    for node in (q, k, v) if shape.windowed else (q, v, k):
        if node is not None:
            g.expand(node)
    key_bytes = row_size(block.kv_heads * block.key_length, shape.key_bytes) * shape.streams
    padding = copy_padding(shape, block.key_length, shape.key_bytes)
    keys = g.cache(block.cache_device, key_bytes, cells, padding=padding)
    turned = not shape.flash and not shape.given_up
    width = block.kv_heads * block.value_length
    # Rows of all blocks are as wide as the widest where values are turned; what is read of them ends with the last one read.
    before = (shape.value_width if turned and shape.row_indices else width) * (shape.streams - 1)
    padding = copy_padding(shape, block.value_length, shape.value_bytes)
    values = g.cache(block.cache_device, row_size(before + width, shape.value_bytes), cells, padding=padding)
    if k is None or v is None:
        g.twice += 2  # an earlier block's
    else:
        store(b, cells, keys, k, block.kv_heads * block.key_length, "k rows")
        store(b, cells, values, v, width, "v rows", transposed=turned)
    out = heads(b, block, index, q, g.view(keys, 1), g.view(values, 1), cells)
    if shape.value_rotation:
        out = _hadamard(b, out, f"value rotation{cells}", shape.value_rotation)
    return out


def _attend_to_batch(b: BlockBuilder, block: Block, q: Node, k: Node, v: Node, cells: int) -> Node:
    """build_attn without a cache: keys and values are the batch's own, f32 until flash attention reads them."""
    g, shape = b.graph, b.shape
    for node in (q, k, v):
        g.expand(node)
    count, width, tokens = block.heads, block.value_length, shape.tokens
    q = g.view(q, q.shape[0], tokens, count, op="permute")
    k, v = (g.view(one, one.shape[0], tokens, block.kv_heads, op="permute") for one in (k, v))
    g.left_out += 1 if shape.flash else 2  # the queries' view; the values' transpose
    if shape.flash:
        k, v = (g.op("cast", one.shape, one, kind="f16") for one in (k, v))
        out = g.op("flash_attn", (width, count, tokens, 1), q, k, v, b.mask(cells))
        beside_attention(shape, block, out, q, cells)
        return g.expand(g.reshape(out, width * count, tokens))
    scores = g.op("soft_max", (tokens, tokens, count), g.op("mul_mat", (tokens, tokens, count), k, q), b.mask(cells))
    out = g.op("mul_mat", (width, tokens, count), g.op("cont", (tokens, width, block.kv_heads), v), scores)
    return g.expand(g.cont(g.view(out, *out.shape, op="permute"), width * count, tokens))


def _hadamard(b: BlockBuilder, x: Node, rotation: str, size: int) -> Node:
    """llama_mul_mat_hadamard (src/llama-impl.h)."""
    g = b.graph
    rows = (size, prod(x.shape) // size)
    flat = g.reshape(x, *rows) if x.contiguous else g.cont(x, *rows)
    return g.reshape(g.op("mul_mat", rows, b.input(rotation, "f32", size, size), flat), *x.shape)


def store(b: BlockBuilder, cells: int, cache: Node, x: Node, width: int, kind: str, *, transposed: bool = False) -> None:
    """cpy_k and cpy_v of src/llama-kv-cache.cpp: rows written into the cache; a transposed cache takes an index an element."""
    g, shape = b.graph, b.shape
    if transposed:
        g.left_out += 1 if x.contiguous else 0  # reshaped, where it is not copied
    else:
        g.left_out += shape.streams > 1  # the cache of all streams as one
    if transposed and not x.contiguous and shape.row_indices:
        x = g.cont(x, width, shape.tokens)
    rows = g.view(x, width, shape.tokens)
    if not shape.row_indices:
        g.expand(g.store(cache, rows))
        return
    name, count = ("element rows", shape.value_width) if transposed else (kind, 1)
    if transposed and width < shape.value_width:
        padded = g.op("pad", (shape.value_width, shape.tokens), rows)
        rows = g.view(padded, 1)
    elif transposed:
        g.left_out += 1
    g.expand(g.set_rows(cache, rows, b.input(f"{name}{cells}", "i64", shape.tokens * count)))


def heads(
    b: BlockBuilder, block: Block, index: int, q: Node, keys: Node, values: Node, cells: int, mask: Node | None = None
) -> Node:
    """build_attn_mha: all heads together, and for MLA back from the latent width."""
    g, shape = b.graph, b.shape
    count, width, tokens = block.heads, block.value_length, shape.tokens // shape.streams
    latent = "attn_v_b.weight" in block.named and bool(shape.kv_lora_rank)
    if latent:
        width = shape.kv_lora_rank
    most = b.chosen_tokens.shape[0] if mask and b.chosen_tokens else 0
    mask = mask or b.mask(cells)
    q = g.view(q, q.shape[0], tokens, count, shape.streams, op="permute")
    g.left_out += 1 if shape.flash or not (latent or shape.given_up) else 2  # the queries' view; the values' transpose
    keys, values = g.view(keys, 1, op="permute"), g.view(values, 1, op="permute")
    sinks = [b.weight(block, "attn_sinks.weight", index)] if "attn_sinks.weight" in block.named else []
    if shape.flash:
        out = g.op("flash_attn", (width, count, tokens, shape.streams), q, keys, values, mask, *sinks)
        beside_attention(shape, block, out, q, cells, most_cells=most)
        if not latent:
            return g.expand(g.reshape(out, width * count, shape.tokens))
        out = _decompress(b, block, index, g.view(out, width, tokens, count, shape.streams, op="permute"))
        out = g.cont(g.view(out, out.shape[0], count, tokens, shape.streams, op="permute"))
        return g.expand(g.reshape(out, out.shape[0] * count, shape.tokens))
    scores = g.op("mul_mat", (cells, tokens, count, shape.streams), keys, q)
    if shape.architecture in ("gemma2", "grok"):
        for op in ("scale", "unary", "scale"):
            scores = g.unary(scores, op)
    scores = g.op("soft_max", scores.shape, scores, mask, *sinks)
    if latent or shape.given_up:
        kind = "f32" if shape.value_bytes == (1, 4) else "f16"
        values = g.op("cont", (cells, width, 1 if latent else block.kv_heads, shape.streams), values, kind=kind)
    out = g.op("mul_mat", (width, tokens, count, shape.streams), values, scores)
    if latent:
        out = _decompress(b, block, index, out)
    return g.expand(g.cont(g.view(out, *out.shape, op="permute"), out.shape[0] * count, shape.tokens))


def _decompress(b: BlockBuilder, block: Block, index: int, out: Node) -> Node:
    weight = b.weight(block, "attn_v_b.weight", index)
    return b.graph.op("mul_mat", (weight.shape[1], *out.shape[1:]), weight, out)
