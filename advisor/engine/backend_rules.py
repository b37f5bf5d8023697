"""What an imitated GPU says of a tensor: `advisor.memory.backends`, asked with tensors as the engine has them."""

import ctypes

from advisor.engine.ggml_structs import Address, Library, Tensor
from advisor.memory.backends import AttentionOperands, BackendRules


class Reader:
    """Reads tensors that the engine points to."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._names: dict[int, str] = {number: name.lower() for name, number in library.ops.items()}

    def op(self, tensor: Tensor) -> str:
        """The operation's name, in the small letters of the rules: "mul_mat"."""
        return self._names[tensor.op]

    def source(self, tensor: Tensor, index: int) -> Tensor | None:
        """An operand; None where there is none."""
        address: Address | None = tensor.src[index]
        return Tensor.from_address(address) if address else None

    def operand(self, tensor: Tensor, index: int) -> Tensor:
        """An operand that its operation always has."""
        found = self.source(tensor, index)
        assert found is not None
        return found

    def n_bytes(self, tensor: Tensor) -> int:
        """Bytes of the tensor's own data."""
        return int(self._library.n_bytes(ctypes.addressof(tensor)))

    def row_padding(self, tensor: Tensor, step: int) -> int:
        """Bytes that a quantized tensor's last row lacks to a whole number of `step` values; 0 for other types."""
        missing = -tensor.ne[0] % step
        if not missing or not self._library.is_quantized(tensor.type):
            return 0
        return int(self._library.row_size(tensor.type, missing))

    def batch(self, tensor: Tensor) -> int:
        """get_op_batch_size of all backends: rows that an operation computes at once."""
        op = self.op(tensor)
        if op == "get_rows":
            return 0
        if op == "mul_mat":
            return int(tensor.ne[1])
        if op in ("mul_mat_id", "rope", "rope_back"):
            return int(tensor.ne[2])
        return int(tensor.ne[1] * tensor.ne[2] * tensor.ne[3])

    def attention(self, op: Tensor) -> AttentionOperands:
        """The operands of a FLASH_ATTN_EXT."""
        Q, K, V = (self.operand(op, index) for index in range(3))
        mask = self.source(op, 3)
        view = V.view_src
        return AttentionOperands(
            key_length=K.ne[0],
            value_length=V.ne[0],
            heads=Q.ne[2],
            kv_heads=K.ne[2],
            rows=Q.ne[1],
            streams=K.ne[3],
            cells=K.ne[1],
            key_type=K.type,
            value_type=V.type,
            key_row=K.nb[1],
            value_row=V.nb[1],
            values_in_keys=bool(view and (view == ctypes.addressof(K) or (view == K.view_src and V.view_offs == K.view_offs))),
            mask=None if mask is None else (mask.ne[1], mask.ne[2], mask.ne[3]),
            most_cells=op.op_params[4],
        )


def extra_bytes(rules: BackendRules, read: Reader, tensor: Tensor) -> int:
    """What a tensor takes beyond its own size, for scratch and padding."""
    op = read.op(tensor)
    if op == "flash_attn_ext":
        return 0 if rules.beside_attention is None else rules.beside_attention(read.attention(tensor))
    if op == "mul_mat_id":
        if rules.beside_experts is None:
            return 0
        return rules.beside_experts(read.operand(tensor, 0).ne[2], read.operand(tensor, 2).ne[1])
    if op in rules.doubled:
        return read.n_bytes(tensor)
    if op == "top_k" and rules.top_k_bytes:
        scores = read.operand(tensor, 0).ne
        return int(rules.top_k_bytes * scores[0] * scores[1] * scores[2] * scores[3]) - read.n_bytes(tensor)
    return read.row_padding(tensor, rules.row_padding) if rules.row_padding else 0


def offloads(rules: BackendRules, read: Reader, op: Tensor) -> bool:
    """Whether the backend wants an operation whose weights lie on the host."""
    return rules.offloads(read.op(op), read.batch(op))


def supports(rules: BackendRules, read: Reader, op: Tensor) -> bool:
    """Whether the backend computes an operation."""
    return rules.supports_attention is None or read.op(op) != "flash_attn_ext" or rules.supports_attention(read.attention(op))
