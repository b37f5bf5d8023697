"""Compute buffers of every device: memory for activations, inputs and copies, reserved before the first token.

llama.cpp lays its worst-case graph out with a small allocator and reserves the peak. Nothing about that peak is a simple
maximum of stages (freed memory is reused in pieces), so the graph is built and laid out here in the same way, without data.
Sources: src/llama-context.cpp (sched_reserve), src/llama-graph.cpp, src/models/, ggml/src/ggml-backend.cpp,
ggml/src/ggml-alloc.c.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.machines.profile import Backend
from advisor.memory.backends import HOST_ALIGNMENT, RULES
from advisor.memory.compute_allocator import Requests, lifetimes
from advisor.memory.compute_beside import settle
from advisor.memory.compute_blocks import INDEXER, Block, GraphShape
from advisor.memory.compute_chunks import chunked_bytes
from advisor.memory.compute_facts import Facts, facts_of
from advisor.memory.compute_graph import CACHE_CELLS, END_WEIGHT, WINDOW_CELLS
from advisor.memory.compute_model import Ends, build
from advisor.memory.compute_peak import Sizes, peak
from advisor.memory.compute_periods import UnsteadyError, cuts, kept, unfold
from advisor.memory.compute_schedule import assign_devices, split
from advisor.memory.placement import Placement
from advisor.memory.presets import is_quantized
from advisor.memory.rules import EngineRules
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata

ATTENDS = frozenset({"attn_q.weight", "attn_qkv.weight", "attn_kv_a_mqa.weight"})
"""Weights by which a block that attends is known."""
PIPELINE_COPIES = 4
"""GGML_SCHED_MAX_COPIES (ggml/CMakeLists.txt)."""


@dataclass(frozen=True)
class ComputeBuffer:
    """One device's compute buffer."""

    n_bytes: int
    stage: str
    """What needs most of it: "logits", "attention", "feed-forward", "experts", "recurrent", "inputs", "copied weights",
    "copied cache"."""


def compute_buffers(
    model: ModelMetadata,
    placement: Placement,
    settings: RunSettings,
    rules: EngineRules,
    *,
    context: int | None = None,
    backend: Backend | None = None,
) -> tuple[ComputeBuffer, ...]:
    """The compute buffer of each device, the host last. `context` replaces the settings' context.

    `backend` is the GPUs' own, where it is known.
    """
    facts = settled_facts(model, placement, settings, rules, settings.context if context is None else context, backend=backend)
    asked = Asked(facts.shape, facts.blocks, facts.ends, facts.pipelined)
    # Without them the files of a model have the same buffers.
    end_bytes = facts.end_bytes if _copies_ends(asked) else ()
    buffers = _buffers(asked, backend, facts.cells, facts.window_cells, facts.block_bytes, end_bytes)
    return _reordered(facts, buffers) if backend == "vulkan" else buffers


def settled_facts(
    model: ModelMetadata,
    placement: Placement,
    settings: RunSettings,
    rules: EngineRules,
    context: int,
    *,
    backend: Backend | None,
) -> Facts:
    """The facts of one question, with flash attention as it comes out."""
    facts = facts_of(model, placement, settings, rules, context, backend=backend)
    tried = settings.flash_attention == "auto" and not is_quantized(settings.type_v)  # a quantized V cache settles it
    if tried and not flash_attention_stays(facts):
        facts = replace(facts, shape=replace(facts.shape, flash=False, given_up=True))
    return facts


class Asked(NamedTuple):
    """What a layout depends on."""

    shape: GraphShape
    blocks: tuple[Block, ...]
    ends: Ends
    pipelined: bool


@lru_cache(maxsize=4096)
def _buffers(
    asked: Asked,
    backend: Backend | None,
    cells: int,
    window_cells: int,
    block_bytes: tuple[tuple[int, ...], ...],
    end_bytes: tuple[int, ...],
) -> tuple[ComputeBuffer, ...]:
    sizes = Sizes({CACHE_CELLS: cells, WINDOW_CELLS: window_cells}, block_bytes, end_bytes)
    *each, host = _requests(asked)
    gpus = RULES[backend or ""]
    return (
        *(_buffer(requests, sizes, gpus.alignment, gpus.max_buffer) for requests in each),
        _buffer(host, sizes, HOST_ALIGNMENT, None),
    )


