"""Peak of a compute buffer: ggml-alloc replayed without memory.

`lifetimes` does once what depends on the graph alone (who reuses whose memory, when what is freed);
`peak` then replays the best-fit allocator for given cache sizes (ggml/src/ggml-alloc.c of the pinned engine).
"""

from collections.abc import Iterable, Sequence

from advisor.memory.compute_graph import IN_PLACE, Node, Size
from advisor.memory.compute_schedule import Step

_ENDLESS = 1 << 62


Event = tuple[int, Size | None, str]
"""Memory is taken for a tensor, or freed where the size is None: (number of the tensor, size, stage).

Operations in place keep the tensor of what they overwrite. Plain tuples: thousands are kept, and Python's collector passes over
those.
"""


class _Lifetimes:
    """Counts readers as ggml-alloc does. The counts are kept in the nodes, which are made for one layout only."""

    def __init__(self, devices: int) -> None:
        self.events: list[list[Event]] = [[] for _ in range(devices)]
        self.count = 0

    def take(self, node: Node, device: int) -> None:
        """ggml_gallocr_allocate_node."""
        if node.held or node.resident or node.view_of is not None:
            return
        node.held = True
        if node.op in IN_PLACE:
            for parent in node.sources:
                if _inherit(node, parent):
                    return
        node.tensor, node.home = self.count, device
        self.count += 1
        self.events[device].append((node.tensor, node.size(), node.stage))

    def free(self, node: Node) -> None:
        """ggml_gallocr_free_node."""
        if node.is_output:
            return
        node.held = False
        self.events[node.home].append((node.tensor, None, node.stage))

    def release(self, parent: Node) -> None:
        """One reader less of `parent`."""
        parent.children -= 1
        if parent.children or parent.views:
            return
        root = parent.view_of
        if root is None:
            if parent.held:
                self.free(parent)
            return
        root.views -= 1
        if not root.views and not root.children and root.held:
            self.free(root)


def _inherit(node: Node, parent: Node) -> bool:
    """Work in place of `parent` where it is read no more. Never through a view: the engine does not count it as its own."""
    if not parent.held or parent.is_output or parent.children != 1 or parent.views or not node.same_layout(parent):
        return False
    parent.held = False
    node.tensor, node.home = parent.tensor, parent.home
    return True


def lifetimes(leaves: Iterable[Node], steps: Sequence[Step], devices: int) -> tuple[tuple[Event, ...], ...]:
    """What each device's allocator is asked for, in order (ggml_gallocr_alloc_graph_impl)."""
    run = _Lifetimes(devices)
    take, release = run.take, run.release
    for leaf in leaves:
        take(leaf, leaf.device)
    _count_readers(run, steps)
    for node, dependency in steps:
        if dependency:
            take(node, node.device)
            release(node)
            continue
        for source in node.sources:
            if not source.held:
                take(source, node.device)
        take(node, node.device)
        for source in node.sources:
            release(source)
    return tuple(tuple(events) for events in run.events)


def _count_readers(run: _Lifetimes, steps: Sequence[Step]) -> None:
    """How often each node is read, and memory for the inputs, which comes first."""
    for node, dependency in steps:
        if dependency:
            node.children += 1
            continue
        if node.view_of is not None:
            node.view_of.views += 1
        if node.is_input:
            run.take(node, node.device)
        for source in node.sources:
            source.children += 1
            if source.is_input:
                run.take(source, node.device)


def peak(events: Sequence[Event], cells: dict[int, int], alignment: int) -> tuple[int, str]:
    """Most bytes in use at once, and the stage that asked for them. `cells` says how many cells each cache has."""
    free = [[0, _ENDLESS]]  # [offset, size] by offset; the last one is what lies beyond all that was ever used
    held: dict[int, tuple[int, int]] = {}
    highest = 0
    decided = ""
    mask = alignment - 1
    for tensor, wanted, stage in events:
        if wanted is None:
            _give_back(free, *held.pop(tensor))
            continue
        constant, per_cell, cache = wanted
        size = (constant + per_cell * cells.get(cache, 0) + mask) & ~mask
        best, best_size = len(free) - 1, _ENDLESS
        for index in range(len(free) - 1):
            room = free[index][1]
            if size <= room <= best_size:
                best, best_size = index, room
        block = free[best]
        offset = block[0]
        held[tensor] = (offset, size)
        block[0] += size
        block[1] -= size
        if not block[1]:
            del free[best]
        if offset + size > highest:
            highest, decided = offset + size, stage
    return highest, decided


def _give_back(free: list[list[int]], offset: int, size: int) -> None:
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
