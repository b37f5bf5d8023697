"""The format of the catalogue's files, checked when they are read."""

from datetime import date
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Key = int | bool | tuple[int, ...] | tuple[bool, ...]
"""A metadata key's value: one for the model, or one a block."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Ability = Literal["vision", "audio", "tools", "reasoning", "code", "embedding"]


class Sources(_Entry):
    """Where the values come from, by group."""

    about: str | None = None
    """Repository, licence, date, published number of parameters, repositories with other formats."""
    abilities: list[str] = []
    keys: list[str] = Field(min_length=1)
    tensors: list[str] = []
    files: list[str] = []
    """Of `published_bytes`."""


class AboutSources(_Entry):
    """Where the values of a model without a plan come from."""

    about: str
    abilities: list[str] = []


class About(_Entry):
    """What is told of every model, planned or not."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    name: str = Field(min_length=1)
    aliases: list[str] = []
    hf_repo: str | None = None
    downloads: int | None = Field(default=None, ge=0)
    """Of that repository in 30 days, when it was looked up: orders suggestions where nothing else does."""
    gguf_repos: list[str] = []
    mlx_repos: list[str] = []
    """By bits, one each."""
    license: str | None = None
    release_date: date | None = None
    modality: list[Literal["text", "image", "audio", "video"]] = ["text"]
    task: Literal["generation", "embedding"] = "generation"
    abilities: list[Ability] = []
    """Those that are known; one that is missing may be there."""
    published_bytes: dict[str, int] = {}
    """Sizes of published files whose mix follows no rule that is known, by quantization; rounded as they were published."""
    parameters: int = Field(gt=0)
    """Weights of the language model's own file, without a vision tower."""
    active_parameters: int | None = Field(default=None, gt=0)
    """Weights that one token passes through; None in a dense model."""


class FactsEntry(About):
    """A model that is known but cannot be planned."""

    context_length: int | None = Field(default=None, gt=0)
    architecture: str | None = None
    """As general.architecture has it; None where llama.cpp has none."""
    missing: str
    """What keeps it from being planned, to follow "because"."""
    sources: AboutSources


class ModelEntry(About):
    """One model of a catalogue file that can be planned."""

    tokenizer: str | None = None
    """One of tokenizers.toml, for the size of a file's header."""
    native_quantization: str | None = None
    """The quantization it was released in, where that is not 16 bits."""
    checkpoint_parameters: int | None = Field(default=None, gt=0)
    """Weights in the released checkpoint, where it stores the output tensor beside the embedding that it is tied to."""
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
    models: list[ModelEntry] = []
    facts_only: list[FactsEntry] = []

    @model_validator(mode="after")
    def _holds_a_model(self) -> Self:
        if not (self.models or self.facts_only):
            raise ValueError("a file of the catalogue holds at least one model")
        return self
