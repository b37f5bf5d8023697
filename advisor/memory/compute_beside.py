"""What GPUs reserve behind the results of some operations, and which flash attention they compute: `backends` in a graph."""

from advisor.memory.backends import RULES, AttentionOperands
from advisor.memory.compute_blocks import Block, GraphShape, row_size
from advisor.memory.compute_graph import CACHE_CELLS, Graph, Node

_CELLS = 2**18
"""Cells by which growth with the cache is measured: a multiple of all that backends round to."""


def beside_attention(shape: GraphShape, block: Block, out: Node, query: Node, cells: int, *, most_cells: int = 0) -> None:
    """Of a flash attention: scratch and copies behind its result, and whether a GPU computes it. `cells` names its cache."""
    rules = RULES[shape.backend]
    width, count, rows, streams = out.shape
    key_length = query.shape[0]
    kv_heads = block.kv_heads
    together = 1 if shape.cacheless else kv_heads  # what a batch casts for itself lies head by head
    in_keys = "attn_v_b.weight" in block.named and bool(shape.kv_lora_rank) and not shape.latent_values

    def operands(count_of_cells: int) -> AttentionOperands:
        return AttentionOperands(
            key_length=key_length,
            value_length=width,
            heads=count,
            kv_heads=kv_heads,
            rows=rows,
            streams=streams,
            cells=count_of_cells,
            key_type=shape.key_type,
            value_type=shape.value_type,
            key_row=row_size(together * key_length, shape.key_bytes),
            value_row=row_size(together * (key_length if in_keys else width), shape.value_bytes),
            values_in_keys=in_keys,
            mask=(rows, 1, streams),
            most_cells=most_cells,
        )

    out.refused = not rules.computes(operands(_CELLS))
    if rules.beside_attention is None or not shape.beside:
        return
    none, many = (rules.beside_attention(operands(number)) for number in (0, _CELLS))
    if many:
        out.beside = (none, -((none - many) // _CELLS), cells)


def copy_padding(shape: GraphShape, length: int, block_bytes: tuple[int, int]) -> int:
    """What a copy of a quantized cache with heads of `length` takes beyond its own size."""
    step = RULES[shape.backend].row_padding
    return row_size(-length % step, block_bytes) if step and block_bytes[0] > 1 else 0


def beside_experts(shape: GraphShape, out: Node, experts: int) -> None:
    """Of a product with routed experts."""
    rules = RULES[shape.backend]
    if rules.beside_experts is not None and shape.beside:
        out.beside = (rules.beside_experts(experts, out.shape[-1]), 0, 0)


def settle(graph: Graph, shape: GraphShape) -> None:
    """Keep what lies behind results on GPUs only, once devices are known, and add what depends on nothing but the operation."""
    rules = RULES[shape.backend]
    for node in graph.nodes:
        if node.device == shape.host:
            node.beside = None
        elif shape.beside and node.op in rules.doubled:
            node.beside = node.size()
        elif shape.beside and node.op == "top_k" and rules.top_k_bytes:
            node.beside = (-node.size()[0], rules.top_k_bytes * node.shape[1], CACHE_CELLS)
