"""What every part of a block's compute graph is made of: weights, inputs, norms, projections, rotary embedding.

Sources: src/llama-graph.cpp and src/models/ of the pinned engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from math import prod
from typing import Any

from gguf.constants import GGMLQuantizationType

from advisor.errors import QuestionError
from advisor.memory.compute_graph import BLOCK_WEIGHT, Graph, Node, Size
from advisor.models.hyperparameters import Attention


@dataclass(frozen=True)
class Block:
    """What the graph of one block depends on: all but the bytes of its weights."""

    device: int
    experts_device: int
    cache_device: int
    """Where its keys and values are: elsewhere for blocks that read the cache of an earlier one."""
    attention: Attention
    caches: bool
    recurrent: bool
    heads: int
    kv_heads: int
    key_length: int
    value_length: int
    rotates: bool
    """True where it has rotary embedding."""
    sparse: bool
    """Gemma 3n: only the largest activations are kept."""
    copied: bool
    """True where weights are copied between devices, so that their bytes matter."""
    weights: tuple[tuple[str, tuple[int, ...]], ...]
    """(name without "blk.N.", shape)."""
    factors: tuple[tuple[str, tuple[int, ...], int], ...]
    """(name, shape, bytes) of factors for rotary embedding that all blocks share."""

    @cached_property
    def named(self) -> dict[str, tuple[tuple[int, ...], Size | None]]:
        """Shapes and sizes by name; a size of None stands for bytes that the layout does not depend on."""
        own = {name: (shape, None if self.copied else (0, 0, 0)) for name, shape in self.weights}
        return {**own, **{name: (shape, (n_bytes, 0, 0)) for name, shape, n_bytes in self.factors}}

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Place of each weight in `weights`."""
        return {name: number for number, (name, _) in enumerate(self.weights)}

    @cached_property
    def identity(self) -> int:
        """A hash that is computed once."""
        return hash(
            (
                self.device,
                self.experts_device,
                self.cache_device,
                self.attention,
                self.caches,
                self.recurrent,
                self.heads,
                self.kv_heads,
                self.key_length,
                self.value_length,
                self.rotates,
                self.sparse,
                self.copied,
                self.weights,
                self.factors,
            )
        )

    def __hash__(self) -> int:
        return self.identity

    def __getstate__(self) -> dict[str, Any]:
        """Without what was computed: in another process the same texts have other hashes."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True)
class GraphShape:
    """What the graph depends on besides its blocks."""

    architecture: str
    width: int
    """n_embd."""
    tokens: int
    """Tokens of one physical batch."""
    sequences: int
    outputs: int
    """Rows that logits are computed for."""
    streams: int
    """Separate caches: the slots, or 1 where they share one."""
    flash: bool
    key_bytes: tuple[int, int]
    """(block, bytes) of the type of cached keys."""
    value_bytes: tuple[int, int]
    value_width: int
    """Largest n_embd_v_gqa of all blocks."""
    windowed: bool
    """True where a second cache for sliding windows exists."""
    cacheless: bool
    """Blocks attend to their own batch (build_attn_inp_no_cache)."""
    host: int
    """Index of the host, after all GPUs."""
    experts: int = 0
    experts_used: int = 0
    expert_groups: int = 0
    expert_groups_used: int = 0
    weights_normed: bool = True
    """The router's weights of the chosen experts are divided by their sum."""
    mask_f32: bool = False
    """Builds that keep the mask in f32 on the host and cast it on the GPU."""
    fused_glu: bool = True
    """Builds that compute gated activations in one operation with a result of its own."""
    norms_placed: bool = False
    """Norms are computed where their block is, not where the block before them ended (llama_context::graph_get_cb)."""
    embeddings_input: bool = True
    """Builds that reserve the input for embeddings besides the one for tokens."""
    row_indices: bool = True
    """Builds that write the cache by row indices."""
    late_rows: bool = False
    """The rows to output are picked after the last block, not within it."""
    fused_delta_net: bool = True
    key_rotation: tuple[int, int] = (0, 0)
    """Width of the Hadamard matrix that keys are rotated by before they are quantized, in the ordinary and in the window cache;
    0 where they are not."""
    value_rotation: int = 0
    backend: str = ""
    """The GPUs' backend, a name of `backends.RULES`."""
    key_type: int = GGMLQuantizationType.F16
    """Of cached keys, a number of GGMLQuantizationType."""
    value_type: int = GGMLQuantizationType.F16
    beside: bool = False
    """Builds in which the backend reserves memory behind results."""
    given_up: bool = False
    """Automatic flash attention was given up after the caches were made: values are stored as for it and turned when read."""
    latent_values: bool = False
    """Builds whose MLA cache holds the latent vector a second time as V."""
    kv_lora_rank: int = 0
    rope_dimensions: int = 0
    key_length_mla: int = 0
    value_length_mla: int = 0
    conv_kernel: int = 0
    inner: int = 0
    state: int = 0
    groups: int = 0
    steps: int = 0
    """ssm.time_step_rank: heads of Mamba 2, value heads of a gated delta net."""
    layers: int = 0
    per_layer_width: int = 0
    per_layer_on_host: bool = True
    """Builds that keep Gemma 4's per-layer embedding with the input layer; before, with the output layer."""
    indexer_heads: int = 0
    indexer_length: int = 0
    chosen_tokens: int = 0
    """Tokens that a query attends to by the indexer's choice."""


