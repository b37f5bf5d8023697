"""What every operation of a prompt's chunk does in MLX: norms, rotations, products with matrices, and the sizes of caches.

File names without a folder are mlx_lm's; those of mlx (0.32) are its C++ sources, which its wheels do not carry.
"""

from dataclasses import dataclass

from advisor.memory.mlx import CACHE_STEP, PREFILL_STEP, block_cache_bytes, cells, rotates
from advisor.memory.mlx_rules import mlx_model
from advisor.memory.mlx_tape import Device, Tape
from advisor.models.hyperparameters import Attention, Hyperparameters

_CPU_NORM, _CPU_ROPE = 11, 23
"""Operations that stand for one of Metal's kernels, views counted (mlx/fast.cpp, rms_norm and rope: their fallbacks)."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a chunk is run."""

    bits: int | None
    """Of the weights, which decide how soon a command buffer is full."""
    device: Device
    float_bytes: int
    fused: bool


class Operations:
    """The operations of one chunk of a prompt, on a tape. `start` tokens are in the caches, `count` are processed."""

    def __init__(self, hp: Hyperparameters, start: int, count: int, run: Run) -> None:
        self.hp, self.start, self.count, self.bits, self.bytes = hp, start, count, run.bits, run.float_bytes
        self.tape = Tape(run.device)
        self.fused = run.fused

    # --- parts that the CPU has no kernel for: mlx/fast.cpp, the fallbacks of rms_norm and RoPE ------

    def norm(self, width: int) -> int:
        """Root mean square norm: on the CPU in 32 bits, its steps one by one."""
        tape = self.tape
        if tape.device == "cpu":
            wide = [tape.allocate(4 * self.count * width) for _ in range(3)]
            tape.run(self.count * width, operations=_CPU_NORM)
            tape.free(*wide)
        normed = self.activation(width)
        tape.run(self.count * width)
        return normed

    def rotated(self, given: int) -> int:
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

    def activation(self, width: int) -> int:
        """An array of `width` elements for each token."""
        return self.tape.allocate(self.count * width * self.bytes)

    def linear(self, wide: int, out: int, *, copies: int = 1, experts: int = 1) -> int:
        """A product with a matrix; a quantized one is read as 32-bit words, scales and biases."""
        made = self.activation(out * copies)
        weights = wide * out * experts
        read = weights if self.bits is None else weights * self.bits // 32 + weights // 32
        self.tape.run(self.count * copies * wide + read, operations=2 if self.tape.device == "cpu" else 1)
        if experts > 1 and mlx_model(self.hp).biased_experts:
            # models/switch_layers.py:107-108: each token's bias is gathered, then added
            biases = self.activation(out * copies)
            self.tape.run(out * experts, operations=3 if self.tape.device == "cpu" else 1)
            self.tape.run(2 * self.count * out * copies)
            self.tape.free(biases)
        return made

    def cache(self, il: int, count: int) -> int:
        """Bytes of `count` cells of a block's cache."""
        return block_cache_bytes(self.hp, il, count, float_bytes=self.bytes)

    def cells_before(self, il: int) -> int:
        """Cells of the block's cache before the chunk; a rotating one holds its window and the chunk before (models/cache.py,
        RotatingKVCache._update_concat)."""
        if not self.start:
            return 0
        if rotates(self.hp, il):
            earlier = min(self.start - PREFILL_STEP, self.hp.sliding_window - 1)
            return earlier + PREFILL_STEP
        return cells(self.hp, il, self.start)

    def cells_after(self, il: int) -> int:
        """Cells of the block's cache once the chunk is in it."""
        if rotates(self.hp, il):
            return min(self.cells_before(il), self.hp.sliding_window - 1) + self.count
        if self.hp.attention[il] is Attention.CHUNKED and self.hp.sliding_window:
            return min(self.cells_before(il), self.hp.sliding_window) + cells(self.hp, il, self.count)
        return self.cells_before(il) + -(-self.count // CACHE_STEP) * CACHE_STEP
