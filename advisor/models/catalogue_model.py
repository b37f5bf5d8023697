"""One model of the catalogue: what its file says of it, and all that follows from that (`CatalogueModel`)."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property, lru_cache
from importlib import resources
from types import MappingProxyType

from advisor.models.block_tensors import BlockTensors
from advisor.models.catalogue_schema import Ability, About, FactsEntry, Key, ModelEntry
from advisor.models.file_size import ALIGNMENT, header_bytes, padded
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.keys import hyperparameters
from advisor.models.metadata import ModelMetadata
from advisor.models.quantization import (
    QUANTIZATIONS,
    QuantizedTensors,
    TensorGroups,
    group_tensors,
    kept_types,
    parse_quantization,
    quantized_bytes,
    weight_table,
)
from advisor.models.tensors import TensorOptions, TensorShape, default_options, tensors_by_block

CATALOGUE = "catalogue: "
"""What the source of a catalogue model begins with."""
TOKENIZERS = "tokenizers.toml"


@dataclass(frozen=True, eq=False)
class ListedModel:
    """One model: what its file says of it."""

    family: str
    entry: About = field(repr=False)

    @property
    def id(self) -> str:
        """Catalogue id, such as "llama-3.1-8b"."""
        return self.entry.id

    @property
    def name(self) -> str:
        """The name people know."""
        return self.entry.name

    @property
    def parameters(self) -> int:
        """Weights of the language model's file."""
        return self.entry.parameters

    @property
    def active_parameters(self) -> int | None:
        """Weights that one token passes through; None in a dense model."""
        return self.entry.active_parameters

    @property
    def release_date(self) -> date | None:
        """Day of release; None where unknown."""
        return self.entry.release_date

    @property
    def publisher(self) -> str | None:
        """Who released it, as the hub names them ("Qwen"); None where it is on no hub."""
        return self.entry.hf_repo.split("/")[0] if self.entry.hf_repo else None

    @property
    def abilities(self) -> frozenset[Ability]:
        """What it is known to be able to do; what is not among them may be there."""
        return frozenset(self.entry.abilities)

    @property
    def generates(self) -> bool:
        """False for models that only make embeddings."""
        return self.entry.task == "generation"

    @property
    def search_names(self) -> tuple[str, ...]:
        """Id, name and aliases."""
        return (self.id, self.name, *self.entry.aliases)

    @property
    def repositories(self) -> tuple[str, ...]:
        """Its own repository on the hub, then those with GGUF and MLX files."""
        own = (self.entry.hf_repo,) if self.entry.hf_repo else ()
        return (*own, *self.entry.gguf_repos, *self.entry.mlx_repos)

    @property
    def downloads(self) -> int | None:
        """Of its own repository in 30 days, when it was looked up."""
        return self.entry.downloads


@dataclass(frozen=True, eq=False)
class FactsModel(ListedModel):
    """A model that is known but cannot be planned: never ranked, and asked for it the catalogue says what is known."""

    entry: FactsEntry = field(repr=False)


@dataclass(frozen=True, eq=False)
class CatalogueModel(ListedModel):
    """One model that can be planned, and all that follows from its file, worked out when first asked for."""

    entry: ModelEntry = field(repr=False)

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        """Pickled by its id: another process has the same catalogue."""
        return _of_catalogue, (self.id,)

    @property
    def architecture(self) -> str:
        """As general.architecture has it."""
        return self.entry.architecture

    @property
    def native_quantization(self) -> str | None:
        """The quantization it was released in, where that is not 16 bits (gpt-oss: MXFP4_MOE)."""
        return self.entry.native_quantization

    @property
    def context_length(self) -> int | None:
        """Tokens that it was trained for."""
        return self.hyperparameters.context_length

    @cached_property
    def keys(self) -> Mapping[str, Key | str]:
        """GGUF metadata keys with their prefix, as a header has them."""
        prefix = self.architecture
        named = {f"{prefix}.{name}": value for name, value in self.entry.keys.items()}
        return MappingProxyType({"general.architecture": prefix, **named})

    @cached_property
    def hyperparameters(self) -> Hyperparameters:
        """What `keys` say."""
        return hyperparameters(self.keys)

    @cached_property
    def options(self) -> TensorOptions:
        """What the keys do not say about the tensors."""
        return replace(default_options(self.architecture), **self.entry.tensors)  # type: ignore[arg-type]

    @cached_property
    def block_tensors(self) -> BlockTensors:
        """Names and shapes of all tensors, by block."""
        return tensors_by_block(self.hyperparameters, self.options)

    @cached_property
    def shapes(self) -> tuple[TensorShape, ...]:
        """Names and shapes of all tensors, as a file lists them."""
        return tuple(TensorShape(name, shape) for name, shape in self.block_tensors.listed)

    @cached_property
    def groups(self) -> TensorGroups:
        """The tensors grouped for quantizing."""
        return group_tensors(self.block_tensors, self.hyperparameters, kept=kept_types(self.hyperparameters))

    @cached_property
    def header_bytes(self) -> int:
        """Bytes of a GGUF header of this model: the tokenizer's vocabulary and the tensor table, estimated to about 1 MB."""
        vocabulary = _vocabulary_bytes(self.entry.tokenizer, self.hyperparameters.vocab_size)
        return header_bytes(self.block_tensors, vocabulary)

    def quantized(self, quantization: str) -> ModelMetadata:
        """The model in `quantization`, as llama-quantize would make it. Raises QuestionError where there is no such one."""
        return _quantized(self, parse_quantization(quantization))


def _of_catalogue(id_: str) -> CatalogueModel:
    from advisor.models.library import catalogue  # which is made of these

    return catalogue().find(id_)


@lru_cache(maxsize=4096)
def _quantized(model: CatalogueModel, name: str) -> ModelMetadata:
    groups = model.groups
    hp = model.hyperparameters
    size = int(quantized_bytes(groups, (name,), alignment=ALIGNMENT)[0]) + padded(model.header_bytes)
    table = weight_table(groups, name)
    said: tuple[str, ...] = ()
    if published := model.entry.published_bytes.get(name):
        table, size = table.scaled(published / size), published
        said = (f"The size of {name} is that of the published file.",)
    elif not QUANTIZATIONS[name].exact:
        said = (f"The publisher's mix of {name} is not known; its size is typical.",)
    return ModelMetadata(
        id=model.id,
        name=model.name,
        hyperparameters=hp,
        tensors=QuantizedTensors(groups, name),
        quantization=name,
        file_bytes=size,
        predicted=True,
        source=f"{CATALOGUE}{model.id}",
        assumptions=(*hp.assumptions, *said),
        keys=model.keys,
        known_weights=table,
    )


@cache
def _tokenizers() -> Mapping[str, Mapping[str, int]]:
    return tomllib.loads(resources.files("advisor.models").joinpath("catalogue", TOKENIZERS).read_text("utf-8"))


def _vocabulary_bytes(tokenizer: str | None, vocab_size: int) -> int:
    table = _tokenizers()
    return table["other"]["bytes_per_token"] * vocab_size if tokenizer is None else table["tokenizers"][tokenizer]