def _buffer(requests: Requests, sizes: Sizes, alignment: int, largest: int | None) -> ComputeBuffer:
    n_bytes, stage = peak(requests, sizes, alignment)
    if largest is not None and n_bytes > largest:
        n_bytes = chunked_bytes(requests, sizes, alignment, largest)
    return ComputeBuffer(n_bytes, stage)


def compute_bytes(
    model: ModelMetadata,
    placement: Placement,
    settings: RunSettings,
    rules: EngineRules,
    contexts: Sequence[int] | NDArray[np.int64],
    *,
    backend: Backend | None = None,
) -> NDArray[np.int64]:
    """Compute buffer bytes, [device, context], for many contexts at once."""
    columns = [
        [b.n_bytes for b in compute_buffers(model, placement, settings, rules, context=int(one), backend=backend)]
        for one in contexts
    ]
    return np.array(columns, dtype=np.int64).reshape(len(contexts), placement.device_count).T


def flash_attention_stays(facts: Facts) -> bool:
    """False where the engine gives automatic flash attention up: it would run on another device than its block.

    It tries a graph of one token a slot (llama_context::resolve_fused_ops). Only models that mix attention with recurrent
    blocks, whose blocks read caches of others, or that have no cache, come out so on more than one device; for others nothing
    is tried.
    """
    rules, devices = RULES[facts.shape.backend], {block.device for block in facts.blocks}
    mixed = any(block.recurrent for block in facts.blocks) and any(block.caches for block in facts.blocks)
    elsewhere = any(block.cache_device != block.device for block in facts.blocks)
    placed_apart = len(devices) > 1 and (mixed or elsewhere or facts.shape.cacheless)
    if not facts.shape.flash or not (placed_apart or rules.supports_attention or _norms_offloaded(facts)):
        return True
    slots = facts.shape.sequences
    shape = replace(facts.shape, tokens=slots, outputs=slots)
    if not (placed_apart or _norms_offloaded(facts) or _refuses(shape, _of_each_kind(facts.blocks), facts.ends)):
        return True  # as for a backend that computes any
    return _flash_attention_stays(shape, _without_inner(facts.blocks), facts.ends)


