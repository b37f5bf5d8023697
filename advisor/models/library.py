"""The catalogue: models that can be planned without a file, from their hyperparameters. Reads `catalogue/*.toml` once."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from math import log2
from pathlib import Path

from advisor.errors import QuestionError, UnplannedModelError, shortened
from advisor.models.catalogue_model import CATALOGUE, TOKENIZERS, CatalogueModel, FactsModel, ListedModel
from advisor.models.catalogue_schema import CatalogueFile
from advisor.models.search import Found, SearchIndex

__all__ = ["CATALOGUE", "Catalogue", "CatalogueModel", "FactsModel", "ListedModel", "catalogue", "read_family"]

_FOLDER = Path(__file__).parent / "catalogue"


@dataclass(frozen=True)
class Catalogue:
    """All models, by family and then in the order of the files."""

    models: tuple[CatalogueModel, ...]
    facts_only: tuple[FactsModel, ...] = ()
    """Known, but without what a plan needs."""

    @cached_property
    def by_id(self) -> dict[str, CatalogueModel]:
        """Those that can be planned, by id."""
        return {model.id: model for model in self.models}

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
        shown = shortened(text, 80)
        if len(partial) > 1:
            raise QuestionError(f'"{shown}" may be any of {_listed(sorted(partial))}; name one of them', field="model")
        near = [one.model.id for one in found[:6]]
        hint = f"; near it are {_listed(near)}" if near else ""
        raise QuestionError(f'there is no model "{shown}" in the catalogue{hint}', field="model")

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
    families = [read_family(path) for path in sorted(_FOLDER.glob("*.toml")) if path.name != TOKENIZERS]
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
