"""Encoders as nodes of a compute graph: embeddings of types and positions, norms after their parts, no logits.

Sources: src/models/bert.cpp (BERT, Jina BERT, Nomic BERT) of the pinned engine; encoders with norms before their parts
(modern-bert.cpp, neo-bert.cpp, eurobert.cpp, gemma-embedding.cpp) have a decoder's blocks.
"""

from advisor.memory.compute_attention import attention
from advisor.memory.compute_blocks import Block, BlockBuilder
from advisor.memory.compute_experts import mixture
from advisor.memory.compute_graph import Node

ENCODERS = frozenset(
    {
        "bert",
        "eurobert",
        "gemma-embedding",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
    }
)
"""Architectures whose graph ends with embeddings (no t_logits in their file of src/models/)."""


def normed_after(block: Block) -> bool:
    """True where a block's norms follow its parts."""
    return "layer_output_norm.weight" in block.named


def encoder_block(b: BlockBuilder, block: Block, index: int, x: Node, rows: Node | None) -> Node:
    """One block of src/models/bert.cpp."""
    g = b.graph
    out = attention(b, block, index, x)
    if rows is not None:
        out, x = (g.get_rows(one, rows, one.shape[0]) for one in (out, x))
    out = b.norm(block, index, g.binary("add", out, x), "attn_output_norm")
    if "attn_norm_2.weight" in block.named:
        out = b.norm(block, index, g.binary("add", out, x), "attn_norm_2")
    return b.norm(block, index, g.binary("add", mixture(b, block, index, out), out), "layer_output_norm")
