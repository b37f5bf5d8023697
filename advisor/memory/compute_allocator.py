"""What ggml-alloc is asked for: who reuses whose memory, when what is freed. It depends on the graph alone.

`compute_peak` replays the allocator for given sizes (ggml/src/ggml-alloc.c of the pinned engine).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from advisor.memory.compute_graph import BLOCK_WEIGHT, IN_PLACE, Node, Size
from advisor.memory.compute_schedule import Step

CUT = "cut"
"""The stage of a request that cuts a tensor down to `size`: what lay behind it is free once another works in its place
(ggml_gallocr_free_extra_space)."""
KEPT = 1 << 20
"""More than a segment asks for. As what is kept has numbers of its own, a segment does not depend on how the one before it came
by it: the second block of a run is like the third."""


class Request(NamedTuple):
    """Memory taken for a tensor, or given back where `size` is None. Operations in place keep what they overwrite."""

    slot: int
    """The tensor: which request of its segment asked for it, from 0 up; if a later segment gives it back, its number among
    those, from `KEPT` up in the order in which they are given back. Of leaves from -1 down."""
    back: int
    """How many segments ago it was taken; negative for a leaf of a later block."""
    size: Size | None
    """Of a block's weight: its number, how many segments ago its block was, and BLOCK_WEIGHT."""
    stage: str
    """Of memory given back nothing."""


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
        self.kept: Counter[tuple[int, int]] = Counter()

    def begin(self, segment: int, *, leaves: bool = False) -> None:
        """What is asked for from now on belongs to block number `segment`."""
        self.segment, self.in_leaves = segment, leaves
        self.open: list[list[Request]] = [[] for _ in self.blocks]
        for segments, one in zip(self.leaves if leaves else self.blocks, self.open, strict=True):
            segments.append(one)

    def take(self, node: Node, device: int) -> None:
        """ggml_gallocr_allocate_node, of one that has no memory yet and is no view."""
        node.held = True
        if node.op in IN_PLACE:
            for parent in node.sources:
                if parent.held and _inherit(node, parent):
                    if parent.beside is not None and node.segment == self.segment:
                        self.open[node.home].append(_request((node.tensor, 0, node.size(), CUT)))
                    return
        asked = self.open[device]
        slot = ~len(asked) if self.in_leaves else len(asked)
        node.tensor, node.segment, node.home = slot, self.segment, device
        size = node.reserved()
        if size[2] == BLOCK_WEIGHT:
            size = (size[0], self.segment - 1 - size[1], BLOCK_WEIGHT)
        asked.append(_request((slot, 0, size, node.stage)))

    def free(self, node: Node) -> None:
        """ggml_gallocr_free_node."""
        if node.is_output:
            return
        node.held = False
        back = self.segment - node.segment
        slot = self.keep(node) if back and node.tensor >= 0 else node.tensor
        self.open[node.home].append(_request((slot, back, None, "")))

    def keep(self, node: Node) -> int:
        """The number of a tensor that was taken by an earlier segment, which has it from now on."""
        place = (node.home, node.segment)
        slot = KEPT + self.kept[place]
        self.kept[place] += 1
        asked = self.blocks[node.home][node.segment]
        for index, request in enumerate(asked):
            if request.slot == node.tensor:
                asked[index] = request._replace(slot=slot)
        return slot

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
    """Inputs have memory before the first block."""
    for node, dependency in steps:
        if dependency:
            node.children += 1
            continue
        root = node.view_of
        if root is not None:
            root.views += 1
        if node.is_input and not node.held:
            run.take(node, node.device)
        for source in node.sources:
            source.children += 1
            if source.is_input and not source.held:
                run.take(source, node.device)


def _run(run: _Lifetimes, steps: Sequence[Step]) -> None:
    """Allocate results and what they read, and free what was read for the last time."""
    take, release = run.take, run.release
    for node, dependency in steps:
        if dependency:
            read = [node]
        else:
            read = node.sources
            for source in read:
                if not (source.held or source.resident or source.view_of is not None):
                    take(source, node.device)
        if not (node.held or node.resident or node.view_of is not None):
            take(node, node.device)
        for source in read:
            source.children -= 1
            if not (source.children or source.views) and (source.held or source.view_of is not None):
                release(source)


def lifetimes(leaves: Sequence[Sequence[Node]], parts: Sequence[Sequence[Step]], devices: int) -> tuple[Requests, ...]:
    """What each device's allocator is asked for, in order (ggml_gallocr_alloc_graph_impl).

    `leaves` and `parts`, which are the steps, are by block, as `split` returns them. Segments that are alike are one object.
    """
    run = _Lifetimes(devices)
    for number, own in enumerate(leaves):
        run.begin(number, leaves=True)
        for leaf in own:
            if not leaf.held:
                run.take(leaf, leaf.device)
    for steps in parts:
        _count_readers(run, steps)
    for number, steps in enumerate(parts, start=1):
        run.begin(number)
        _run(run, steps)
    known: dict[Segment, Segment] = {}

    def alike(segments: list[list[Request]]) -> tuple[Segment, ...]:
        return tuple([known.setdefault(one, one) for one in map(tuple, segments)])

    return tuple([Requests(alike(first), alike(then)) for first, then in zip(run.leaves, run.blocks, strict=True)])
