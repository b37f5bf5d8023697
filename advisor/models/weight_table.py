"""Bytes of a model's weights by part, as placement on devices needs them: `WeightTable`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from advisor.models.quantization_groups import part_count, part_of
from advisor.models.tensor import Tensor


@dataclass(frozen=True, eq=False)
class WeightTable:
    """Weight bytes of one model in one quantization, by the parts that go to devices as a whole. No padding is counted."""

    block_bytes: NDArray[np.int64]
    """One entry a block: everything but its experts. Tensors stored once for all blocks (rope_freqs) count with block 0."""
    expert_bytes: NDArray[np.int64]
    """One entry a block: what --n-cpu-moe leaves in system memory."""
    token_embedding_bytes: int
    per_layer_embedding_bytes: int
    other_input_bytes: int
    """Position and token type embeddings: input layer, like the token embedding."""
    output_bytes: int | None
    """output.weight; None where the model is tied and its token embedding serves as output too."""
    other_output_bytes: int
    """The rest of the output layer: norm, bias, heads."""
    largest_tensor_bytes: int

    @classmethod
    def from_tensors(cls, tensors: Iterable[Tensor], block_count: int, architecture: str = "") -> "WeightTable":
        """The table of a list of tensors, read or predicted. Raises ValueError where a block is beyond `block_count`."""
        parts = np.zeros(part_count(block_count), np.int64)
        largest, tied = 0, True
        for tensor in tensors:
            size = tensor.n_bytes
            parts[part_of(tensor.name, architecture, block_count)] += size
            largest = max(largest, size)
            tied = tied and tensor.name != "output.weight"
        return cls.from_parts(parts, block_count, tied=tied, largest_tensor_bytes=largest)

    @classmethod
    def from_parts(cls, parts: NDArray[np.int64], block_count: int, *, tied: bool, largest_tensor_bytes: int) -> "WeightTable":
        """The table of bytes by part, numbered as `quantization_groups.part_of` does."""
        token, per_layer, other_input, output, other_output = (int(n) for n in parts[2 * block_count :])
        parts.setflags(write=False)  # tables are shared
        return cls(
            block_bytes=parts[:block_count],
            expert_bytes=parts[block_count : 2 * block_count],
            token_embedding_bytes=token,
            per_layer_embedding_bytes=per_layer,
            other_input_bytes=other_input,
            output_bytes=None if tied else output,
            other_output_bytes=other_output,
            largest_tensor_bytes=largest_tensor_bytes,
        )

    @property
    def block_count(self) -> int:
        return len(self.block_bytes)

    @property
    def other_bytes(self) -> int:
        """What is neither in a block nor an embedding nor output.weight."""
        return self.other_input_bytes + self.other_output_bytes

    @property
    def total_bytes(self) -> int:
        """All tensors, each once."""
        embeddings = self.token_embedding_bytes + self.per_layer_embedding_bytes
        return int(self.block_bytes.sum() + self.expert_bytes.sum()) + embeddings + (self.output_bytes or 0) + self.other_bytes

    def scaled(self, ratio: float) -> "WeightTable":
        """This table with every size times `ratio`, rounded to bytes."""
        return replace(
            self,
            block_bytes=np.rint(self.block_bytes * ratio).astype(np.int64),
            expert_bytes=np.rint(self.expert_bytes * ratio).astype(np.int64),
            token_embedding_bytes=round(self.token_embedding_bytes * ratio),
            per_layer_embedding_bytes=round(self.per_layer_embedding_bytes * ratio),
            other_input_bytes=round(self.other_input_bytes * ratio),
            output_bytes=None if self.output_bytes is None else round(self.output_bytes * ratio),
            other_output_bytes=round(self.other_output_bytes * ratio),
            largest_tensor_bytes=round(self.largest_tensor_bytes * ratio),
        )
