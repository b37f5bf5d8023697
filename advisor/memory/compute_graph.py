"""A compute graph as llama.cpp builds it, reduced to what memory depends on: shapes, order, views and who reads what."""

from collections.abc import Iterable

Dim = int
Size = tuple[int, int, int]
"""Bytes, bytes for each cell of a cache, and which cache: `CACHE_CELLS`, `WINDOW_CELLS` or 0. Weights whose bytes a layout does
not say: their number, that of their block, and `BLOCK_WEIGHT`; or their number, 0 and `END_WEIGHT`."""
CACHE_CELLS: Dim = -1
"""Stands for the number of cells of the full-attention cache (n_kv) in a shape, which varies with the context."""
WINDOW_CELLS: Dim = -2
"""Stands for the number of cells of the sliding-window cache."""
BLOCK_WEIGHT = -3
END_WEIGHT = -4

ELEMENT_BYTES = {"f32": 4, "f16": 2, "i32": 4, "i64": 8}

# ggml/src/ggml-alloc.c:23-50, ggml_op_can_inplace
IN_PLACE = frozenset(
    {"scale", "add", "sub", "mul", "div", "sqr", "sqrt", "unary", "rope", "rms_norm", "clamp", "soft_max", "fill", "add_id"}
)
# ggml/src/ggml-backend.cpp, ggml_is_view_op
VIEW_OPS = frozenset({"view", "reshape", "permute", "transpose"})


class Node:
    """One tensor of the graph. `shape` is in ggml's order; a negative entry stands for a number of cache cells."""

    op: str
    shape: tuple[Dim, ...]
    kind: str
    sources: list["Node"]
    stage: str
    """What part of the model it belongs to, for people: "attention", "experts", "logits"."""
    view_of: "Node | None"
    contiguous: bool
    fixed: Size | None
    """Where the size does not follow from the shape: weights, caches and copies of them."""
    device: int
    """Index of the device it is computed or kept on; -1 until the scheduler decides."""
    resident: bool
    """True for weights and caches, whose data lives outside the compute buffer."""
    beside: Size | None
    """What a GPU reserves behind the result, for scratch and copies."""
    refused: bool
    """True where the GPUs' backend does not compute it."""
    is_weight: bool
    is_input: bool
    is_output: bool
    listed: bool
    """True once it has its place in the graph's order."""
    children: int
    """While it is laid out (ggml-alloc.c, hash_node): readers to come, of it and of its views."""
    views: int
    held: bool
    """True while it has memory of its own."""
    tensor: int
    """The memory it was given: its number, in which segment, and on which device. Not set before."""
    segment: int
    home: int
    __slots__ = tuple(__annotations__)

    def __init__(
        self,
        op: str,
        shape: tuple[Dim, ...],
        kind: str,
        sources: list["Node"],
        stage: str = "",
        view_of: "Node | None" = None,
        fixed: Size | None = None,
        contiguous: bool = True,  # noqa: FBT001, FBT002 - a layout makes thousands; arguments by name take twice as long
    ) -> None:
        self.op = op
        self.shape = shape
        self.kind = kind
        self.sources = sources
        self.stage = stage
        self.view_of = view_of
        self.contiguous = contiguous
        self.fixed = fixed
        self.device = -1
        self.beside = None
        self.resident = self.refused = self.is_weight = self.is_input = self.is_output = self.listed = self.held = False
        self.children = self.views = 0

    @property
    def external(self) -> bool:
        """True where the data, or the data it is a view of, is allocated outside the compute buffer."""
        return (self.view_of or self).resident

    def size(self) -> Size:
        """Bytes in the compute buffer."""
        if self.fixed is not None:
            return self.fixed
        constant, cells = ELEMENT_BYTES[self.kind], 0
        for dim in self.shape:
            if dim < 0:
                cells = dim
            else:
                constant *= dim
        return (0, constant, cells) if cells else (constant, 0, 0)

    def reserved(self) -> Size:
        """Bytes that the allocator is asked for: the result and what lies behind it."""
        size, beside = self.size(), self.beside
        return size if beside is None else (size[0] + beside[0], size[1] + beside[1], beside[2] or size[2])

    def same_layout(self, other: "Node") -> bool:
        """ggml_are_same_layout: the same type, shape and strides."""
        if self.kind != other.kind or not (self.contiguous and other.contiguous):
            return False
        return self.shape == other.shape or _padded(self.shape) == _padded(other.shape)


