"""The format of the catalogue's files, checked when they are read."""

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Key = int | bool | tuple[int, ...] | tuple[bool, ...]
"""A metadata key's value: one for the model, or one a block."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Sources(_Entry):
    """Where the values come from, by group."""

    about: str | None = None
    """Repository, licence, date, published number of parameters."""
    keys: list[str] = Field(min_length=1)
    tensors: list[str] = []


class ModelEntry(_Entry):
    """One model of a catalogue file."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    name: str = Field(min_length=1)
    aliases: list[str] = []
    hf_repo: str | None = None
    gguf_repos: list[str] = []
    license: str | None = None
    release_date: date | None = None
    modality: list[Literal["text", "image", "audio", "video"]] = ["text"]
    task: Literal["generation", "embedding"] = "generation"
    tokenizer: str | None = None
    """One of tokenizers.toml, for the size of a file's header."""
    native_quantization: str | None = None
    """The quantization it was released in, where that is not 16 bits."""
    parameters: int = Field(gt=0)
    """Weights of the language model's own file, without a vision tower."""
    active_parameters: int | None = Field(default=None, gt=0)
    """Weights that one token passes through; None in a dense model."""
    architecture: str
    keys: dict[str, Any]
    """GGUF metadata keys without the architecture's prefix."""
    tensors: dict[str, bool | int | str] = {}
    """What differs from the architecture's usual tensor options (`advisor.models.tensor_shape.TensorOptions`)."""
    sources: Sources

    @field_validator("keys")
    @classmethod
    def _flat(cls, keys: dict[str, Any]) -> dict[str, Key]:
        """`attention.head_count = 32` is a table within a table in TOML; here it is one key again."""
        flat: dict[str, Key] = {}

        def walk(prefix: str, table: dict[str, Any]) -> None:
            for name, value in table.items():
                if isinstance(value, dict):
                    walk(f"{prefix}{name}.", value)
                elif isinstance(value, list) and value and all(isinstance(item, int) for item in value):
                    flat[prefix + name] = tuple(value)
                elif isinstance(value, int):
                    flat[prefix + name] = value
                else:
                    raise ValueError(f'the key "{prefix}{name}" must hold a whole number, true or false, or a list of them')

        walk("", keys)
        return flat


class CatalogueFile(_Entry):
    """One file: a family of models."""

    family: str
    models: list[ModelEntry] = Field(min_length=1)
