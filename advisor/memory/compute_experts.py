"""Feed-forward networks as nodes of a compute graph: build_ffn and build_moe_ffn of src/llama-graph.cpp."""

from advisor.memory.compute_beside import beside_experts
from advisor.memory.compute_blocks import Block, BlockBuilder
from advisor.memory.compute_graph import Node

WEIGHTED_BEFORE = "llama4"
"""Its router's weights are applied to the experts' input, not to their output."""

SQUARED = ("nemotron", "arcee")
"""Architectures whose networks without a gate square what ReLU leaves (LLM_FFN_RELU_SQR in src/models/)."""


def mixture(b: BlockBuilder, block: Block, index: int, x: Node) -> Node:
    """A mixture of experts with its shared experts, or a dense network where the block has no router."""
    g = b.graph
    if "ffn_gate_inp.weight" not in block.named:
        return feed_forward(b, block, index, x)
    if "ffn_latent_down.weight" in block.named:
        narrow = b.linear(block, index, x, "ffn_latent_down")
        out = b.linear(block, index, experts(b, block, index, narrow, x), "ffn_latent_up")
    else:
        out = experts(b, block, index, x, x)
    if "ffn_up_shexp.weight" in block.named:
        shared = feed_forward(b, block, index, x, "_shexp")
        if "ffn_gate_inp_shexp.weight" in block.named:
            gate = g.op("mul_mat", (1, x.shape[1]), b.weight(block, "ffn_gate_inp_shexp.weight", index), x)
            shared = g.binary("mul", shared, g.unary(gate))
            g.left_out += b.shape.architecture == "qwen2moe"  # it divides SiLU's result by what went in
        out = g.binary("add", out, shared)
    return out


