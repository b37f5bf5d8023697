"""The catalogue: models that can be planned without a file, from their hyperparameters. Reads `catalogue/*.toml` once."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property, lru_cache
from math import log2
from pathlib import Path
from types import MappingProxyType

from advisor.errors import QuestionError, UnplannedModelError
from advisor.models.block_tensors import BlockTensors
from advisor.models.catalogue_schema import Ability, About, CatalogueFile, FactsEntry, Key, ModelEntry
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
from advisor.models.search import Found, SearchIndex
from advisor.models.tensors import TensorOptions, TensorShape, default_options, tensors_by_block

_FOLDER = Path(__file__).parent / "catalogue"
CATALOGUE = "catalogue: "
"""What the source of a catalogue model begins with."""
_TOKENIZERS = "tokenizers.toml"


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


@dataclass(frozen=True)
class Catalogue:
    """All models, by family and then in the order of the files."""

    models: tuple[CatalogueModel, ...]
    facts_only: tuple[FactsModel, ...] = ()
    """Known, but without what a plan needs."""

    def find(self, text: str) -> CatalogueModel:
        """The model that `text` names: an id, a name, an alias, a hub repository, or words that only one model has.

        Spelling is forgiving: capitals, spaces, dashes and endings such as "-Instruct-GGUF" do not count. Raises QuestionError
        naming the nearest ids, and UnplannedModelError where the model is known but cannot be planned.
        """
        wanted = _plain(text)
        model = self._named.get(wanted) or self._only_one(text, wanted)
        if isinstance(model, FactsModel):
            raise self._unplanned(model)
        return model

    def search(self, text: str, limit: int = 8) -> list[Found[ListedModel]]:
        """The models that meet `text`, best first, those without a plan among them (`advisor.models.search`)."""
        return self._index.search(text, limit)

    def _only_one(self, text: str, wanted: str) -> "CatalogueModel | FactsModel":
        """The one model that all of `text` is said of."""
        partial = {model.id: model for name, model in self._named.items() if wanted and wanted in name}
        if len(partial) == 1:
            return next(iter(partial.values()))
        found = self.search(text, limit=len(self.models))
        for fitting in ([one.model for one in found if one.named], [one.model for one in found if one.whole]):
            if len(fitting) == 1:
                return self._named[_plain(fitting[0].id)]
        if len(partial) > 1:
            raise QuestionError(f'"{text}" may be any of {_listed(sorted(partial))}; name one of them', field="model")
        near = [one.model.id for one in found[:6]]
        hint = f"; near it are {_listed(near)}" if near else ""
        raise QuestionError(f'there is no model "{text}" in the catalogue{hint}', field="model")

    def _unplanned(self, model: FactsModel) -> UnplannedModelError:
        """The error that says what is known of `model` and what is missing."""
        nearest = self.nearest_planned(model)
        return UnplannedModelError(
            f"{model.name} is known ({_facts(model)}), but cannot be planned because {model.entry.missing}; "
            f"name a .gguf file of it, or ask for the nearest model that can be planned, {nearest.id}",
            model_id=model.id,
            nearest=nearest.id,
        )

    def nearest_planned(self, model: ListedModel) -> CatalogueModel:
        """The planned model most like `model`: of its family, else of its publisher, else of any, the nearest in size."""
        kin = [one for one in self.models if one.family == model.family]
        kin = kin or [one for one in self.models if one.publisher == model.publisher] or list(self.models)
        return min(kin, key=lambda one: (abs(log2(one.parameters / model.parameters)), one.id))

    @cached_property
    def _index(self) -> SearchIndex[ListedModel]:
        return SearchIndex[ListedModel]([*self.models, *self.facts_only])

    @cached_property
    def _named(self) -> dict[str, CatalogueModel | FactsModel]:
        named: dict[str, CatalogueModel | FactsModel] = {}
        every: tuple[CatalogueModel | FactsModel, ...] = (*self.models, *self.facts_only)
        for model in every:
            for name in model.search_names:
                named[_plain(name)] = model
        for model in every:
            for repo in model.repositories:
                named.setdefault(_plain(repo), model)
                named.setdefault(_plain(repo.split("/")[-1]), model)
        return named


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with the program, read once."""
    families = [read_family(path) for path in sorted(_FOLDER.glob("*.toml")) if path.name != _TOKENIZERS]
    return Catalogue(
        tuple(model for family in families for model in family.models),
        tuple(model for family in families for model in family.facts_only),
    )


def read_family(path: Path) -> Catalogue:
    """The models of one catalogue file. Raises pydantic.ValidationError where it is not in the format."""
    with path.open("rb") as file:
        family = CatalogueFile.model_validate(tomllib.load(file))
    return Catalogue(
        tuple(CatalogueModel(family.family, entry) for entry in family.models),
        tuple(FactsModel(family.family, entry) for entry in family.facts_only),
    )


def _facts(model: FactsModel) -> str:
    """What is known of a model without a plan, in a few words."""
    entry = model.entry
    said = [f"{_billions(entry.parameters)} parameters"]
    if entry.active_parameters:
        said.append(f"{_billions(entry.active_parameters)} active")
    if entry.context_length:
        said.append(f"{entry.context_length:,} tokens of context")
    if entry.license:
        said.append(f"license {entry.license}")
    if entry.release_date:
        said.append(f"released {entry.release_date}")
    return ", ".join(said)


def _billions(count: int) -> str:
    return f"{count / 1e9:,.0f} billion" if count >= 100e9 else f"{count / 1e9:.3g} billion"


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
