"""A model's tensors by block: names and shapes, which all quantizations share, and where each stands in the list of tensors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from advisor.models.tensor_shape import NamedShape

NamedShapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, eq=False)
class BlockTensors:
    """Blocks with the same names and shapes hold the same object."""

    blocks: tuple[NamedShapes, ...]
    """Of each block: (name without "blk.N.", shape)."""
    places: tuple[Sequence[int], ...]
    """Of each block: numbers of its tensors in the whole list."""
    others: dict[str, tuple[tuple[int, ...], int]]
    """Tensors outside blocks, and of blocks that the model does not have, by name: shape, and number in the whole list."""

    @classmethod
    def of(cls, tensors: Iterable[NamedShape], block_count: int) -> "BlockTensors":
        """`tensors`, which may stand in any order."""
        blocks: list[list[tuple[str, tuple[int, ...]]]] = [[] for _ in range(block_count)]
        places: list[list[int]] = [[] for _ in range(block_count)]
        others: dict[str, tuple[tuple[int, ...], int]] = {}
        for number, tensor in enumerate(tensors):
            head, _, rest = tensor.name.partition(".")
            digits, _, stem = rest.partition(".")
            if head == "blk" and digits.isdecimal() and int(digits) < block_count:
                block = int(digits)
                blocks[block].append((stem, tensor.shape))
                places[block].append(number)
            else:
                others[tensor.name] = (tensor.shape, number)
        shared: dict[NamedShapes, NamedShapes] = {}
        kept = [tuple(named) for named in blocks]
        return cls(tuple(shared.setdefault(block, block) for block in kept), tuple(map(tuple, places)), others)

    @classmethod
    def in_order(cls, others: NamedShapes, blocks: Iterable[NamedShapes]) -> "BlockTensors":
        """`others` first, then block by block, as llama.cpp's converter writes them; blocks that are alike are one object."""
        kept, places, begin = tuple(blocks), [], len(others)
        for named in kept:
            places.append(range(begin, begin + len(named)))
            begin += len(named)
        return cls(kept, tuple(places), {name: (shape, number) for number, (name, shape) in enumerate(others)})

    @cached_property
    def listed(self) -> NamedShapes:
        """Whole names and shapes of all tensors, in the order of the list."""
        numbered = [(number, name, shape) for name, (shape, number) in self.others.items()]
        for block, (named, places) in enumerate(zip(self.blocks, self.places, strict=True)):
            numbered += [(number, f"blk.{block}.{stem}", shape) for (stem, shape), number in zip(named, places, strict=True)]
        return tuple((name, shape) for _, name, shape in sorted(numbered))

    @cached_property
    def table_bytes(self) -> int:
        """Bytes of a GGUF header's tensor table."""
        size = sum(_entry_bytes(name, shape) for name, (shape, _) in self.others.items())
        distinct = {id(named): named for named in self.blocks}
        kinds = {key: sum(_entry_bytes(stem, shape) for stem, shape in named) for key, named in distinct.items()}
        return size + sum(kinds[id(named)] + len(named) * len(f"blk.{block}.") for block, named in enumerate(self.blocks))

    def __len__(self) -> int:
        return len(self.others) + sum(map(len, self.blocks))

    @cached_property
    def names(self) -> frozenset[str]:
        """All names of tensors in blocks, without "blk.N."."""
        distinct = {id(block): block for block in self.blocks}
        return frozenset(name for block in distinct.values() for name, _ in block)

    def by_block(self, n_bytes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Bytes of each block's tensors, from those of all tensors."""
        return tuple(tuple([n_bytes[place] for place in places]) for places in self.places)


def _entry_bytes(name: str, shape: tuple[int, ...]) -> int:
    """The name with its length, the dimensions with their number, type and offset (ggml/src/gguf.cpp, gguf_write_to_buf)."""
    return 8 + len(name.encode()) + 4 + 8 * len(shape) + 4 + 8
