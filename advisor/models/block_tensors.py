"""A model's tensors by block: names and shapes, which all quantizations share, and where each stands in the list of tensors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

NamedShapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, eq=False)
class BlockTensors:
    """Blocks with the same names and shapes hold the same object."""

    blocks: tuple[NamedShapes, ...]
    """Of each block: (name without "blk.N.", shape)."""
    places: tuple[tuple[int, ...], ...]
    """Of each block: numbers of its tensors in the whole list."""
    others: dict[str, tuple[tuple[int, ...], int]]
    """Tensors outside blocks by name: shape, and number in the whole list."""

    @classmethod
    def of(cls, tensors: Iterable[tuple[str, tuple[int, ...]]], block_count: int) -> "BlockTensors":
        """The tensors with these names and shapes. Raises IndexError where a block is beyond `block_count`."""
        blocks: list[list[tuple[str, tuple[int, ...]]]] = [[] for _ in range(block_count)]
        places: list[list[int]] = [[] for _ in range(block_count)]
        others: dict[str, tuple[tuple[int, ...], int]] = {}
        for number, (name, shape) in enumerate(tensors):
            if name.startswith("blk."):
                digits, _, stem = name[4:].partition(".")
                block = int(digits)
                blocks[block].append((stem, shape))
                places[block].append(number)
            else:
                others[name] = (shape, number)
        shared: dict[NamedShapes, NamedShapes] = {}
        kept = [tuple(named) for named in blocks]
        return cls(tuple(shared.setdefault(block, block) for block in kept), tuple(map(tuple, places)), others)

    @cached_property
    def names(self) -> frozenset[str]:
        """All names of tensors in blocks, without "blk.N."."""
        distinct = {id(block): block for block in self.blocks}
        return frozenset(name for block in distinct.values() for name, _ in block)

    def by_block(self, n_bytes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Bytes of each block's tensors, from those of all tensors."""
        return tuple(tuple([n_bytes[place] for place in places]) for places in self.places)
