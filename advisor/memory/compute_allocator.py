"""Peak of a compute buffer: ggml-alloc replayed without memory.

`lifetimes` does once what depends on the graph alone (who reuses whose memory, when what is freed);
`peak` then replays the best-fit allocator for given sizes (ggml/src/ggml-alloc.c of the pinned engine).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import NamedTuple

from advisor.memory.compute_graph import BLOCK_WEIGHT, END_WEIGHT, IN_PLACE, Node, Size
from advisor.memory.compute_schedule import Step

_ENDLESS = 1 << 62


CUT = "cut"
"""The stage of a request that cuts a tensor down to `size`: what lay behind it is free once another works in its place
(ggml_gallocr_free_extra_space)."""


class Request(NamedTuple):
    """Memory taken for a tensor, or given back where `size` is None. Operations in place keep what they overwrite."""

    slot: int
    """The tensor: its number among those that its segment took, from 0 up; of leaves from -1 down."""
    back: int
    """How many segments ago it was taken; negative for a leaf of a later block."""
    size: Size | None
    """Of a block's weight: its number, how many segments ago its block was, and BLOCK_WEIGHT."""
    stage: str


_request = partial(tuple.__new__, Request)
"""A request of its four values, made in half the time that the class itself takes."""

Segment = tuple[Request, ...]
"""What one device's allocator is asked for during one block, or for the leaves of one."""


class Requests(NamedTuple):
    """What one device's allocator is asked for. Segments are numbered from 1, by block; the last is what comes after the last
    block, and number 0 what belongs to none."""

    leaves: tuple[Segment, ...]
    """Taken before the first block."""
    blocks: tuple[Segment, ...]

    def in_order(self) -> Iterator[tuple[int, Segment]]:
        """All segments that ask for something, with their numbers."""
        return (one for one in chain(enumerate(self.leaves), enumerate(self.blocks)) if one[1])


class _Lifetimes:
    """Counts readers as ggml-alloc does. The counts are kept in the nodes, which are made for one layout only."""

    def __init__(self, devices: int) -> None:
        self.leaves: list[list[list[Request]]] = [[] for _ in range(devices)]
        self.blocks: list[list[list[Request]]] = [[[]] for _ in range(devices)]

    def begin(self, segment: int, *, leaves: bool = False) -> None:
        """What is asked for from now on belongs to block number `segment`."""
        self.segment, self.in_leaves = segment, leaves
        self.open: list[list[Request]] = [[] for _ in self.blocks]
        self.counts = [0] * len(self.open)
        for segments, one in zip(self.leaves if leaves else self.blocks, self.open, strict=True):
            segments.append(one)

    def take(self, node: Node, device: int) -> None:
        """ggml_gallocr_allocate_node."""
        if node.held or node.resident or node.view_of is not None:
            return
        node.held = True
        if node.op in IN_PLACE:
            for parent in node.sources:
                if parent.held and _inherit(node, parent):
                    if parent.beside is not None and node.segment == self.segment:
                        self.open[node.home].append(_request((node.tensor, 0, node.size(), CUT)))
                    return
        slot = ~self.counts[device] if self.in_leaves else self.counts[device]
        self.counts[device] += 1
        node.tensor, node.segment, node.home = slot, self.segment, device
        number, block, kind = size = node.reserved()
        if kind == BLOCK_WEIGHT:
            size = (number, self.segment - 1 - block, kind)
        self.open[device].append(_request((slot, 0, size, node.stage)))

    def free(self, node: Node) -> None:
        """ggml_gallocr_free_node."""
        if node.is_output:
            return
        node.held = False
        self.open[node.home].append(_request((node.tensor, self.segment - node.segment, None, node.stage)))

    def release(self, parent: Node) -> None:
        """Nothing reads `parent` any more, which has memory or is a view."""
        root = parent.view_of
        if root is None:
            self.free(parent)
            return
        root.views -= 1
        if not root.views and not root.children and root.held:
            self.free(root)


def _inherit(node: Node, parent: Node) -> bool:
    """Work in place of `parent`, which has memory, where it is read no more. Never through a view: the engine does not count it
    as its own."""
    if parent.is_output or parent.children != 1 or parent.views or not node.same_layout(parent):
        return False
    parent.held = False
    node.tensor, node.segment, node.home = parent.tensor, parent.segment, parent.home
    return True


def _count_readers(run: _Lifetimes, steps: Sequence[Step]) -> None:
    for node, dependency in steps:
        if dependency:
            node.children += 1
            continue
        root = node.view_of
        if root is not None:
            root.views += 1
        if node.is_input:
            run.take(node, node.device)
        for source in node.sources:
            source.children += 1
            if source.is_input and not source.held:
                run.take(source, node.device)


def lifetimes(leaves: Sequence[Sequence[Node]], parts: Sequence[Sequence[Step]], devices: int) -> tuple[Requests, ...]:
    """What each device's allocator is asked for, in order (ggml_gallocr_alloc_graph_impl).

    `leaves` and `parts`, which are the steps, are by block, as `split` returns them.
    """
    run = _Lifetimes(devices)
    take, release = run.take, run.release
    for number, own in enumerate(leaves):
        run.begin(number, leaves=True)
        for leaf in own:
            take(leaf, leaf.device)
    for steps in parts:
        _count_readers(run, steps)
    for number, steps in enumerate(parts, start=1):
        run.begin(number)
        for node, dependency in steps:
            if dependency:
                read = [node]
            else:
                read = node.sources
                for source in read:
                    if not (source.held or source.resident or source.view_of is not None):
                        take(source, node.device)
            if not (node.held or node.view_of is not None):
                take(node, node.device)
            for source in read:
                source.children -= 1
                if not (source.children or source.views) and (source.held or source.view_of is not None):
                    release(source)
    asked = zip(run.leaves, run.blocks, strict=True)
    return tuple(Requests(tuple(map(tuple, first)), tuple(map(tuple, then))) for first, then in asked)


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
        best, best_size = len(free) - 1, _ENDLESS
        for index in range(len(free) - 1):
            room = free[index][1]
            if size <= room <= best_size:
                best, best_size = index, room
        block = free[best]
        offset = block[0]
        own[slot] = (offset, size)
        block[0] += size
        block[1] -= size
        if not block[1]:
            del free[best]
        if offset + size > highest:
            highest, decided = offset + size, stage
    return highest, decided


def give_back(free: list[list[int]], offset: int, size: int) -> None:
    """ggml_dyn_tallocr_free_bytes: one merge on each side at most, and empty blocks stay in the list, as in the engine."""
    for index, block in enumerate(free):
        if block[0] + block[1] == offset:
            block[1] += size
            if index + 1 < len(free) and block[0] + block[1] == free[index + 1][0]:
                block[1] += free[index + 1][1]
                del free[index + 1]
            return
        if offset + size == block[0]:
            block[0] = offset
            block[1] += size
            if index and free[index - 1][0] + free[index - 1][1] == offset:
                free[index - 1][1] += block[1]
                del free[index]
            return
    index = 0
    while index < len(free) and free[index][0] < offset:
        index += 1
    free.insert(index, [offset, size])