def _padded(shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
    return shape + (1,) * (4 - len(shape))


class Graph:
    """Builds nodes and keeps the order in which `ggml_build_forward_expand` would put them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.leaves: list[Node] = []
        self.marks: list[int] = []
        """How many nodes there were after each block."""
        self.leaf_marks: list[int] = []
        self.left_out = 0
        """Nodes of the engine's graph that are not here, as no memory depends on them: views of views, mostly."""
        self.twice = 0
        """Leaves that are one tensor with another."""
        self.sizes: list[tuple[int, int]] = []
        """`size` after each block."""
        self.stage = "inputs"
        """Given to the nodes made from now on."""

    @property
    def size(self) -> tuple[int, int]:
        """Nodes and leaves of the engine's graph."""
        return len(self.nodes) + self.left_out, len(self.leaves) - self.twice

    def expand(self, node: Node) -> Node:
        """Append `node` and what it reads, depth first in the order of the sources (ggml.c, ggml_visit_parents)."""
        nodes, leaves = self.nodes, self.leaves
        stack = [] if node.listed else [node]
        while stack:
            current = stack[-1]
            for source in current.sources:
                if source.listed:
                    continue
                if source.sources:
                    stack.append(source)
                    break
                source.listed = True
                leaves.append(source)
            else:
                del stack[-1]
                current.listed = True
                (nodes if current.sources else leaves).append(current)
        return node

    def input(self, kind: str, *shape: Dim) -> Node:
        """A graph input, filled from the host before each run."""
        node = Node("none", shape, kind, [], "inputs")
        node.is_input = True
        return node

    def weight(self, device: int, size: Size, *shape: Dim) -> Node:
        """A weight kept on `device`."""
        node = Node("none", shape, "f32", [], "", None, size)
        node.device = device
        node.resident = node.is_weight = True
        return node

    def cache(self, device: int, cell_bytes: int, cells: Dim = 0, *, padding: int = 0) -> Node:
        """A cache kept on `device`, `cell_bytes` for each of its `cells` (or in all, where `cells` is 0).

        A copy of it takes `padding` more.
        """
        fixed = (padding, cell_bytes, cells) if cells else (cell_bytes, 0, 0)
        node = Node("none", (1,), "f32", [], "", None, fixed)
        node.device = device
        node.resident = True
        return node

    def op(self, name: str, shape: Iterable[Dim], *sources: Node, kind: str = "f32") -> Node:
        """Any other operation with a result of its own."""
        return Node(name, tuple(shape), kind, list(sources), self.stage)

    def view(self, source: Node, *shape: Dim, contiguous: bool = False, op: str = "view", span: int = 0) -> Node:
        """A part of `source`, or all of it in another shape.

        `span` is what a copy of a strided view takes: everything from its first to its last element (ggml_nbytes).
        """
        root = source.view_of or source
        if span:
            fixed: Size | None = (span, 0, 0)
        elif root is source:
            fixed = source.fixed if source.resident else None
        else:
            fixed = source.fixed or (root.fixed if root.resident else None)
        return Node(op, shape, source.kind, [source], self.stage, root, fixed, contiguous)

    def reshape(self, source: Node, *shape: Dim) -> Node:
        """The same data in another shape."""
        return self.view(source, *shape, contiguous=True, op="reshape")

    def matmul(self, weight: Node, x: Node) -> Node:
        """weight [in, out] times x [in, tokens, ...]."""
        return Node("mul_mat", (weight.shape[1], *x.shape[1:]), "f32", [weight, x], self.stage)

    def unary(self, x: Node, op: str = "unary") -> Node:
        """An operation with one source that keeps the shape and may work in place."""
        return Node(op, x.shape, x.kind, [x], self.stage)

    def binary(self, op: str, a: Node, b: Node) -> Node:
        """An operation of two sources with the shape of the first."""
        return Node(op, a.shape, a.kind, [a, b], self.stage)

    def cont(self, x: Node, *shape: Dim) -> Node:
        """A contiguous copy."""
        return Node("cont", shape or x.shape, x.kind, [x], self.stage)

    def get_rows(self, table: Node, rows: Node, width: int) -> Node:
        """`width` wide rows, as many as `rows` has entries."""
        return Node("get_rows", (width, rows.shape[0]), "f32", [table, rows], self.stage)

    def set_rows(self, cache: Node, rows: Node, indices: Node) -> Node:
        """Rows written into a cache: a view of it (ggml_set_rows reads new rows, then indices, then the cache)."""
        return self._written("set_rows", cache, [rows, indices, cache])

    def in_place(self, x: Node, op: str) -> Node:
        """An operation whose result is a view of what it overwrites (ggml_scale_inplace)."""
        return self._written(op, x, [x])

    def store(self, cache: Node, rows: Node, *indices: Node) -> Node:
        """Results copied into a cache or state (ggml_cpy): a view of it."""
        return self._written("cpy", cache, [rows, *indices, cache])

    def _written(self, op: str, target: Node, sources: list[Node]) -> Node:
        """A view of `target`, which the operation writes to."""
        root = target.view_of or target
        return Node(op, target.shape, target.kind, sources, self.stage, root, root.fixed if root.resident else None)
