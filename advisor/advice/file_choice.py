"""A model's usual files beside each other: size against expected loss. Pure."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from advisor.advice.quality import Loss, quantization_loss
from advisor.errors import QuestionError
from advisor.models.metadata import ModelMetadata

USUAL_FILES = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ2_XXS", "IQ1_S")
"""One file for every step of size that publishers offer."""


class Quantizable(Protocol):
    """A model of the catalogue."""

    @property
    def parameters(self) -> int: ...
    @property
    def native_quantization(self) -> str | None: ...
    def quantized(self, quantization: str) -> ModelMetadata: ...


@dataclass(frozen=True, slots=True)
class FileChoice:
    """One quantization of a model."""

    quantization: str
    file_bytes: int
    loss: Loss | None
    """None for the quantization that the model was released in, which loses nothing."""


@lru_cache(maxsize=256)
def file_choices(model: Quantizable, chosen: str | None = None) -> tuple[FileChoice, ...]:
    """The usual files of `model`, the one it was released in and `chosen`, largest first."""
    names = dict.fromkeys((*USUAL_FILES, *filter(None, (model.native_quantization, chosen))))
    found = []
    for name in names:
        try:
            size = model.quantized(name).file_bytes
        except QuestionError:  # llama-quantize cannot make it of this model
            continue
        if size is not None:
            loss = None if name == model.native_quantization else quantization_loss(name, model.parameters)
            found.append(FileChoice(name, size, loss))
    return tuple(sorted(found, key=lambda one: (-one.file_bytes, one.loss.kld if one.loss else 0.0, one.quantization)))
