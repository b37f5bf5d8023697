"""Attention and feed-forward blocks as nodes of a compute graph. Sources: src/llama-graph.cpp and src/models/ of the pinned engine."""

from dataclasses import dataclass
from functools import cached_property
from math import prod

from advisor.memory.compute_graph import CACHE_CELLS, WINDOW_CELLS, Graph, Node
from advisor.models.hyperparameters import Attention


@dataclass(frozen=True)
class Block:
    """What the graph of one block depends on. Equal blocks in a row need to be laid out only a few times."""

    device: int
    experts_device: int
    attention: Attention
    caches: bool
    recurrent: bool
    heads: int
    kv_heads: int
    key_length: int
    value_length: int
    weights: tuple[tuple[str, tuple[int, ...], int], ...]
    """(name without "blk.N.", shape, bytes). Bytes are 0 where the weight is never copied between devices."""

    @cached_property
    def named(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Weights by name."""
        return {name: (shape, n_bytes) for name, shape, n_bytes in self.weights}


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
    host: int
    """Index of the host, after all GPUs."""
    experts_used: int = 0
    mask_f32: bool = False
    """Builds that keep the mask in f32 on the host and cast it on the GPU (before PR 23764)."""
    fused_glu: bool = True
    """Builds that compute gated activations in one operation with a result of its own (since mid-2025)."""
    embeddings_input: bool = True
    """Builds that reserve the input for embeddings besides the one for tokens (since PR 18550)."""
    row_indices: bool = True
    """Builds that write the cache by row indices (since mid-2025)."""
    late_rows: bool = False
    """The rows to output are picked after the last block, not within it."""
    fused_delta_net: bool = True
    key_rotation: int = 0
    """Width of the Hadamard matrix that keys are rotated by before they are quantized; 0 where they are not."""
    value_rotation: int = 0
    dequantized: bool = False
    """Flash attention keeps f16 copies of quantized keys and values next to its result (CUDA and ROCm)."""
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


LAYER_NORM = frozenset({"command-r", "cohere2", "cohere2moe", "olmo", "dbrx", "mpt"})
"""Architectures whose layer norms have no bias to recognise them by (LLM_NORM in src/models/)."""

ROPE_FACTORS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")

ROUTED_BEFORE = "llama4"


class BlockBuilder:
    """Builds the blocks of one graph. Inputs are made when first asked for, as the engine does."""

    def __init__(self, shape: GraphShape) -> None:
        self.graph, self.shape = Graph(), shape
        self._inputs: dict[str, Node] = {}
        self._weights: dict[tuple[int, str], Node] = {}
        self._casts: dict[str, Node] = {}

    def weight(self, block: Block, name: str, index: int) -> Node:
        """A weight of block number `index`."""
        key = (index if index >= 0 else -1 - block.device, name)
        if key not in self._weights:
            shape, n_bytes = block.named[name]
            device = block.experts_device if "_exps" in name else block.device
            self._weights[key] = self.graph.weight(device, n_bytes, *shape)
        return self._weights[key]

    def input(self, name: str, kind: str, *shape: int) -> Node:
        """A graph input by name."""
        if name not in self._inputs:
            self._inputs[name] = self.graph.input(kind, *shape)
        return self._inputs[name]

    def positions(self) -> Node:
        """inp_pos."""
        return self.input("positions", "i32", self.shape.tokens)

    def mask(self, cells: int) -> Node:
        """The attention mask of one cache, in the type the attention reads."""
        shape = self.shape
        dims = (cells, shape.tokens // shape.streams, 1, shape.streams)
        name = f"mask{cells}"
        if not shape.flash or shape.mask_f32:
            mask = self.input(name, "f32", *dims)
            if not shape.flash:
                return mask
            if name not in self._casts:
                self._casts[name] = self.graph.op("cast", dims, mask, kind="f16")
            return self._casts[name]
        return self.input(name, "f16", *dims)

    def norm(self, block: Block, index: int, x: Node, name: str) -> Node:
        """build_norm with the weight `name`, or `x` unchanged where the block has none."""
        if f"{name}.weight" not in block.named:
            return x
        layer_norm = f"{name}.bias" in block.named or self.shape.architecture in LAYER_NORM
        x = self.graph.unary(x, "norm" if layer_norm else "rms_norm")
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

    # attention

    def query_key_value(self, block: Block, index: int, x: Node) -> tuple[Node, Node | None, Node | None]:
        """build_qkv: heads split, not yet normed or rotated."""
        g, tokens = self.graph, self.shape.tokens
        q_shape = (block.key_length, block.heads, tokens)
        k_shape = (block.key_length, block.kv_heads, tokens)
        v_shape = (block.value_length, block.kv_heads, tokens)
        if "attn_qkv.weight" in block.named:
            joined = self.linear(block, index, x, "attn_qkv")
            return g.view(joined, *q_shape), g.view(joined, *k_shape), g.view(joined, *v_shape)
        q = g.reshape(self.linear(block, index, x, "attn_q"), *q_shape)
        if not block.caches:
            return q, None, None
        flat_k = self.linear(block, index, x, "attn_k")
        k = g.reshape(flat_k, *k_shape)
        v = self.linear(block, index, x, "attn_v") if "attn_v.weight" in block.named else flat_k
        return q, k, g.reshape(v, *v_shape)

    def rotate(self, block: Block, x: Node) -> Node:
        """Rotary position embedding, scaled by the model's factors where it has them."""
        factors = [self.weight(block, name, -1) for name in ROPE_FACTORS if name in block.named][:1]
        return self.graph.op("rope", x.shape, x, self.positions(), *factors)

    def attention(self, block: Block, index: int, x: Node) -> Node:
        """One attention layer, from the normed input to the output projection."""
        g = self.graph
        g.stage = "attention"
        gated = self._gated_query(block)
        gate: Node | None = None
        if gated:
            q, k, v, gate = self._query_with_gate(block, index, x)
        else:
            q, k, v = self.query_key_value(block, index, x)
            q = self.head_norm(block, index, q, "attn_q_norm")
            k = k if k is None else self.head_norm(block, index, k, "attn_k_norm")
            if v is not None and self.shape.architecture in ("gemma4", "gemma3n"):
                v = g.unary(v, "rms_norm")
            q, k = self.rotate(block, q), (k if k is None else self.rotate(block, k))
        out = self.attend(block, index, q, k, v)
        if gate is not None:
            out = g.binary("mul", out, g.unary(gate))
        return self.linear(block, index, out, "attn_output") if "attn_output.weight" in block.named else out

    def head_norm(self, block: Block, index: int, x: Node, name: str) -> Node:
        """Norm of every head where the model has it."""
        return self.norm(block, index, x, name)

    def _gated_query(self, block: Block) -> bool:
        q = block.named.get("attn_q.weight")
        return q is not None and q[0][1] == 2 * block.heads * block.key_length

    def _query_with_gate(self, block: Block, index: int, x: Node) -> tuple[Node, Node, Node, Node]:
        """Qwen3-Next and Qwen3.5: the query projection also makes a gate for the output (src/models/qwen35.cpp)."""
        g, tokens = self.graph, self.shape.tokens
        both = self.linear(block, index, x, "attn_q")
        q = self.norm(block, index, g.view(both, block.key_length, block.heads, tokens), "attn_q_norm")
        gate = g.cont(g.view(both, block.key_length, block.heads, tokens), block.key_length * block.heads, tokens)
        k = g.reshape(self.linear(block, index, x, "attn_k"), block.key_length, block.kv_heads, tokens)
        v = g.reshape(self.linear(block, index, x, "attn_v"), block.value_length, block.kv_heads, tokens)
        k = self.norm(block, index, k, "attn_k_norm")
        return self.rotate(block, q), self.rotate(block, k), v, gate

    def attend(self, block: Block, index: int, q: Node, k: Node | None, v: Node | None) -> Node:
        """build_attn and build_attn_mha without the output projection."""
        g, shape = self.graph, self.shape
        sliding = shape.windowed and block.attention in (Attention.SLIDING, Attention.CHUNKED)
        cells = WINDOW_CELLS if sliding else CACHE_CELLS
        if shape.key_rotation:
            name = f"key rotation{cells}"
            q = self._hadamard(q, name, shape.key_rotation)
            k = k if k is None else self._hadamard(k, name, shape.key_rotation)
        if shape.value_rotation and v is not None:
            v = self._hadamard(v, f"value rotation{cells}", shape.value_rotation)
        order = (q, k, v) if shape.windowed else (q, v, k)
        for node in order:
            if node is not None:
                g.expand(node)
        keys = g.cache(block.device, _row(block.kv_heads * block.key_length, shape.key_bytes) * shape.streams, cells)
        values = g.cache(block.device, _row(block.kv_heads * block.value_length, shape.value_bytes) * shape.streams, cells)
        if k is not None and v is not None:
            self._store(block, cells, keys, values, k, v)
        out = self.heads(q, g.view(keys, 1), g.view(values, 1), block, cells)
        if shape.value_rotation:
            out = self._hadamard(out, f"value rotation{cells}", shape.value_rotation)
        return out

    def _hadamard(self, x: Node, rotation: str, size: int) -> Node:
        """llama_mul_mat_hadamard (src/llama-impl.h)."""
        g = self.graph
        rows = (size, prod(x.shape) // size)
        flat = g.reshape(x, *rows) if x.contiguous else g.cont(x, *rows)
        return g.reshape(g.op("mul_mat", rows, self.input(rotation, "f32", size, size), flat), *x.shape)

    def _store(self, block: Block, cells: int, keys: Node, values: Node, k: Node, v: Node) -> None:
        g, shape = self.graph, self.shape
        k_rows = g.view(k, block.kv_heads * block.key_length, shape.tokens)
        v_rows = g.view(v, block.kv_heads * block.value_length, shape.tokens)
        if not shape.row_indices:
            for rows, cache in ((k_rows, keys), (v_rows, values)):
                g.expand(g.store(cache, rows))
            return
        g.expand(g.set_rows(keys, k_rows, self.input(f"k rows{cells}", "i64", shape.tokens)))
        indices = shape.tokens if shape.flash else shape.tokens * shape.value_width
        g.expand(g.set_rows(values, v_rows, self.input(f"v rows{cells}", "i64", indices)))

    def heads(self, q: Node, keys: Node, values: Node, block: Block, cells: int) -> Node:
        """build_attn_mha: all heads together."""
        g, shape = self.graph, self.shape
        heads, width, tokens = block.heads, block.value_length, shape.tokens // shape.streams
        q = g.view(q, block.key_length, tokens, heads, shape.streams, op="permute")
        keys, values = g.view(keys, 1, op="permute"), g.view(values, 1, op="permute")
        if shape.flash:
            out = g.op("flash_attn", (width, heads, tokens, shape.streams), q, keys, values, self.mask(cells))
            if shape.dequantized:
                out.fixed = (out.size()[0], 2 * self._quantized_elements(block) * shape.streams, cells)
            if self._projected(block):
                return g.expand(self._decompress(block, out))
            return g.expand(g.reshape(out, width * heads, shape.tokens))
        scores = g.op("mul_mat", (cells, tokens, heads, shape.streams), keys, q)
        if shape.architecture in ("gemma2", "grok"):
            for op in ("scale", "unary", "scale"):
                scores = g.unary(scores, op)
        scores = g.op("soft_max", scores.shape, scores, self.mask(cells))
        out = g.op("mul_mat", (width, tokens, heads, shape.streams), values, scores)
        if self._projected(block):
            out = self._decompressed(block, out)
            width = out.shape[0]
        return g.expand(g.cont(g.view(out, *out.shape, op="permute"), width * heads, shape.tokens))

    def _quantized_elements(self, block: Block) -> int:
        """Elements of a cell's keys and values that are stored in a quantized type."""
        shape = self.shape
        keys = block.kv_heads * block.key_length if shape.key_bytes[0] > 1 else 0
        values = block.kv_heads * block.value_length if shape.value_bytes[0] > 1 and not self._projected(block) else 0
        return keys + values

    def _projected(self, block: Block) -> bool:
        return "attn_v_b.weight" in block.named

    def _decompressed(self, block: Block, out: Node) -> Node:
        weight = self._weights.get((-1, "")) or self.weight(block, "attn_v_b.weight", self.index)
        return self.graph.op("mul_mat", (weight.shape[1], *out.shape[1:]), weight, out)

    def _decompress(self, block: Block, out: Node) -> Node:
        """From the latent width back to the heads' (build_attn_mha with v_mla)."""
        g = self.graph
        width, heads, tokens, streams = out.shape
        out = self._decompressed(block, g.view(out, width, tokens, heads, streams, op="permute"))
        return g.cont(g.view(out, out.shape[0], heads, tokens, streams, op="permute"), out.shape[0] * heads, self.shape.tokens)

    index = 0

    # feed-forward

    def feed_forward(self, block: Block, index: int, x: Node, suffix: str = "") -> Node:
        """build_ffn. `suffix` "_shexp" for shared experts."""
        g = self.graph
        g.stage = "feed-forward"
        names = block.named
        up = self.linear(block, index, x, f"ffn_up{suffix}")
        if f"ffn_gate{suffix}.weight" in names:
            gate = self.linear(block, index, x, f"ffn_gate{suffix}")
            hidden = self.gated(gate, up)
        elif names[f"ffn_down{suffix}.weight"][0][0] * 2 == up.shape[0]:
            hidden = g.op("glu", (up.shape[0] // 2, up.shape[1]), up)
        else:
            hidden = g.unary(up)
        return self.linear(block, index, hidden, f"ffn_down{suffix}")

    def gated(self, gate: Node, up: Node) -> Node:
        """A gated activation of two projections."""
        if self.shape.fused_glu:
            return self.graph.op("glu", up.shape, gate, up)
        return self.graph.binary("mul", self.graph.unary(gate), up)

    def experts(self, block: Block, index: int, x: Node, router_input: Node | None = None) -> Node:
        """build_moe_ffn: routing, the chosen experts, their weighted sum."""
        self.graph.stage = "experts"
        g, tokens, names = self.graph, x.shape[1], block.named
        used = self.shape.experts_used
        logits = self.linear(block, index, router_input or x, "ffn_gate_inp")
        count = logits.shape[0]
        after = self.shape.architecture == "gpt-oss"
        probabilities = logits if after else g.unary(logits, "unary" if "exp_probs_b.bias" in names else "soft_max")
        scored = self.biased(block, index, probabilities, "exp_probs_b")
        if self.shape.architecture == ROUTED_BEFORE:
            scored = logits
        chosen = g.view(g.op("argsort", (count, tokens), scored, kind="i32"), used, tokens)
        weights = g.op("get_rows", (1, used, tokens), g.reshape(probabilities, 1, count, tokens), chosen)
        if after:
            weights = g.reshape(g.unary(g.reshape(weights, used, tokens), "soft_max"), 1, used, tokens)
        elif self.shape.architecture not in ("llama4", "olmoe", "qwen2moe"):
            flat = g.reshape(weights, used, tokens)
            total = g.unary(g.op("sum_rows", (1, tokens), flat), "clamp")
            weights = g.reshape(g.binary("div", flat, total), 1, used, tokens)
        g.expand(weights)
        rows = g.reshape(x, x.shape[0], 1, tokens)
        if self.shape.architecture == ROUTED_BEFORE:
            rows = g.binary("mul", g.op("repeat", (x.shape[0], used, tokens), rows), weights)
        hidden = self._expert_hidden(block, index, rows, chosen, used, tokens)
        out = self._routed(block, index, "ffn_down_exps", hidden, chosen, used, tokens)
        if self.shape.architecture != ROUTED_BEFORE:
            out = g.binary("mul", out, weights)
        return self._sum_of_experts(g.expand(out), used, tokens)

    def _expert_hidden(self, block: Block, index: int, rows: Node, chosen: Node, used: int, tokens: int) -> Node:
        g, names = self.graph, block.named
        if "ffn_gate_up_exps.weight" in names:
            both = self._routed(block, index, "ffn_gate_up_exps", rows, chosen, used, tokens)
            half = (both.shape[0] // 2, used, tokens)
            return self.gated(g.view(both, *half), g.view(both, *half))
        up = self._routed(block, index, "ffn_up_exps", rows, chosen, used, tokens)
        if "ffn_gate_exps.weight" not in names:
            return g.unary(g.unary(up), "sqr")
        return self.gated(self._routed(block, index, "ffn_gate_exps", rows, chosen, used, tokens), up)

    def _routed(self, block: Block, index: int, name: str, x: Node, chosen: Node, used: int, tokens: int) -> Node:
        weight = self.weight(block, f"{name}.weight", index)
        out = self.graph.op("mul_mat_id", (weight.shape[1], used, tokens), weight, x, chosen)
        if f"{name}.bias" in block.named:
            out = self.graph.op("add_id", out.shape, out, self.weight(block, f"{name}.bias", index), chosen)
        return out

    def _sum_of_experts(self, experts: Node, used: int, tokens: int) -> Node:
        g, width = self.graph, experts.shape[0]
        parts = [g.expand(g.view(experts, width, tokens)) for _ in range(used)]
        total = parts[0]
        for part in parts[1:]:
            total = g.expand(g.binary("add", total, part))
        return g.cont(total) if used == 1 else total

    def mixture(self, block: Block, index: int, x: Node) -> Node:
        """A mixture of experts with its shared experts, or a dense network where the block has no router."""
        g = self.graph
        if "ffn_gate_inp.weight" not in block.named:
            return self.feed_forward(block, index, x)
        out = self.experts(block, index, x)
        if "ffn_up_shexp.weight" in block.named:
            shared = self.feed_forward(block, index, x, "_shexp")
            if "ffn_gate_inp_shexp.weight" in block.named:
                gate = g.op("mul_mat", (1, x.shape[1]), self.weight(block, "ffn_gate_inp_shexp.weight", index), x)
                shared = g.binary("mul", shared, g.unary(gate))
            out = g.binary("add", out, shared)
        return out


def _row(elements: int, block_bytes: tuple[int, int]) -> int:
    return elements // block_bytes[0] * block_bytes[1]
