"""Attention in MLX while a prompt is processed: the cache that grows, the scores where no kernel keeps them to itself."""

from advisor.memory.mlx import keeps_latent, rotates
from advisor.memory.mlx_operations import Operations
from advisor.memory.mlx_rules import mlx_model

_CPU_ATTENTION = 12
"""Operations that stand for Metal's kernel, masks counted (mlx/fast.cpp, scaled_dot_product_attention: its fallback)."""
FUSED_HEAD_LENGTHS = (64, 72, 80, 96, 128)
"""Head lengths whose prompt attention runs in one kernel on Metal, without an array of scores
(mlx/backend/metal/scaled_dot_product_attention.cpp, has_fused_kernel and use_fallback)."""


class AttentionOperations(Operations):
    """A block's attention."""

    def attend(self, il: int, normed: int, before: int, *, last: bool) -> int:
        """Bytes of what block `il` adds; the last block only fills its cache, `before` bytes of which it had."""
        hp, tape = self.hp, self.tape
        width, heads = hp.embedding_length, hp.head_count[il]
        key, value = hp.key_length_mla or hp.key_length[il], hp.value_length_mla or hp.value_length[il]
        queries = 0 if last else self.linear(width, heads * key)
        keys = self.linear(width, self._cached(hp.k_width[il]))
        values = self.linear(width, self._cached(hp.v_width[il]))
        tape.free(normed)
        turned = self.rotated(keys)
        seen = self._grow(il, before, turned, values)
        if last:
            return 0
        rotated = self.rotated(queries)
        mixed = self._scores(il, rotated, seen, key, value)
        copied = self.activation(heads * value)
        tape.run(self.count * heads * value)
        tape.free(mixed)
        projected = self.linear(heads * value, width)
        tape.free(copied)
        return projected

    def _cached(self, width: int) -> int:
        """Width of keys or values as they are made, before the cache."""
        return (self.hp.kv_lora_rank + self.hp.rope_dimension_count) // 2 if keeps_latent(self.hp) else width

    def _grow(self, il: int, before: int, keys: int, values: int) -> int:
        """Makes room in the cache (models/cache.py:347-369): keys and values each in an array of their own, the old ones freed
        when they have been copied. Returns the tokens that the block attends to."""
        tape, after = self.tape, self.cells_after(il)
        whole = self.cache(il, after)
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
            mixed = self.activation(heads * value)
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
        mixed = self.activation(heads * value)
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
        """The rotary part's scores are a mask, keys and values of all heads are unfolded (models/deepseek_v3.py:146-160)."""
        tape, plain = self.tape, key - self.hp.rope_dimension_count
        mask = tape.allocate(heads * self.count * seen * self.bytes)
        tape.run(queries // self.bytes)
        tape.run(heads * self.count * seen)
        unfolded = tape.allocate(heads * seen * plain * self.bytes)
        tape.run(seen * self.hp.kv_lora_rank)
        values = tape.allocate(heads * seen * value * self.bytes)
        tape.run(seen * self.hp.kv_lora_rank)
        mixed = self.activation(heads * value)
        tape.run((queries + mask + unfolded + values) // self.bytes)
        tape.free(queries, mask, unfolded, values)
        return mixed
