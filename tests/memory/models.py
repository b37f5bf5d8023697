"""Models that the tests of memory ask about: a small dense one with round numbers, and files of the catalogue."""

from functools import cache
from typing import Any

from gguf.constants import GGMLQuantizationType

from advisor.memory.presets import resolve
from advisor.memory.settings import RunSettings
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata
from advisor.models.tensor import Tensor

MIB = 2**20


def hyperparameters(blocks: int = 4, **changed: Any) -> Hyperparameters:
    """A dense llama of `blocks` blocks: width 256, 4 heads of 64, 2 of them for keys and values."""
    fields: dict[str, Any] = {
        "architecture": "llama",
        "block_count": blocks,
        "embedding_length": 256,
        "vocab_size": 1000,
        "context_length": 4096,
        "head_count": (4,) * blocks,
        "head_count_kv": (2,) * blocks,
        "key_length": (64,) * blocks,
        "value_length": (64,) * blocks,
        "attention": (Attention.FULL,) * blocks,
        "caches_kv": (True,) * blocks,
        "recurrent": (False,) * blocks,
        "feed_forward_length": (512,) * blocks,
        "mixture": (False,) * blocks,
    }
    return Hyperparameters(**{**fields, **changed})


def metadata(hp: Hyperparameters | None = None, tensors: tuple[Tensor, ...] = ()) -> ModelMetadata:
    """A model without a file."""
    return ModelMetadata("test", "Test", hp or hyperparameters(), tensors, "F16", None, predicted=True, source="a test")


def tensor(name: str, elements: int) -> Tensor:
    """A tensor of one row, two bytes an element."""
    return Tensor(name, (elements,), GGMLQuantizationType.F16)


@cache
def file(model: str, quantization: str = "Q4_K_M") -> ModelMetadata:
    """A file of the catalogue."""
    return catalogue().find(model).quantized(quantization)


def settings(model: ModelMetadata, **overrides: Any) -> RunSettings:
    """llama-server's settings for a model on a GPU without a limit."""
    return resolve(overrides, model, has_gpu=True)
