"""The most that processing a prompt takes in MLX beyond weights and caches.

MLX allocates an operation's output when it dispatches it and frees an input when the operation that read it last has run. The
dispatching thread runs ahead of the device by ten tasks (mlx/transforms.cpp, MAX_ACTIVE_TASKS), so everything that the tasks on
their way hold is alive at once. On Metal a task is a command buffer, closed after 50 operations or 50 Mi elements of input
(mlx/backend/metal/device.cpp, needs_commit and max_ops_per_buffer_); on the CPU it is ten dispatches
(mlx/backend/cpu/encoder.h, DISPATCHES_PER_TASK). This module walks the operations of a chunk of the prompt in that way. Only
keys and values are asked for while a prompt is processed (mlx_lm/generate.py:435, `mx.eval([c.state ...])`), so its logits are
never computed.
"""

from dataclasses import dataclass

from advisor.memory.mlx import PREFILL_STEP, block_cache_bytes, cells, keeps_latent, rotates
from advisor.memory.mlx_rules import mlx_model
from advisor.memory.mlx_tape import Device, Tape
from advisor.models.hyperparameters import Attention, Hyperparameters

_CPU_NORM, _CPU_ROPE, _CPU_ATTENTION, _CPU_ROUTER, _CPU_LATE_ROUTER = 11, 23, 12, 22, 15
"""Operations that stand for one of Metal's kernels, views and masks counted (mlx/fast.cpp, rms_norm, rope and
scaled_dot_product_attention: their fallbacks)."""
FUSED_HEAD_LENGTHS = (64, 72, 80, 96, 128)
"""Head lengths whose prompt attention runs in one kernel on Metal, without an array of scores
(mlx/backend/metal/scaled_dot_product_attention.cpp, has_fused_kernel and use_fallback)."""


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
    (mlx_lm/models/base.py:68-112, quantized_scaled_dot_product_attention).
    """
    fused = device == "metal" and mlx_model(hp).fused_attention and cache_bits is None
    run = _Run(bits, device, float_bytes, fused)
    starts = range(0, max(tokens - 1, 1), PREFILL_STEP)
    chunks = [(start, min(PREFILL_STEP, tokens - 1 - start) or 1) for start in starts]
    return max(_chunk_bytes(hp, start, count, tokens, run) for start, count in chunks[-2:])


@dataclass(frozen=True, slots=True)
class _Run:
    """How a chunk is run."""

    bits: int | None
    device: Device
    float_bytes: int
    fused: bool


def _chunk_bytes(hp: Hyperparameters, start: int, count: int, tokens: int, run: _Run) -> int:
    """What one chunk takes, `start` tokens being in the caches."""
    walk, float_bytes = _Walk(hp, start, count, run), run.float_bytes
    kept = sum(block_cache_bytes(hp, il, cells(hp, il, tokens), float_bytes=float_bytes) for il in range(hp.layer_count))
    return max(walk.peak() - kept, 0)


class _Walk:
    """The operations of one chunk, block after block, as models/llama.py and its relatives have them."""

    def __init__(self, hp: Hyperparameters, start: int, count: int, run: _Run) -> None:
        self.hp, self.start, self.count, self.bits, self.bytes = hp, start, count, run.bits, run.float_bytes
        self.tape = Tape(run.device)
        self.fused = run.fused

    def peak(self) -> int:
        """Most bytes alive at once, caches included."""
        hp, tape = self.hp, self.tape
        before = [self._cache(il, self._cells_before(il)) for il in range(hp.layer_count)]
        tape.allocate(sum(before))
        residual = self._activation(hp.embedding_length)
        tape.run(self.count)
        for il in range(hp.layer_count):
            last = il == hp.layer_count - 1
            residual = self._block(il, residual, before[il], last=last)
        return tape.peak

    def _block(self, il: int, residual: int, before: int, *, last: bool) -> int:
        hp, tape = self.hp, self.tape
        width = hp.embedding_length
        normed = self._norm(width)
        if hp.recurrent[il] and not hp.caches_kv[il]:
            mixed = self._recurrent(normed)
        else:
            # Falcon-H1's blocks do both on the same input (models/falcon_h1.py)
            beside = self._recurrent(self._norm(width)) if hp.recurrent[il] else 0
            mixed = self._attention(il, normed, before, last=last)
            tape.free(beside)
        if last:
            return residual
        tape.run(2 * self.count * width)
        tape.free(residual)
        if not (hp.feed_forward_length[il] or hp.mixture[il]):
            return mixed
        normed = self._norm(width)
        added = self._experts(normed) if hp.mixture[il] else self._dense(normed, hp.feed_forward_length[il])
        tape.run(2 * self.count * width)
        tape.free(mixed)
        return added

    # --- attention ---------------------------------------------------------------------------------

    def _attention(self, il: int, normed: int, before: int, *, last: bool) -> int:
        hp, tape = self.hp, self.tape
        width, heads = hp.embedding_length, hp.head_count[il]
        key, value = hp.key_length_mla or hp.key_length[il], hp.value_length_mla or hp.value_length[il]
        queries = 0 if last else self._linear(width, heads * key)
        keys = self._linear(width, self._cached(hp.k_width[il]))
        values = self._linear(width, self._cached(hp.v_width[il]))
        tape.free(normed)
        turned = self._rotated(keys)
        seen = self._grow(il, before, turned, values)
        if last:
            return 0
        rotated = self._rotated(queries)
        mixed = self._scores(il, rotated, seen, key, value)
        copied = self._activation(heads * value)
        tape.run(self.count * heads * value)
        tape.free(mixed)
        projected = self._linear(heads * value, width)
        tape.free(copied)
        return projected

    def _cached(self, width: int) -> int:
        """Width of keys or values as they are made, before the cache."""
        return (self.hp.kv_lora_rank + self.hp.rope_dimension_count) // 2 if keeps_latent(self.hp) else width

    def _grow(self, il: int, before: int, keys: int, values: int) -> int:
        """Makes room in the cache (models/cache.py:336-366): keys and values each in an array of their own, the old ones freed
        when they have been copied. Returns the tokens that the block attends to."""
        tape, after = self.tape, self._cells_after(il)
        whole = self._cache(il, after)
        for old, new in ((before // 2, whole // 2), (before - before // 2, whole - whole // 2)):
            if after:
                tape.allocate(new)
                if old:
                    added = tape.allocate(max(new - old, 0))
                    tape.run(new // self.bytes)
                    tape.free(old, added)
                tape.run((keys + values) // 2 // self.bytes)
        tape.free(keys, values)
        if rotates(self.hp, il):
            return after
        return self.start + self.count

    def _scores(self, il: int, queries: int, seen: int, key: int, value: int) -> int:
        """Attention itself; its scores are an array where no fused kernel takes the head length."""
        hp, tape = self.hp, self.tape
        heads = hp.head_count[il]
        reads = queries // self.bytes + seen * (hp.k_width[il] + hp.v_width[il])
        if keeps_latent(hp):
            return self._latent_scores(queries, seen, heads, key, value)
        if self.fused and key == value and key in FUSED_HEAD_LENGTHS:
            mixed = self._activation(heads * value)
            tape.run(reads)
            tape.free(queries)
            return mixed
        scores = tape.allocate(heads * self.count * seen * self.bytes)
        tape.run(reads, operations=_CPU_ATTENTION if tape.device == "cpu" else 1)
        tape.free(queries)
        for _ in range(2):
            tape.run(heads * self.count * seen)
        if mlx_model(hp).sinks:
            scores = self._beside_sinks(scores)
        mixed = self._activation(heads * value)
        tape.run(heads * self.count * seen + seen * hp.v_width[il])
        tape.free(scores)
        return mixed

    def _beside_sinks(self, scores: int) -> int:
        """Scores joined with the sinks' column, then copied without it, since a product needs whole rows."""
        tape = self.tape
        joined = tape.allocate(scores)
        tape.run(scores // self.bytes)
        tape.free(scores)
        copied = tape.allocate(scores)
        tape.run(scores // self.bytes)
        tape.free(joined)
        return copied

    def _latent_scores(self, queries: int, seen: int, heads: int, key: int, value: int) -> int:
        """The rotary part's scores are a mask, keys and values of all heads are unfolded (models/deepseek_v3.py:139-160)."""
        tape, plain = self.tape, key - self.hp.rope_dimension_count
        mask = tape.allocate(heads * self.count * seen * self.bytes)
        tape.run(queries // self.bytes)
        tape.run(heads * self.count * seen)
        unfolded = tape.allocate(heads * seen * plain * self.bytes)
        tape.run(seen * self.hp.kv_lora_rank)
        values = tape.allocate(heads * seen * value * self.bytes)
        tape.run(seen * self.hp.kv_lora_rank)
        mixed = self._activation(heads * value)
        tape.run((queries + mask + unfolded + values) // self.bytes)
        tape.free(queries, mask, unfolded, values)
        return mixed

    # --- feed-forward and recurrent parts ------------------------------------------------------------

    def _dense(self, normed: int, inner: int) -> int:
        tape, width = self.tape, self.hp.embedding_length
        gate, up = self._linear(width, inner), self._linear(width, inner)
        tape.free(normed)
        tape.run(2 * self.count * inner)
        tape.free(up)
        down = self._linear(inner, width)
        tape.free(gate)
        return down

    def _experts(self, normed: int) -> int:
        """Tokens sorted by expert, each as often as it has experts (models/switch_layers.py:13-26, 203-236)."""
        hp, tape = self.hp, self.tape
        width, inner, used = hp.embedding_length, hp.expert_feed_forward_length, hp.expert_used_count
        routed = tape.allocate(3 * self.count * hp.expert_count * 4)
        tape.run(self.count * width, operations=self._router_operations())
        gathered = self._activation(used * width)
        tape.run(self.count * width)
        up = self._linear(width, inner, copies=used, experts=hp.expert_count)
        gate = self._linear(width, inner, copies=used, experts=hp.expert_count)
        tape.free(gathered)
        tape.run(2 * self.count * used * inner)
        tape.free(gate)
        down = self._linear(inner, width, copies=used, experts=hp.expert_count)
        tape.free(up)
        restored = self._activation(used * width)
        tape.run(self.count * used * width)
        tape.free(down)
        tape.run(self.count * used * width)
        summed = self._activation(width)
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
        """Operations from the router to the sorted tokens; gpt-oss weighs experts after them (models/gpt_oss.py:130-136)."""
        if self.tape.device == "metal":
            return 6
        return _CPU_LATE_ROUTER if mlx_model(self.hp).biased_experts else _CPU_ROUTER

    def _recurrent(self, normed: int) -> int:
        """A projection to all that the state takes in, the convolution over it, the output projection."""
        hp, tape = self.hp, self.tape
        width = hp.embedding_length
        inner = hp.ssm_inner_size or hp.head_count[0] * (hp.kda_head_length or hp.linear_head_length) or width
        mixed = inner + 2 * hp.ssm_group_count * hp.ssm_state_size
        projected = self._linear(width, inner + mixed)
        tape.free(normed)
        convolved = self._activation(mixed)
        tape.run(self.count * mixed, operations=3)
        scanned = self._activation(inner)
        tape.run(self.count * mixed)
        tape.free(projected, convolved)
        out = self._linear(inner, width)
        tape.free(scanned)
        return out

    # --- parts that the CPU has no kernel for: mlx/fast.cpp, the fallbacks of rms_norm and RoPE ------

    def _norm(self, width: int) -> int:
        """Root mean square norm: on the CPU in 32 bits, its steps one by one."""
        tape = self.tape
        if tape.device == "cpu":
            wide = [tape.allocate(4 * self.count * width) for _ in range(3)]
            tape.run(self.count * width, operations=_CPU_NORM)
            tape.free(*wide)
        normed = self._activation(width)
        tape.run(self.count * width)
        return normed

    def _rotated(self, given: int) -> int:
        """Rotary embedding: on the CPU four products of halves, then both halves joined."""
        tape = self.tape
        if tape.device == "cpu":
            if mlx_model(self.hp).head_norms:
                wide = [tape.allocate(given // self.bytes * 4) for _ in range(3)]
                tape.run(given // self.bytes, operations=_CPU_NORM)
                tape.free(*wide)
            halves = [tape.allocate(given // 2) for _ in range(4)]
            tape.run(given // self.bytes, operations=_CPU_ROPE)
            tape.free(*halves)
        turned = tape.allocate(given)
        tape.run(given // self.bytes)
        tape.free(given)
        return turned

    # --- sizes -------------------------------------------------------------------------------------

    def _activation(self, width: int) -> int:
        return self.tape.allocate(self.count * width * self.bytes)

    def _linear(self, wide: int, out: int, *, copies: int = 1, experts: int = 1) -> int:
        """A product with a matrix; a quantized one is read as 32-bit words, scales and biases."""
        made = self._activation(out * copies)
        weights = wide * out * experts
        read = weights if self.bits is None else weights * self.bits // 32 + weights // 32
        self.tape.run(self.count * copies * wide + read, operations=2 if self.tape.device == "cpu" else 1)
        if experts > 1 and mlx_model(self.hp).biased_experts:
            # models/switch_layers.py:116-117: each token's bias is gathered, then added
            biases = self._activation(out * copies)
            self.tape.run(out * experts, operations=3 if self.tape.device == "cpu" else 1)
            self.tape.run(2 * self.count * out * copies)
            self.tape.free(biases)
        return made

    def _cache(self, il: int, count: int) -> int:
        return block_cache_bytes(self.hp, il, count, float_bytes=self.bytes)

    def _cells_before(self, il: int) -> int:
        """Cells of the block's cache before the chunk; a rotating one holds its window and the chunk before (models/cache.py,
        RotatingKVCache._update_concat)."""
        if not self.start:
            return 0
        if rotates(self.hp, il):
            earlier = min(self.start - PREFILL_STEP, self.hp.sliding_window - 1)
            return earlier + PREFILL_STEP
        return cells(self.hp, il, self.start)

    def _cells_after(self, il: int) -> int:
        if rotates(self.hp, il):
            return min(self._cells_before(il), self.hp.sliding_window - 1) + self.count
        if self.hp.attention[il] is Attention.CHUNKED and self.hp.sliding_window:
            return min(self._cells_before(il), self.hp.sliding_window) + cells(self.hp, il, self.count)
        return self._cells_before(il) + -(-self.count // 256) * 256
