"""A model as everything after parsing sees it: `ModelMetadata`."""

from dataclasses import dataclass

from advisor.models.hyperparameters import Hyperparameters
from advisor.models.tensor import Tensor


@dataclass(frozen=True)
class ModelMetadata:
    """One model in one quantization: hyperparameters and the exact list of tensors, read from a file or predicted."""

    id: str
    name: str
    hyperparameters: Hyperparameters
    tensors: tuple[Tensor, ...]
    quantization: str | None
    """As llama.cpp names it ("Q4_K_M"); None where the file does not say."""
    file_bytes: int | None
    """Size of the file or of all its parts together; None where only a header is known."""
    predicted: bool
    """True where `tensors` come from hyperparameters and quantization rules, not from a file."""
    source: str
    """Where it was read: a path, a catalogue id, a hub repository."""
    assumptions: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Number of weights in all tensors."""
        return sum(tensor.elements for tensor in self.tensors)