LAYER_NORM = frozenset({"command-r", "cohere2", "cohere2moe", "olmo", "dbrx", "mpt", "modern-bert"})
"""Architectures whose layer norms have no bias to recognise them by (LLM_NORM in src/models/)."""

RMS_WITH_BIAS = frozenset({"phimoe"})
"""Architectures whose norms have a bias and are RMS norms all the same (LLM_NORM_RMS in src/models/phi3.cpp)."""

INDEXER = "indexer.attn_k.weight"
"""Blocks with DeepSeek sparse attention have it."""

ROPE_FACTORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")

WITHOUT_ROPE = frozenset({"nemotron_h", "nemotron_h_moe", "jamba", "mpt", "gpt2", "bloom", "bert", "jina-bert-v2"})
"""Architectures without rotary embedding."""


class BlockBuilder:
    """Builds the blocks of one graph. Inputs are made when first asked for, as the engine does."""

    def __init__(self, shape: GraphShape) -> None:
        self.graph, self.shape = Graph(), shape
        self._inputs: dict[str, Node] = {}
        self._weights: dict[tuple[int, str], Node] = {}
        self._casts: dict[str, Node] = {}
        self._shared: dict[str, tuple[Node, ...]] = {}
        self.chosen_tokens: Node | None = None
        """Of DeepSeek sparse attention: the tokens that the latest indexer chose."""

    def weight(self, block: Block, name: str, index: int) -> Node:
        """A weight of block number `index`; of all blocks of a device, where `index` is negative.

        Raises QuestionError where the block lacks it.
        """
        key = (index if index >= 0 else -1 - block.device, name)
        if key not in self._weights:
            try:
                shape, size = block.named[name]
            except KeyError:
                raise QuestionError(
                    f'the model lacks the tensor "{name[:60]}", without which llama.cpp cannot run it; get the file anew',
                    field="model",
                ) from None
            device = block.experts_device if "_exps" in name else block.device
            self._weights[key] = self.graph.weight(device, size or (block.numbers[name], index, BLOCK_WEIGHT), *shape)
        return self._weights[key]

    def input(self, name: str, kind: str, *shape: int) -> Node:
        """A graph input by name."""
        if name not in self._inputs:
            self._inputs[name] = self.graph.input(kind, *shape)
        return self._inputs[name]

    def shared(self, name: str, make: Callable[[], tuple[Node, ...]]) -> tuple[Node, ...]:
        """Nodes that all blocks have in common, made for the first one that asks."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    def positions(self) -> Node:
        """inp_pos."""
        per_token = 4 if self.shape.architecture in ("qwen35", "qwen35moe", "qwen2vl", "qwen3vl", "qwen3vlmoe") else 1
        return self.input("positions", "i32", self.shape.tokens * per_token)

    def mask(self, cells: int) -> Node:
        """The attention mask of one cache, in the type the attention reads."""
        shape = self.shape
        dims = (cells, shape.tokens // shape.streams, 1, shape.streams)
        name = f"mask{cells}"
        if shape.flash and not shape.mask_f32:
            return self.input(name, "f16", *dims)
        mask = self.input(name, "f32", *dims)
        if not shape.flash:
            return mask
        if name not in self._casts:
            self._casts[name] = self.graph.op("cast", dims, mask, kind="f16")
        return self._casts[name]

    def norm(self, block: Block, index: int, x: Node, name: str) -> Node:
        """build_norm with the weight `name`, or `x` unchanged where the block has none."""
        if f"{name}.weight" not in block.named:
            return x
        architecture = self.shape.architecture
        biased = f"{name}.bias" in block.named and architecture not in RMS_WITH_BIAS
        layer_norm = biased or architecture in LAYER_NORM
        x = self.graph.unary(x, "norm" if layer_norm else "rms_norm")
        if self.shape.norms_placed:
            x.device = block.device
        x = self.graph.binary("mul", x, self.weight(block, f"{name}.weight", index))
        return self.biased(block, index, x, name)

    def biased(self, block: Block, index: int, x: Node, name: str) -> Node:
        """`x` with the bias `name` added where the block has one."""
        if f"{name}.bias" not in block.named:
            return x
        return self.graph.binary("add", x, self.weight(block, f"{name}.bias", index))

    def linear(self, block: Block, index: int, x: Node, name: str) -> Node:
        """Matrix product with the weight `name`, and its bias."""
        return self.biased(block, index, self.graph.matmul(self.weight(block, f"{name}.weight", index), x), name)

    def rotate(self, block: Block, x: Node) -> Node:
        """Rotary position embedding, scaled by the model's factors where it has them."""
        if not block.rotates:
            return x
        factors = [self.weight(block, name, -1) for name in ROPE_FACTORS if name in block.named][:1]
        return self.graph.op("rope", x.shape, x, self.positions(), *factors)

    def gated(self, gate: Node, up: Node) -> Node:
        """A gated activation of two projections."""
        if self.shape.fused_glu:
            return self.graph.op("glu", up.shape, gate, up)
        return self.graph.binary("mul", self.graph.unary(gate), up)


def row_size(elements: int, block_bytes: tuple[int, int]) -> int:
    """Bytes of a row of a cache (ggml_row_size)."""
    return elements // block_bytes[0] * block_bytes[1]


def strided(x: Node, width: int) -> int:
    """Bytes that a copy of the first `width` values of every row of `x` takes: all from the first to the last of them."""
    rows = prod(x.shape[1:])
    return 4 * (x.shape[0] * (rows - 1) + width)