def _of_each_kind(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """A block of each kind of attention."""
    kinds = {(one.heads, one.kv_heads, one.key_length, one.value_length, len(one.weights)): one for one in reversed(blocks)}
    return tuple(reversed(kinds.values()))


@lru_cache(maxsize=1024)
def _refuses(shape: GraphShape, blocks: tuple[Block, ...], ends: Ends) -> bool:
    """True where the GPUs' backend does not compute the attention of one of `blocks`."""
    return any(node.refused for node in build(shape, blocks, ends).nodes)


def _without_inner(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The blocks by which it is decided: which device a node falls to is a matter of its block and those beside it, so that
    blocks among their like, and periods of blocks, need not all be there."""
    blocks = tuple(blocks[number] for number in kept(len(blocks), cuts(blocks)))
    last = len(blocks) - 1
    return tuple(one for i, one in enumerate(blocks) if i in (0, last) or not (blocks[i - 1] is one is blocks[i + 1]))


def _norms_offloaded(facts: Facts) -> bool:
    """True where norms of single heads on the host are so many rows, even for one token a slot, that a GPU takes them over."""
    shape = facts.shape
    return shape.host > 0 and any(
        RULES[shape.backend].offloads("mul", block.heads * shape.sequences)
        and block.device == shape.host
        and "attn_q_norm.weight" in block.named
        for block in facts.blocks
    )


@lru_cache(maxsize=1024)
def _flash_attention_stays(shape: GraphShape, blocks: tuple[Block, ...], ends: Ends) -> bool:
    graph = build(shape, blocks, ends)
    assign_devices(graph, shape.host, RULES[shape.backend])
    placed = [node.device for node in graph.nodes if node.op == "flash_attn"]
    # A gated delta net has a weight of attention's name.
    attending = (block for block in blocks if not ATTENDS.isdisjoint(block.named))
    wanted = [block.device for block in attending if not block.recurrent or "attn_q.weight" in block.named]
    return len(placed) != len(wanted) or placed == wanted


def _reordered(facts: Facts, buffers: tuple[ComputeBuffer, ...]) -> tuple[ComputeBuffer, ...]:
    """Vulkan puts a graph's nodes into another order (ggml_vk_graph_optimize), which cannot be followed here.

    Load logs of Qwen3.6-35B-A3B (b9010 of 2026-05-03, contexts 34k to 132k) show that the memory of an f32 mask (builds before
    PR 23764) does not serve for logits any more: 485 MiB of logits, 4 bytes x ubatch x context, and 12 to 25 MiB. Logs of the
    same build with Qwen3-Next do not, so it is counted for the Qwen3.5 family only.
    """
    shape = facts.shape
    if not (shape.flash and shape.mask_f32 and shape.architecture.startswith("qwen35")):
        return buffers
    mask = 4 * facts.cells * shape.tokens
    gpus = tuple(
        ComputeBuffer(buffer.n_bytes + mask, buffer.stage) if buffer.stage == "logits" else buffer for buffer in buffers[:-1]
    )
    return (*gpus, buffers[-1])


@lru_cache(maxsize=1024)
def _copies_ends(asked: Asked) -> bool:
    """True where weights of the input or the output layer are copied to another device."""
    segments = {id(segment): segment for requests in _requests(asked) for _, segment in requests.in_order()}
    return any(request.size and request.size[2] == END_WEIGHT for segment in segments.values() for request in segment)


Layouts = dict[Asked, tuple[Requests, ...]]
LAYOUTS: Layouts = {}
"""The layouts that are kept, the oldest first: those made here, and those that another process made and handed over."""
_MOST_LAYOUTS = 1024


def _requests(asked: Asked) -> tuple[Requests, ...]:
    """What each device's allocator is asked for, whatever the context and the bytes of the weights."""
    found = LAYOUTS.get(asked)
    if found is None:
        found = LAYOUTS[asked] = _made(asked)
        for oldest in list(LAYOUTS)[:-_MOST_LAYOUTS]:
            LAYOUTS.pop(oldest, None)
    return found


def _made(asked: Asked) -> tuple[Requests, ...]:
    shape, blocks, ends, pipelined = asked
    # Copies for a pipeline are all taken before any other leaf, whichever block has them.
    if not (pipelined and any(INDEXER in block.named for block in blocks)):
        for wider in (0, 1):
            found = cuts(blocks, wider)
            if not found:
                break
            remaining = tuple(blocks[number] for number in kept(len(blocks), found))
            with suppress(UnsteadyError):
                requests = laid_out(shape, remaining, ends, pipelined=pipelined).requests
                return tuple(unfold(one, found) for one in requests)
    return laid_out(shape, blocks, ends, pipelined=pipelined).requests


class LaidOut(NamedTuple):
    """A graph that was laid out."""

    requests: tuple[Requests, ...]
    """By device."""
    size: tuple[int, int]
    """Nodes and leaves of the engine's graph."""
    sizes: tuple[tuple[int, int], ...]
    """`size` after each block."""


@lru_cache(maxsize=1024)
def laid_out(shape: GraphShape, blocks: tuple[Block, ...], ends: Ends, *, pipelined: bool) -> LaidOut:
    """The layout of these blocks, all of them."""
    graph = build(shape, blocks, ends)
    assign_devices(graph, shape.host, RULES[shape.backend])
    settle(graph, shape)
    leaves, steps = split(graph, PIPELINE_COPIES if pipelined else 1)
    return LaidOut(lifetimes(leaves, steps, shape.host + 1), graph.size, tuple(graph.sizes))
