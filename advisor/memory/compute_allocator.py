"""Peak of a compute buffer: ggml-alloc replayed without memory.

`lifetimes` does once what depends on the graph alone (who reuses whose memory, when what is freed);
`peak` then replays the best-fit allocator for given cache sizes (ggml/src/ggml-alloc.c of the pinned engine).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.memory.compute_graph import IN_PLACE, Node, Size
from advisor.memory.compute_schedule import Step

_ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True)
class Event:
    """`take` memory for a tensor or `free` it. Operations in place keep the tensor of what they overwrite."""

    action: Literal["take", "free"]
    tensor: int
    size: Size
    stage: str


@dataclass(slots=True)
class _State:
    children: int = 0
    views: int = 0
    held: bool = False
    tensor: int = -1
    device: int = -1


class _Lifetimes:
    def __init__(self, devices: int) -> None:
        self.events: list[list[Event]] = [[] for _ in range(devices)]
        self.states: dict[int, _State] = {}
        self.count = 0

    def state(self, node: Node) -> _State:
        found = self.states.get(id(node))
        if found is None:
            found = self.states[id(node)] = _State()
        return found

    def take(self, node: Node, device: int) -> None:
        """ggml_gallocr_allocate_node."""
        state = self.state(node)
        if state.held or node.external or node.view_of is not None:
            return
        state.held = True
        if node.op in IN_PLACE:
            for parent in node.sources:
                if self._inherit(node, parent):
                    return
        state.tensor, state.device = self.count, device
        self.count += 1
        self.events[device].append(Event("take", state.tensor, node.size(), node.stage))

    def _inherit(self, node: Node, parent: Node) -> bool:
        """Work in place of `parent` where it is read no more. Never through a view: the engine does not count it as its own."""
        theirs = self.state(parent)
        if not theirs.held or parent.is_output or theirs.children != 1 or theirs.views or not node.same_layout(parent):
            return False
        theirs.held = False
        state = self.state(node)
        state.tensor, state.device = theirs.tensor, theirs.device
        return True

    def free(self, node: Node) -> None:
        """ggml_gallocr_free_node."""
        if node.is_output:
            return
        state = self.state(node)
        state.held = False
        self.events[state.device].append(Event("free", state.tensor, node.size(), node.stage))

    def release(self, parent: Node) -> None:
        """One reader less of `parent`."""
        state = self.state(parent)
        state.children -= 1
        if state.children or state.views:
            return
        if parent.view_of is not None:
            root = self.state(parent.view_of)
            root.views -= 1
            if not root.views and not root.children and root.held:
                self.free(parent.view_of)
        elif state.held:
            self.free(parent)


def lifetimes(leaves: Iterable[Node], steps: Sequence[Step], devices: int) -> tuple[tuple[Event, ...], ...]:
    """What each device's allocator is asked for, in order (ggml_gallocr_alloc_graph_impl)."""
    run = _Lifetimes(devices)
    for leaf in leaves:
        run.take(leaf, leaf.device)
    for step in steps:
        if step.dependency:
            run.state(step.node).children += 1
            continue
        if step.node.view_of is not None:
            run.state(step.node.view_of).views += 1
        if step.node.is_input:
            run.take(step.node, step.node.device)
        for source in step.node.sources:
            run.state(source).children += 1
            if source.is_input:
                run.take(source, step.node.device)
    for step in steps:
        if step.dependency:
            run.take(step.node, step.node.device)
            run.release(step.node)
            continue
        for source in step.node.sources:
            run.take(source, step.node.device)
        run.take(step.node, step.node.device)
        for source in step.node.sources:
            run.release(source)
    return tuple(tuple(events) for events in run.events)


def peak(events: Sequence[Event], cells: dict[int, int], alignment: int) -> tuple[int, str]:
    """Most bytes in use at once, and the stage that asked for them. `cells` says how many cells each cache has."""
    free = [[0, _ENDLESS]]  # [offset, size] by offset; the last one is what lies beyond all that was ever used
    held: dict[int, tuple[int, int]] = {}
    highest = 0
    decided = ""
    mask = alignment - 1
    for event in events:
        if event.action == "free":
            _give_back(free, *held.pop(event.tensor))
            continue
        constant, per_cell, cache = event.size
        size = (constant + per_cell * cells.get(cache, 0) + mask) & ~mask
        best, best_size = len(free) - 1, _ENDLESS
        for index in range(len(free) - 1):
            room = free[index][1]
            if size <= room <= best_size:
                best, best_size = index, room
        block = free[best]
        offset = block[0]
        held[event.tensor] = (offset, size)
        block[0] += size
        block[1] -= size
        if not block[1]:
            del free[best]
        if offset + size > highest:
            highest, decided = offset + size, event.stage
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
