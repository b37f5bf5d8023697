"""Which device computes which node, and what is copied between devices: ggml's backend scheduler."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from advisor.memory.backends import BackendRules
from advisor.memory.compute_graph import VIEW_OPS, Graph, Node

Step = tuple[Node, bool]
"""One node in the order of allocation; True where it is a dependency, which only keeps the node alive until here."""


def batch_rows(node: Node) -> int:
    """Rows that decide whether host weights are worth copying (ggml-cuda.cu, get_op_batch_size; the same in all backends)."""
    shape = node.shape + (1,) * (4 - len(node.shape))
    if node.op == "get_rows":
        return 0
    if node.op == "mul_mat":
        return shape[1]
    if node.op in ("mul_mat_id", "rope"):
        return shape[2]
    return shape[1] * shape[2] * shape[3]


def assign_devices(graph: Graph, host: int, rules: BackendRules) -> None:
    """Give every node a device; `host` is the last index, `rules` are those of all GPUs.

    ggml-backend.cpp, ggml_backend_sched_split_graph, passes 1 to 4.
    """
    for leaf in graph.leaves:
        if leaf.is_input:
            leaf.device = host
    for node in graph.nodes:
        if node.device == -1:
            node.device = _from_data(node, host, rules)
    nodes = [node for node in graph.nodes if node.op not in VIEW_OPS]
    _spread(nodes, host, skip=host)
    _spread(reversed(nodes), host, skip=host)
    _spread(nodes, host, skip=-1)
    _spread(reversed(nodes), host, skip=-1)
    for node in nodes:
        if node.device == -1 and node.refused:
            node.device = host
    for node in graph.nodes:
        if node.view_of is not None and node.device == -1:
            node.device = node.view_of.device
        for source in node.sources:
            if source.device == -1:
                source.device = source.view_of.device if source.view_of is not None else node.device
        if node.device == -1:
            node.device = 0


def _from_data(node: Node, host: int, rules: BackendRules) -> int:
    root = node.view_of or node
    if root.resident:
        return root.device
    if node.op in ("rope", "flash_attn"):
        return -1
    for source in node.sources:
        if source.is_weight:
            if source.device == host and host > 0 and rules.offloads(node.op, batch_rows(node)):
                return 0
            return source.device
    return -1


def _spread(nodes: Iterable[Node], host: int, skip: int) -> None:
    current = -1
    for node in nodes:
        if node.device != -1:
            current = -1 if node.device == skip else node.device
        elif current != -1 and (current == host or not node.refused):
            node.device = current


class _Splitter:
    """Cuts a graph into parts of one device each and inserts the copies between them (passes 5 and 6)."""

    def __init__(self, copies: int) -> None:
        self.copies = copies
        self.parts: list[_Part] = []
        self._made: dict[tuple[int, int], list[Node]] = {}

    def cut(self, nodes: list[Node]) -> None:
        """Cut where the device changes, and where host weights are read, so that memory of earlier copies is free again."""
        device = next((node.device for node in nodes if node.op not in VIEW_OPS), 0)
        part = _Part(device)
        self.parts.append(part)
        for node in nodes:
            if node.op not in VIEW_OPS:
                if node.device != device:
                    device = node.device
                    part = _Part(device)
                    self.parts.append(part)
                for source in node.sources:
                    if source.device != device:
                        if part.inputs and _reads_weight_of_another(node, device):
                            part = _Part(device)
                            self.parts.append(part)
                        self._copy_inputs(node, part)
                        break
            part.nodes.append(node)

    def _copy_inputs(self, node: Node, part: "_Part") -> None:
        for index, source in enumerate(node.sources):
            if source.device == part.device:
                continue
            key = (id(source), part.device)
            if key not in self._made:
                pinned = self.copies > 1
                self._made[key] = [_copy(source, part.device, pinned=pinned) for _ in range(self.copies)]
                part.inputs.append((source, self._made[key]))
            node.sources[index] = self._made[key][0]


def _reads_weight_of_another(node: Node, device: int) -> bool:
    return any(source.is_weight and source.device != device for source in node.sources)


@dataclass
class _Part:
    device: int
    inputs: list[tuple[Node, list[Node]]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


def split(graph: Graph, copies: int) -> tuple[list[list[Node]], list[list[Step]]]:
    """Leaves and steps in the order of allocation, copies between devices inserted; `copies` of each for a pipeline.

    Both are by block: what comes after the last block at the end, and first the leaves that come before all blocks.
    """
    splitter = _Splitter(copies)
    splitter.cut(graph.nodes)
    leaves: list[list[Node]] = [[] for _ in range(len(graph.marks) + 2)]
    if copies > 1:
        for leaf in graph.leaves:
            if leaf.is_input:
                leaf.is_output = True
                leaves[0].extend([leaf, *(_copy(leaf, leaf.device, pinned=True) for _ in range(copies - 1))])
    blocks: list[list[Step]] = [[]]
    marks = iter((*graph.marks, len(graph.nodes) + 1))
    room = next(marks)
    count = 0
    for part in splitter.parts:
        for source, made in part.inputs:
            blocks[-1] += [(source, True), (made[0], False)]
            if copies > 1:
                leaves[len(blocks)].extend(made)
        steps = iter([(node, False) for node in part.nodes])
        end = count + len(part.nodes)
        while end >= room:
            blocks[-1].extend(islice(steps, room - count))
            blocks.append([])
            count, room = room, next(marks)
        blocks[-1].extend(steps)
        count = end
    start = 0
    for number, end in enumerate((*graph.leaf_marks, len(graph.leaves)), start=1):
        leaves[number].extend(leaf for leaf in graph.leaves[start:end] if not leaf.resident)
        start = end
    return leaves, blocks


def _copy(source: Node, device: int, *, pinned: bool) -> Node:
    """A copy in the compute buffer of `device`, as large as its source. Copies for pipelines are never freed."""
    stage = "copied weights" if source.is_weight else "copied cache" if source.external else source.stage
    node = Node("copy", source.shape, source.kind, [], stage, None, source.fixed)
    node.device = device
    node.is_input = node.is_output = pinned
    return node
