"""The gated delta net of builds without a fused operation: 64 tokens at a time, many matrices (build_delta_net_chunking)."""

from advisor.memory.compute_graph import Graph, Node

CHUNK = 64


def chunked_delta_net(g: Graph, q: Node, k: Node, v: Node, decay: Node, beta: Node, state: Node) -> tuple[Node, Node]:
    """The output for all tokens and the new state (src/models/delta-net-base.cpp:15-260)."""
    width, heads, tokens, sequences = v.shape
    length = q.shape[0]
    chunks = -(-tokens // CHUNK)
    batch = heads * sequences
    long, square, line = (length, CHUNK, chunks, batch), (CHUNK, CHUNK, chunks, batch), (CHUNK, 1, chunks, batch)

    def padded(x: Node, size: int) -> Node:
        return g.op("pad", (size, CHUNK * chunks, heads, sequences), g.view(x, size, tokens, heads, sequences, op="permute"))

    q = padded(g.unary(q, "scale"), length)
    k, v, decay, beta = padded(k, length), padded(v, width), padded(decay, 1), padded(beta, 1)
    v_beta = g.reshape(g.binary("mul", v, beta), *long)
    k_beta = g.reshape(g.binary("mul", k, beta), *long)
    q, k = g.reshape(q, *long), g.reshape(k, *long)
    total = g.op("cumsum", line, g.op("cont", line, g.view(decay, *line, op="transpose")))
    mask = g.op("sub", square, g.op("repeat", square, g.reshape(total, 1, CHUNK, chunks, batch)), total)
    mask = g.unary(g.op("tri", square, mask))
    k_beta_k = g.binary("mul", g.op("mul_mat", square, k, k_beta), mask)
    scores = g.op("tri", square, g.binary("mul", g.op("mul_mat", square, k, q), mask))
    lower = g.op("tri", square, k_beta_k)
    identity = g.op("diag", (CHUNK, CHUNK), g.op("fill", (CHUNK,), g.view(lower, CHUNK)))
    left = g.binary("add", lower, identity)
    solved = g.op("solve_tri", square, left, g.unary(lower))
    solved = g.binary("add", solved, identity)
    v = g.op("mul_mat", long, g.op("cont", long, g.view(v_beta, *long, op="transpose")), solved)
    growth = g.unary(total)
    k_beta = g.op("cont", (CHUNK, length, chunks, batch), g.view(k_beta, CHUNK, length, chunks, batch, op="transpose"))
    k_decayed = g.op("mul_mat", long, g.binary("mul", k_beta, growth), solved)
    q_grown = g.binary(
        "mul", q, g.op("cont", (1, CHUNK, chunks, batch), g.view(growth, 1, CHUNK, chunks, batch, op="transpose"))
    )
    last = g.op("cont", (1, 1, chunks, batch), g.view(total, 1, 1, chunks, batch))
    last_growth = g.view(g.unary(last), 1, 1, chunks, batch, op="transpose")
    left_over = g.unary(g.unary(g.binary("sub", total, last)))
    left_over = g.op("cont", (1, CHUNK, chunks, batch), g.view(left_over, 1, CHUNK, chunks, batch, op="transpose"))
    k_left = g.binary("mul", k, left_over)
    k_left = g.op("cont", (CHUNK, length, chunks, batch), g.view(k_left, CHUNK, length, chunks, batch, op="transpose"))
    state = g.reshape(state, width, width, 1, batch)
    v_turned = g.op("cont", (CHUNK, width, chunks, batch), g.view(v, CHUNK, width, chunks, batch, op="transpose"))
    for _ in range(chunks):
        before = g.op("mul_mat", (CHUNK, width, 1, batch), g.view(k_decayed, length, CHUNK, 1, batch), state)
        fresh = g.op("sub", before.shape, g.view(v_turned, CHUNK, width, 1, batch), before)
        inner = g.op("mul_mat", (width, CHUNK, 1, batch), fresh, g.view(scores, CHUNK, CHUNK, 1, batch))
        outer = g.op("mul_mat", (width, CHUNK, 1, batch), state, g.view(q_grown, length, CHUNK, 1, batch))
        v = g.store(v, g.binary("add", outer, inner))
        added = g.op("mul_mat", (length, width, 1, batch), g.view(k_left, CHUNK, length, 1, batch), fresh)
        state = g.binary("add", g.binary("mul", state, g.view(last_growth, 1, 1, 1, batch)), added)
    out = g.view(g.view(v, width, tokens, heads, sequences), width, heads, tokens, sequences, op="permute")
    return out, g.reshape(state, width, width, heads, sequences)
