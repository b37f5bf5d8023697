"""The most that processing a prompt takes in MLX beyond weights and caches.

MLX allocates an operation's output when it dispatches it and frees an input when the operation that read it last has run. The
dispatching thread runs ahead of the device by ten tasks (mlx/transforms.cpp, MAX_ACTIVE_TASKS), so everything that the tasks on
their way hold is alive at once. On Metal a task is a command buffer, closed after 50 operations or 50 Mi elements of input
(mlx/backend/metal/device.cpp, needs_commit and max_ops_per_buffer_); on the CPU it is ten dispatches
(mlx/backend/cpu/encoder.h, DISPATCHES_PER_TASK). This module walks the operations of a chunk of the prompt in that way. Only
keys and values are asked for while a prompt is processed (mlx_lm/generate.py:450, `mx.eval([c.state ...])`), so its logits are
never computed.
"""

from advisor.memory.mlx import PREFILL_STEP, block_cache_bytes, cells
from advisor.memory.mlx_attention import AttentionOperations
from advisor.memory.mlx_operations import Run
from advisor.memory.mlx_rules import mlx_model
from advisor.memory.mlx_tape import Device
from advisor.models.hyperparameters import Hyperparameters

_CPU_ROUTER, _CPU_LATE_ROUTER = 22, 15
"""Operations from a router to the sorted tokens on the CPU, views counted."""


def prefill_bytes(
    hp: Hyperparameters,
    tokens: int,
    *,
    bits: int | None,
    cache_bits: int | None = None,
    device: Device = "metal",
    float_bytes: int = 2,
) -> int:
    """Bytes beyond weights and the caches of `tokens` at the worst moment of processing a prompt that long.

    `bits` are those of the weights, which decide how soon a command buffer is full; with `cache_bits` attention is not fused
    (mlx_lm/models/base.py:64-107, quantized_scaled_dot_product_attention).
    """
    fused = device == "metal" and mlx_model(hp).fused_attention and cache_bits is None
    run = Run(bits, device, float_bytes, fused)
    starts = range(0, max(tokens - 1, 1), PREFILL_STEP)
    chunks = [(start, min(PREFILL_STEP, tokens - 1 - start) or 1) for start in starts]
    return max(_chunk_bytes(hp, start, count, tokens, run) for start, count in chunks[-2:])


def _chunk_bytes(hp: Hyperparameters, start: int, count: int, tokens: int, run: Run) -> int:
    """What one chunk takes, `start` tokens being in the caches."""
    walk, float_bytes = _Walk(hp, start, count, run), run.float_bytes
    kept = sum(block_cache_bytes(hp, il, cells(hp, il, tokens), float_bytes=float_bytes) for il in range(hp.layer_count))
    return max(walk.peak() - kept, 0)


class _Walk(AttentionOperations):
    """The operations of one chunk, block after block, as models/llama.py and its relatives have them."""

    def peak(self) -> int:
        """Most bytes alive at once, caches included."""
        hp, tape = self.hp, self.tape
        before = [self.cache(il, self.cells_before(il)) for il in range(hp.layer_count)]
        tape.allocate(sum(before))
        residual = self.activation(hp.embedding_length)
        tape.run(self.count)
        for il in range(hp.layer_count):
            last = il == hp.layer_count - 1
            residual = self._block(il, residual, before[il], last=last)
        return tape.peak

    def _block(self, il: int, residual: int, before: int, *, last: bool) -> int:
        hp, tape = self.hp, self.tape
        width = hp.embedding_length
        normed = self.norm(width)
        if hp.recurrent[il] and not hp.caches_kv[il]:
            mixed = self._recurrent(normed)
        else:
            # Falcon-H1's blocks do both on the same input (models/falcon_h1.py)
            beside = self._recurrent(self.norm(width)) if hp.recurrent[il] else 0
            mixed = self.attend(il, normed, before, last=last)
            tape.free(beside)
        if last:
            return residual
        tape.run(2 * self.count * width)
        tape.free(residual)
        if not (hp.feed_forward_length[il] or hp.mixture[il]):
            return mixed
        normed = self.norm(width)
        added = self._experts(normed) if hp.mixture[il] else self._dense(normed, hp.feed_forward_length[il])
        tape.run(2 * self.count * width)
        tape.free(mixed)
        return added

    # --- feed-forward and recurrent parts ------------------------------------------------------------

    def _dense(self, normed: int, inner: int) -> int:
        tape, width = self.tape, self.hp.embedding_length
        gate, up = self.linear(width, inner), self.linear(width, inner)
        tape.free(normed)
        tape.run(2 * self.count * inner)
        tape.free(up)
        down = self.linear(inner, width)
        tape.free(gate)
        return down

    def _experts(self, normed: int) -> int:
        """Tokens sorted by expert, each as often as it has experts (models/switch_layers.py:11-23, 198-220)."""
        hp, tape = self.hp, self.tape
        width, inner, used = hp.embedding_length, hp.expert_feed_forward_length, hp.expert_used_count
        routed = tape.allocate(3 * self.count * hp.expert_count * 4)
        tape.run(self.count * width, operations=self._router_operations())
        gathered = self.activation(used * width)
        tape.run(self.count * width)
        up = self.linear(width, inner, copies=used, experts=hp.expert_count)
        gate = self.linear(width, inner, copies=used, experts=hp.expert_count)
        tape.free(gathered)
        tape.run(2 * self.count * used * inner)
        tape.free(gate)
        down = self.linear(inner, width, copies=used, experts=hp.expert_count)
        tape.free(up)
        restored = self.activation(used * width)
        tape.run(self.count * used * width)
        tape.free(down)
        tape.run(self.count * used * width)
        summed = self.activation(width)
        tape.run(self.count * used * width)
        tape.free(restored, routed)
        if hp.expert_shared_feed_forward_length:
            shared = self._dense(normed, hp.expert_shared_feed_forward_length)
            tape.run(2 * self.count * width)
            tape.free(shared)
        else:
            tape.free(normed)
        return summed

    def _router_operations(self) -> int:
        """Operations from the router to the sorted tokens; gpt-oss weighs experts after them (models/gpt_oss.py:133-138)."""
        if self.tape.device == "metal":
            return 6
        return _CPU_LATE_ROUTER if mlx_model(self.hp).biased_experts else _CPU_ROUTER

    def _recurrent(self, normed: int) -> int:
        """A projection to all that the state takes in, the convolution over it, the output projection."""
        hp, tape = self.hp, self.tape
        width = hp.embedding_length
        inner = hp.ssm_inner_size or hp.head_count[0] * (hp.kda_head_length or hp.linear_head_length) or width
        mixed = inner + 2 * hp.ssm_group_count * hp.ssm_state_size
        projected = self.linear(width, inner + mixed)
        tape.free(normed)
        convolved = self.activation(mixed)
        tape.run(self.count * mixed, operations=3)
        scanned = self.activation(inner)
        tape.run(self.count * mixed)
        tape.free(projected, convolved)
        out = self.linear(inner, width)
        tape.free(scanned)
        return out
