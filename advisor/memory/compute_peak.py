"""Peak of a compute buffer: the best-fit allocator of ggml-alloc, replayed without memory.

Source: ggml/src/ggml-alloc.c of the pinned engine.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advisor.memory.compute_allocator import CUT, Requests, Segment
from advisor.memory.compute_graph import BLOCK_WEIGHT, END_WEIGHT, Size

_ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a layout leaves open."""

    cells: Mapping[int, int]
    """Cells of each cache."""
    block_bytes: Sequence[tuple[int, ...]] = ()
    """Bytes of the weights of each block."""
    end_bytes: Sequence[int] = ()

    def of(self, size: Size, number: int) -> int:
        """Bytes of something taken in segment `number`."""
        constant, each, kind = size
        if kind == BLOCK_WEIGHT:
            return self.block_bytes[number - 1 - each][constant]
        return self.end_bytes[constant] if kind == END_WEIGHT else constant + each * self.cells.get(kind, 0)


Held = dict[int, tuple[int, int]]
"""(offset, bytes) of each tensor that a segment took and that is not given back yet."""


def peak(requests: Requests, sizes: Sizes, alignment: int) -> tuple[int, str]:
    """Most bytes in use at once, and the stage that asked for them.

    Segments that come again find the same holes before long, and then what they do to them is known.
    """
    free = [[0, _ENDLESS]]  # [offset, size] by offset; the last one is what lies beyond all that was ever used
    held: list[Held] = [{} for _ in requests.blocks]
    repeated = {key for key, count in Counter(map(id, requests.blocks)).items() if count > 1}
    readings: dict[int, _Reading] = {}
    known: dict[tuple[object, ...], tuple[list[list[int]], Held, int, str]] = {}
    highest, decided = 0, ""
    for number, segment in requests.in_order():
        if id(segment) not in repeated:
            most, stage = _replay(segment, number, sizes, alignment, free, held)
        else:
            reading = readings.get(id(segment)) or readings.setdefault(id(segment), _Reading.of(segment))
            before = (id(segment), *reading.seen(number, sizes, held), *map(tuple, free))
            if found := known.get(before):
                holes, own, most, stage = found
                free = [list(hole) for hole in holes]
                for back, slot in reading.given_back:
                    del held[number - back][slot]
                held[number].update(own)
            else:
                most, stage = _replay(segment, number, sizes, alignment, free, held)
                own = {slot: place for slot, place in held[number].items() if slot >= 0}
                known[before] = ([list(hole) for hole in free], own, most, stage)
        if most > highest:
            highest, decided = most, stage
    return highest, decided


@dataclass(frozen=True, slots=True)
class _Reading:
    """What of the state before it a segment depends on, besides the holes."""

    given_back: tuple[tuple[int, int], ...]
    """(segments ago, slot) of what it gives back of earlier segments and of leaves."""
    weights: tuple[int, ...]
    """How many segments ago the blocks were whose weights it copies."""

    @classmethod
    def of(cls, segment: Segment) -> "_Reading":
        copied = {request.size[1] for request in segment if request.size and request.size[2] == BLOCK_WEIGHT}
        given_back = tuple((one.back, one.slot) for one in segment if one.back or one.slot < 0)
        return cls(given_back, tuple(copied))

    def seen(self, number: int, sizes: Sizes, held: Sequence[Held]) -> list[object]:
        weights = [sizes.block_bytes[number - 1 - back] for back in self.weights]
        return [*weights, *[held[number - back][slot] for back, slot in self.given_back]]


def _replay(
    segment: Segment, number: int, sizes: Sizes, alignment: int, free: list[list[int]], held: list[Held]
) -> tuple[int, str]:
    """Change `free` and `held` as the segment does; the most bytes in use, and the stage that took them."""
    own = held[number]
    highest, decided, mask = 0, "", alignment - 1
    cells, of = sizes.cells, sizes.of
    for slot, back, wanted, stage in segment:
        if wanted is None:
            give_back(free, *held[number - back].pop(slot))
            continue
        constant, each, kind = wanted
        size = constant if not kind else constant + each * cells[kind] if kind in cells else of(wanted, number)
        size = (size + mask) & ~mask
        if stage == CUT:
            offset, taken = own[slot]
            if size < taken:
                own[slot] = (offset, size)
                give_back(free, offset + size, taken - size)
            continue
        best_size = _ENDLESS
        for hole in free:
            room = hole[1]
            if size <= room <= best_size:
                best, best_size = hole, room
        offset = best[0]
        own[slot] = (offset, size)
        if size == best_size:
            free.remove(best)
        else:
            best[:] = offset + size, best_size - size
        if offset + size > highest:
            highest, decided = offset + size, stage
    return highest, decided


def give_back(free: list[list[int]], offset: int, size: int) -> None:
    """ggml_dyn_tallocr_free_bytes: one merge on each side at most, and empty blocks stay in the list, as in the engine."""
    end = offset + size
    for index, hole in enumerate(free):
        start, room = hole
        if start + room == offset:
            hole[1] += size
            if index + 1 < len(free) and end == free[index + 1][0]:
                hole[1] += free.pop(index + 1)[1]
            return
        if start == end:
            hole[:] = offset, room + size
            if index and sum(free[index - 1]) == offset:
                free[index - 1][1] += free.pop(index)[1]
            return
    later = (index for index, hole in enumerate(free) if hole[0] >= offset)  # empty ones may lie out of order
    free.insert(next(later, len(free)), [offset, size])