def feed_forward(b: BlockBuilder, block: Block, index: int, x: Node, suffix: str = "") -> Node:
    """build_ffn. `suffix` "_shexp" for shared experts."""
    g, names = b.graph, block.named
    g.stage = "feed-forward"
    if f"ffn_up{suffix}.weight" not in names:
        return g.unary(x)
    up = b.linear(block, index, x, f"ffn_up{suffix}")
    if f"ffn_gate{suffix}.weight" in names:
        hidden = b.gated(b.linear(block, index, x, f"ffn_gate{suffix}"), up)
    elif b.weight(block, f"ffn_down{suffix}.weight", index).shape[0] * 2 == up.shape[0]:
        hidden = g.op("glu", (up.shape[0] // 2, up.shape[1]), up)
    else:
        hidden = g.unary(up)
        if b.shape.architecture.startswith(SQUARED):
            hidden = g.unary(hidden, "sqr")
    return b.linear(block, index, hidden, f"ffn_down{suffix}")


def experts(b: BlockBuilder, block: Block, index: int, x: Node, router_input: Node) -> Node:
    """build_moe_ffn: routing, the chosen experts, their weighted sum."""
    g, tokens, architecture = b.graph, x.shape[1], b.shape.architecture
    g.stage = "experts"
    used = b.shape.experts_used
    chosen, weights = _route(b, block, index, router_input, used)
    g.expand(weights)
    rows = g.reshape(x, x.shape[0], 1, tokens)
    if architecture == WEIGHTED_BEFORE:
        rows = g.binary("mul", g.op("repeat", (x.shape[0], used, tokens), rows), weights)
    hidden = _hidden(b, block, index, rows, chosen)
    out = _routed(b, block, index, "ffn_down_exps", hidden, chosen)
    if "ffn_down_exps.scale" in block.named:
        count = block.named["ffn_gate_inp.weight"][0][1]
        # A view of a weight draws no operation to the weight's device.
        scales = g.reshape(b.weight(block, "ffn_down_exps.scale", index), 1, count, 1)
        scales = g.op("repeat", (1, count, tokens), scales)
        out = g.binary("mul", out, g.op("get_rows", (1, used, tokens), scales, chosen))
    if architecture != WEIGHTED_BEFORE:
        out = g.binary("mul", out, weights)
    g.expand(out)
    parts = [g.expand(g.view(out, out.shape[0], tokens)) for _ in range(used)]
    total = parts[0]
    for part in parts[1:]:
        total = g.expand(g.binary("add", total, part))
    return g.cont(total) if used == 1 else total


def _route(b: BlockBuilder, block: Block, index: int, x: Node, used: int) -> tuple[Node, Node]:
    """The experts of each token and their weights."""
    g, tokens, architecture = b.graph, x.shape[1], b.shape.architecture
    logits = b.linear(block, index, x, "ffn_gate_inp")
    count = logits.shape[0]
    after = architecture == "gpt-oss"
    sigmoid = "exp_probs_b.bias" in block.named or architecture == WEIGHTED_BEFORE
    probabilities = logits if after else g.unary(logits, "unary" if sigmoid else "soft_max")
    scored = logits if architecture == WEIGHTED_BEFORE else b.biased(block, index, probabilities, "exp_probs_b")
    if b.shape.expert_groups > 1:
        scored = _of_the_best_groups(b, scored)
    chosen = g.view(g.op("argsort", (count, tokens), scored, kind="i32"), used, tokens)
    weights = g.op("get_rows", (1, used, tokens), g.reshape(probabilities, 1, count, tokens), chosen)
    if after:
        weights = g.reshape(g.unary(g.reshape(weights, used, tokens), "soft_max"), 1, used, tokens)
    elif b.shape.weights_normed:
        flat = g.reshape(weights, used, tokens)
        total = g.unary(g.op("sum_rows", (1, tokens), flat), "clamp")
        weights = g.reshape(g.binary("div", flat, total), 1, used, tokens)
    return chosen, weights


def _of_the_best_groups(b: BlockBuilder, scored: Node) -> Node:
    """The scores with those of all but the best groups of experts masked (src/llama-graph.cpp:2095-2118)."""
    g, groups, used = b.graph, b.shape.expert_groups, b.shape.expert_groups_used
    count, tokens = scored.shape
    apart = g.reshape(scored, count // groups, groups, tokens)
    first = g.view(g.op("argsort", apart.shape, apart, kind="i32"), 2, groups, tokens)
    both = g.op("get_rows", (1, 2, groups, tokens), g.reshape(apart, 1, *apart.shape), first)
    sums = g.op("sum_rows", (1, groups, tokens), g.reshape(both, 2, groups, tokens))
    best = g.view(g.op("argsort", (groups, tokens), g.reshape(sums, groups, tokens), kind="i32"), used, tokens)
    kept = g.op("get_rows", (count // groups, used, tokens), apart, best)
    return g.reshape(g.set_rows(g.unary(apart, "fill"), kept, best), count, tokens)


def _hidden(b: BlockBuilder, block: Block, index: int, rows: Node, chosen: Node) -> Node:
    g, names = b.graph, block.named
    if "ffn_gate_up_exps.weight" in names:
        both = _routed(b, block, index, "ffn_gate_up_exps", rows, chosen)
        half = (both.shape[0] // 2, *both.shape[1:])
        return b.gated(g.view(both, *half), g.view(both, *half))
    up = _routed(b, block, index, "ffn_up_exps", rows, chosen)
    if "ffn_gate_exps.weight" not in names:
        hidden = g.unary(up)
        return g.unary(hidden, "sqr") if b.shape.architecture.startswith(SQUARED) else hidden
    return b.gated(_routed(b, block, index, "ffn_gate_exps", rows, chosen), up)


def _routed(b: BlockBuilder, block: Block, index: int, name: str, x: Node, chosen: Node) -> Node:
    """mul_mat_id: each token times the experts it is routed to, and their biases."""
    weight = b.weight(block, f"{name}.weight", index)
    out = b.graph.op("mul_mat_id", (weight.shape[1], *chosen.shape), weight, x, chosen)
    beside_experts(b.shape, out, weight.shape[2])
    if f"{name}.bias" in block.named:
        out = b.graph.op("add_id", out.shape, out, b.weight(block, f"{name}.bias", index), chosen)
    return out
