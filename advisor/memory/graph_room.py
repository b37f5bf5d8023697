"""Whether a model's compute graph fits into the tables that the engine makes for it: where it does not, the engine aborts.

The tables are made for a number of nodes that follows from the number of the model's tensors. The scheduler's holds leaves as
well (ggml_backend_sched_new, ggml/src/ggml-backend.cpp:1890-1892, which says so itself: "FIXME: needs to be size*2 to account
for leafs"). Rotating a quantized cache adds nodes and no tensors.
"""

from bisect import bisect_left
from functools import lru_cache

from advisor.errors import QuestionError
from advisor.memory.compute import Asked, laid_out, settled_facts
from advisor.memory.compute_periods import cuts, kept
from advisor.memory.layout import Layout
from advisor.memory.placement import Placement
from advisor.memory.presets import is_quantized
from advisor.memory.weights import OUTPUT_FIRST, WITHOUT_OUTPUT, loaded_blocks
from advisor.models.block_tensors import BlockTensors

_PRIMES = (
    *(1031, 2053, 4099, 8209, 16411, 32771, 65537, 131101, 262147, 524309, 1048583, 2097169, 4194319, 8388617),
    *(16777259, 33554467, 67108879, 134217757, 268435459, 536870923, 1073741827, 2147483659),
)
"""The first primes after powers of two: sizes of ggml's tables (ggml_hash_size, ggml/src/ggml.c:6640-6664)."""
_LEAST_NODES = 1024
_NODES_A_TENSOR = 8
_LARGER = frozenset(
    {
        "bailingmoe3",
        "deepseek4",
        "hy-v4",
        "kimi-linear",
        "minimax-01",
        "minimax-m3",
        "nanbeige",
        "qwen35",
        "qwen35moe",
        "qwen3next",
        "qwen4exp",
    }
)
"""Architectures with a graph of 32 nodes a tensor, and 40 a token at least (llama_context::graph_max_nodes,
src/llama-context.cpp:2396-2426); kimi-k3, glm5-next and hrm-text have more yet."""
_LARGEST = frozenset({"glm5-next", "hrm-text", "kimi-k3"})
_FEW_EXPERTS = 8
"""Blocks that use no more experts, and whose cache is not rotated, have fewer nodes and leaves than the 8 a tensor that there
is room for: nearest to it is Granite 3.1 with 8 experts, which has 7.9."""


def check_graph(layout: Layout, placement: Placement) -> None:
    """Raise QuestionError where the engine aborts for want of room for the graph.

    Builds that do not rotate quantized caches need less, and are taken to have room.
    """
    settings, hp = layout.settings, layout.model.hyperparameters
    quantized = is_quantized(settings.type_k) or is_quantized(settings.type_v)
    if not layout.rules.rotated_cache or hp.architecture in _LARGEST or not (quantized or hp.expert_used_count > _FEW_EXPERTS):
        return
    nodes, leaves = graph_size(layout, placement)
    room = table_size(most_nodes(layout, placement))
    if nodes + leaves <= room:
        return
    advice = "leave the K and V caches at f16, which needs less" if quantized else "ask for one slot, or choose another model"
    raise QuestionError(
        f"llama.cpp would stop at a check of its own: with these settings the model's graph has {nodes + leaves:,} tensors, "
        f"and there is room for {room:,}; {advice}",
        field="type_k",
    )


def graph_size(layout: Layout, placement: Placement) -> tuple[int, int]:
    """Nodes and leaves of the engine's graph."""
    model, settings = layout.model, layout.settings
    facts = settled_facts(model, placement, settings, layout.rules, settings.context, backend=layout.backend)
    nodes, leaves = _size(Asked(facts.shape, facts.blocks, facts.ends, facts.pipelined))
    outside = model.block_tensors.others
    biases = sum(name in outside for name in ("output_norm.bias", "output.bias"))
    once = facts.ends.vocabulary and _shares_embedding(layout, placement)
    return nodes + biases, leaves + biases - bool(once)


def table_size(least: int) -> int:
    """Entries of a table that is made for `least` (ggml_hash_size)."""
    return _PRIMES[bisect_left(_PRIMES, least)]


def most_nodes(layout: Layout, placement: Placement) -> int:
    """Nodes that the engine makes room for (llama_context::graph_max_nodes)."""
    settings, hp = layout.settings, layout.model.hyperparameters
    tensors = _loaded_tensors(layout, placement)
    if hp.architecture in _LARGER:
        return max(40 * min(settings.context, settings.ubatch), 32 * tensors)
    return max(_LEAST_NODES, _NODES_A_TENSOR * tensors)


def _loaded_tensors(layout: Layout, placement: Placement) -> int:
    """Tensors that the engine makes: those of the file that it loads, and second copies of some."""
    tensors, hp = layout.model.block_tensors, layout.model.hyperparameters
    loaded = loaded_blocks(hp, nextn=layout.nextn)
    count = sum(len(block) for block, is_loaded in zip(tensors.blocks, loaded, strict=True) if is_loaded) + len(tensors.others)
    return count + (_is_tied(tensors, hp.architecture) and not _shares_embedding(layout, placement))


def _is_tied(tensors: BlockTensors, architecture: str) -> bool:
    return "output.weight" not in tensors.others and architecture not in WITHOUT_OUTPUT


def _shares_embedding(layout: Layout, placement: Placement) -> bool:
    """True where the output matrix and the token embedding are one tensor."""
    architecture = layout.model.hyperparameters.architecture
    alone = placement.output == placement.host and architecture not in OUTPUT_FIRST
    return alone and _is_tied(layout.model.block_tensors, architecture)


@lru_cache(maxsize=1024)
def _size(asked: Asked) -> tuple[int, int]:
    """Nodes and leaves, counted from a layout in which blocks between others of their kind stand for several."""
    shape, blocks, ends, pipelined = asked
    found = cuts(blocks)
    few = laid_out(shape, tuple(blocks[number] for number in kept(len(blocks), found)), ends, pipelined=pipelined)
    nodes, leaves = few.size
    for cut in found:
        last, first = few.sizes[cut.at - 1], few.sizes[cut.at - 1 - cut.period]
        times = cut.left_out // cut.period
        nodes, leaves = nodes + times * (last[0] - first[0]), leaves + times * (last[1] - first[1])
    return nodes, leaves
