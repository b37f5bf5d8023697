"""The catalogue: models that can be planned without a file, from their hyperparameters. Reads `catalogue/*.toml` once."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import get_close_matches
from functools import cache, cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

from advisor.errors import QuestionError
from advisor.models.catalogue_schema import CatalogueFile, Key, ModelEntry
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
from advisor.models.tensors import TensorOptions, TensorShape, default_options, tensor_list

_FOLDER = Path(__file__).parent / "catalogue"
_TOKENIZERS = "tokenizers.toml"
_ALIGNMENT = 32
_FIXED_HEADER = 24


@dataclass(frozen=True, eq=False)
class CatalogueModel:
    """One model: what its file says of it, and all that follows from that, worked out when first asked for."""

    family: str
    entry: ModelEntry = field(repr=False)

    @property
    def id(self) -> str:
        """Catalogue id, such as "llama-3.1-8b"."""
        return self.entry.id

    @property
    def name(self) -> str:
        """The name people know."""
        return self.entry.name

    @property
    def architecture(self) -> str:
        """As general.architecture has it."""
        return self.entry.architecture

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
    def native_quantization(self) -> str | None:
        """The quantization it was released in, where that is not 16 bits (gpt-oss: MXFP4_MOE)."""
        return self.entry.native_quantization

    @property
    def generates(self) -> bool:
        """False for models that only make embeddings."""
        return self.entry.task == "generation"

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
    def shapes(self) -> tuple[TensorShape, ...]:
        """Names and shapes of all tensors."""
        return tensor_list(self.hyperparameters, self.options)

    @cached_property
    def groups(self) -> TensorGroups:
        """The tensors grouped for quantizing."""
        return group_tensors(self.shapes, self.hyperparameters, kept=kept_types(self.hyperparameters))

    @cached_property
    def header_bytes(self) -> int:
        """Bytes of a GGUF header of this model: the tokenizer's vocabulary and the tensor table, estimated to about 1 MB."""
        table = sum(24 + len(shape.name) + 8 * len(shape.shape) for shape in self.shapes)
        return _FIXED_HEADER + _vocabulary_bytes(self.entry.tokenizer, self.hyperparameters.vocab_size) + table

    def quantized(self, quantization: str) -> ModelMetadata:
        """The model in `quantization`, as llama-quantize would make it. Raises QuestionError where there is no such one."""
        return _quantized(self, parse_quantization(quantization))


@dataclass(frozen=True)
class Catalogue:
    """All models, by family and then in the order of the files."""

    models: tuple[CatalogueModel, ...]

    def find(self, text: str) -> CatalogueModel:
        """The model that `text` names: an id, a name, an alias, a hub repository, or a part that only one model has.

        Spelling is forgiving: capitals, spaces, dashes and endings such as "-Instruct-GGUF" do not count. Raises QuestionError
        naming the nearest ids.
        """
        wanted = _plain(text)
        exact = self._named.get(wanted)
        if exact is not None:
            return exact
        partial = sorted({model.id for name, model in self._named.items() if wanted and wanted in name})
        if len(partial) == 1:
            return self._named[_plain(partial[0])]
        if partial:
            raise QuestionError(f'"{text}" may be any of {_listed(partial)}; name one of them', field="model")
        near = get_close_matches(wanted, self._named, n=6, cutoff=0.5)
        ids = list(dict.fromkeys(self._named[name].id for name in near))
        hint = f"; near it are {_listed(ids)}" if ids else ""
        raise QuestionError(f'there is no model "{text}" in the catalogue{hint}', field="model")

    @cached_property
    def _named(self) -> dict[str, CatalogueModel]:
        named: dict[str, CatalogueModel] = {}
        for model in self.models:
            for name in (model.id, model.name, *model.entry.aliases):
                named[_plain(name)] = model
        for model in self.models:
            for repo in filter(None, (model.entry.hf_repo, *model.entry.gguf_repos)):
                named.setdefault(_plain(repo), model)
                named.setdefault(_plain(repo.split("/")[-1]), model)
        return named


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with the program, read once."""
    return Catalogue(
        tuple(model for path in sorted(_FOLDER.glob("*.toml")) if path.name != _TOKENIZERS for model in read_family(path))
    )


def read_family(path: Path) -> tuple[CatalogueModel, ...]:
    """The models of one catalogue file. Raises pydantic.ValidationError where it is not in the format."""
    with path.open("rb") as file:
        family = CatalogueFile.model_validate(tomllib.load(file))
    return tuple(CatalogueModel(family.family, entry) for entry in family.models)


@lru_cache(maxsize=4096)
def _quantized(model: CatalogueModel, name: str) -> ModelMetadata:
    groups = model.groups
    hp = model.hyperparameters
    exact = QUANTIZATIONS[name].exact
    return ModelMetadata(
        id=model.id,
        name=model.name,
        hyperparameters=hp,
        tensors=QuantizedTensors(groups, name),
        quantization=name,
        file_bytes=int(quantized_bytes(groups, (name,), alignment=_ALIGNMENT)[0]) + _aligned(model.header_bytes),
        predicted=True,
        source=f"catalogue: {model.id}",
        assumptions=hp.assumptions
        if exact
        else (*hp.assumptions, f"The publisher's mix of {name} is not known; its size is typical."),
        keys=model.keys,
        known_weights=weight_table(groups, name),
    )


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


@cache
def _tokenizers() -> Mapping[str, Mapping[str, int]]:
    with (_FOLDER / _TOKENIZERS).open("rb") as file:
        return tomllib.load(file)


def _vocabulary_bytes(tokenizer: str | None, vocab_size: int) -> int:
    table = _tokenizers()
    return table["other"]["bytes_per_token"] * vocab_size if tokenizer is None else table["tokenizers"][tokenizer]


_ENDINGS = re.compile(r"(instruct|chat|gguf|it|hf)$")


def _plain(text: str) -> str:
    """Letters and digits of a name, dots and pluses kept, without the endings that publishers add."""
    name = re.sub(r"[^a-z0-9.+]", "", text.lower()).removeprefix("meta")
    while (shorter := _ENDINGS.sub("", name)) != name and shorter:
        name = shorter
    return name


def _listed(ids: list[str]) -> str:
    shown = ids if len(ids) <= 8 else [*ids[:8], f"{len(ids) - 8} more"]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]
