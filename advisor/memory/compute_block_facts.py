"""The blocks of a model as their compute graph depends on them, by placement."""

from functools import lru_cache
from math import prod

from advisor.memory.compute_blocks import ROPE_FACTORS, WITHOUT_ROPE, Block
from advisor.memory.placement import Placement
from advisor.models.block_tensors import BlockTensors
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.metadata import ModelMetadata

FULL_ATTENTION_FACTORS = frozenset({"gemma4", "step35"})
"""Architectures whose rotary embedding has factors in blocks of full attention only (src/models/gemma4.cpp:202-206,
step35.cpp:245)."""


SizedBlock = tuple[Block, tuple[int, ...]]
"""A block and the bytes of its weights, in their order; nothing where they are not copied between devices."""
_F32_BYTES = 4
_SPARSE_BLOCKS = 10
"""Gemma 3n keeps only the largest activations in its first blocks (n_layer_sparsity, src/models/models.h)."""


class _BlockMaker:
    """The blocks of one model by placement. Equal ones are the same object, so that comparing them costs nothing."""

    def __init__(self, tensors: BlockTensors, hp: Hyperparameters) -> None:
        self._tensors, self._hp = tensors, hp
        others = ((name, tensors.others.get(name)) for name in ROPE_FACTORS)
        self._factors = tuple((name, found[0], _F32_BYTES * prod(found[0])) for name, found in others if found)
        self._made: dict[tuple[int, int, int, int, bool], Block] = {}
        self._shared: dict[Block, Block] = {}
        self.caches = [_cache_owner(hp, index) for index in range(hp.layer_count)]

    def block(self, index: int, device: int, experts: int, cache_device: int, *, copied: bool) -> Block:
        """Block number `index` with its parts on these devices."""
        key = (index, device, experts, cache_device, copied)
        found = self._made.get(key)
        if found is None:
            hp = self._hp
            windowed = hp.attention[index] is not Attention.FULL
            made = Block(
                device=device,
                experts_device=experts,
                cache_device=cache_device,
                attention=hp.attention[index],
                caches=hp.caches_kv[index],
                recurrent=hp.recurrent[index],
                heads=hp.head_count[index],
                kv_heads=hp.head_count_kv[index],
                key_length=hp.key_length[index],
                value_length=hp.value_length[index],
                rotates=_rotates(hp, index),
                sparse=hp.architecture == "gemma3n" and index < _SPARSE_BLOCKS,
                copied=copied,
                weights=self._tensors.blocks[index],
                factors=() if windowed and hp.architecture in FULL_ATTENTION_FACTORS else self._factors,
            )
            found = self._made[key] = self._shared.setdefault(made, made)
        return found


@lru_cache(maxsize=512)
def _maker(tensors: BlockTensors, hp: Hyperparameters) -> _BlockMaker:
    return _BlockMaker(tensors, hp)


def blocks_of(model: ModelMetadata, placement: Placement, *, padded: bool) -> list[SizedBlock]:
    """All blocks; with what `padded` rows of quantized weights take, where they are copied."""
    maker = _maker(model.block_tensors, model.hyperparameters)
    devices, host, gpus = placement.blocks, placement.host, placement.gpus
    blocks = []
    for index, owner in enumerate(maker.caches):
        device, experts = devices[index], placement.experts(index)
        copied = gpus > 0 and host in (device, experts)
        block = maker.block(index, device, experts, devices[owner], copied=copied)
        sizes = (model.padded_block_bytes if padded else model.block_bytes)[index] if copied else ()
        blocks.append((block, sizes))
    return blocks


def _cache_owner(hp: Hyperparameters, index: int) -> int:
    """The block whose cache a block reads: itself, or the latest one of its kind before it."""
    if not hp.caches_kv[index] and not hp.recurrent[index]:
        for earlier in range(index - 1, -1, -1):
            if hp.caches_kv[earlier] and hp.attention[earlier] is hp.attention[index]:
                return earlier
    return index


def _rotates(hp: Hyperparameters, index: int) -> bool:
    """True where a block has rotary embedding (`use_rope` in src/models/)."""
    if hp.architecture in WITHOUT_ROPE:
        return False
    if hp.architecture in ("llama4", "smollm3"):
        return (index + 1) % 4 != 0
    if hp.architecture in ("cohere2", "cohere2moe", "exaone4", "exaone-moe") and hp.sliding_window:
        return hp.attention[index] is not Attention.FULL
    return True
