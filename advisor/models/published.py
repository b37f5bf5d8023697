"""Files as publishers make them: `recipe_of` says how, `published_bytes` what that comes to.

llama-quantize's rules changed over the years and publishers have habits; `publishers.toml` holds what is known of both.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from advisor.errors import QuestionError
from advisor.models.file_size import ALIGNMENT, error_band, padded
from advisor.models.library import CatalogueModel
from advisor.models.quantization import (
    Era,
    TensorGroups,
    era_of,
    group_tensors,
    kept_types,
    quantization,
    quantized_bytes,
)
from advisor.models.tensors import tensors_by_block

Band = tuple[float, float]

ROUNDING: Band = (-0.001, 0.001)
"""What a file by a known recipe may be off: its vocabulary and chat template."""


WHOLE_GB = 500_000_000
"""What a size that was published in whole GB may be off."""


@dataclass(frozen=True)
class Recipe:
    """How a publisher's file of a model is made, as far as it is known."""

    era: Era
    tensors: tuple[tuple[str, bool], ...] = ()
    """Options of the tensor list (`TensorOptions`) that differ from today's."""
    imatrix: bool | None = None
    """None: only where a type cannot be made without."""
    own: Mapping[str, Any] | None = field(default=None, hash=False, compare=False)
    """The bands of a publisher whose mixes are not llama.cpp's."""


def recipe_of(model: CatalogueModel, repository: str | None = None, made: date | None = None) -> Recipe:
    """How the files of a repository ("owner/name", or the owner alone) are made.

    By the rules of the day `made`, else of the model's release, else of today.
    """
    owner, _, name = (repository or "").partition("/")
    habits = _table()["publishers"].get(owner, {})
    day = made or model.release_date
    if day and (stopped := habits.get("stopped")):
        day = min(day, stopped)
    tensors: dict[str, bool] = {}
    for layout in _table()["layouts"]:
        applies = _trained_for_it(name) if layout.get("aware") else day is not None and day < layout["until"]
        if model.architecture == layout["architecture"] and applies:
            tensors |= layout["tensors"]
    if owner and _stores_tied_output(model, habits, day):
        tensors["tied_embeddings"] = False
    era = era_of(f"{day:%Y-%m}") if day else Era()
    if not habits.get("floats_by_quantize"):
        era = replace(era, float_output_q6=False)
    return Recipe(era, tuple(sorted(tensors.items())), _imatrix(habits, name), _own(model, habits, day))


def _imatrix(habits: Mapping[str, Any], name: str) -> bool | None:
    """Whether the files of a publisher's repository `name` are made with an importance matrix; None where unknown."""
    if any(part in f"{name.lower()}-" for part in _table()["imatrix_repositories"]):
        return True
    if habits.get("imatrix_unless_aware"):
        return None if _trained_for_it(name) else True
    known: bool | None = habits.get("imatrix")
    return known


def _trained_for_it(name: str) -> bool:
    """Whether a repository is named as of a model that was trained for its quantization ("gemma-3-1b-it-qat-GGUF")."""
    return "-qat" in name.lower()


def _stores_tied_output(model: CatalogueModel, habits: Mapping[str, Any], day: date | None) -> bool:
    """Whether a publisher's files hold the output tensor although the model uses its token embedding again.

    llama.cpp's converter writes it wherever the checkpoint holds it (conversion/qwen.py; other architectures leave it out).
    """
    if not model.options.tied_embeddings:
        return False
    until = habits.get("stores_tied_output_until")
    if until and day and day < until:
        return True
    embedding = model.hyperparameters.vocab_size * model.hyperparameters.embedding_length
    doubled = model.entry.checkpoint_parameters == model.parameters + embedding
    return doubled and not habits.get("drops_tied_output", False)


def _own(model: CatalogueModel, habits: Mapping[str, Any], day: date | None) -> Mapping[str, Any] | None:
    """The publisher's `own` entry where its files of this model are by a mix of its own."""
    own = habits.get("own")
    if not own or not day:
        return None
    kinds = ["since", "mixture" if model.hyperparameters.expert_count > 1 else "dense"]
    if "per_layer_token_embd.weight" in model.block_tensors.others:
        kinds.append("per_layer_embedding")
    return own if any(kind in own and day >= own[kind] for kind in kinds) else None


def published_bytes(model: CatalogueModel, name: str, recipe: Recipe, *, with_header: bool = True) -> int:
    """Bytes of a file made by `recipe`; without its header and padding on request. Raises QuestionError where it cannot be."""
    entry = quantization(name)
    if not entry.exact and entry.embedding_type is None:
        recipe = Recipe(Era())  # the ratios of dynamic files are to today's mix
    imatrix = recipe.imatrix if entry.default_bits < 8 else None
    groups = _groups(model, recipe)
    size = int(quantized_bytes(groups, (name,), imatrix=imatrix, alignment=ALIGNMENT if with_header else 1)[0])
    return size + padded(model.header_bytes) if with_header else size


def published_band(model: CatalogueModel, name: str, recipe: Recipe) -> Band:
    """How far a file that a publisher made by `recipe` may be from `published_bytes`: (lowest, highest) relative difference."""
    entry = quantization(name)
    if not entry.exact:
        return error_band(name, mixture=model.hyperparameters.expert_count > 1)
    if recipe.own is None or entry.default_bits >= 8:
        return ROUNDING
    bits = "four" if entry.default_bits >= 4 else "three" if entry.default_bits >= 3 else "two"
    return tuple(recipe.own[bits]) if bits in recipe.own else unknown_band()


def unknown_band() -> Band:
    """How far a file is mostly from the plain mix of its name where nothing else is known of its recipe."""
    low, high = _table()["unknown"]
    return float(low), float(high)


@lru_cache(maxsize=4096)
def band_of_publishers(model: CatalogueModel, name: str) -> Band:
    """How far a published file of `name` may be from today's llama-quantize: over the usual publishers.

    Those whose recipes are their own altogether are left out, and those who stopped before the model came out.
    """
    if known := model.entry.published_bytes.get(quantization(name).name):
        return -WHOLE_GB / known, WHOLE_GB / known
    try:
        today = published_bytes(model, name, Recipe(Era()))
    except QuestionError:  # a quantization that the model cannot have
        return ROUNDING
    low, high = published_band(model, name, Recipe(Era()))
    for publisher in (None, *_usual_publishers(model)):
        recipe = recipe_of(model, publisher)
        size = published_bytes(model, name, recipe)
        below, above = published_band(model, name, recipe)
        low, high = min(low, size * (1 + below) / today - 1), max(high, size * (1 + above) / today - 1)
    return low, high


def _usual_publishers(model: CatalogueModel) -> list[str]:
    released = model.release_date
    return [
        name
        for name, habits in _table()["publishers"].items()
        if "since" not in habits.get("own", {}) and not (released and "stopped" in habits and released > habits["stopped"])
    ]


@lru_cache(maxsize=1024)
def _groups(model: CatalogueModel, recipe: Recipe) -> TensorGroups:
    if recipe.era == Era() and not recipe.tensors:
        return model.groups
    options = replace(model.options, **dict(recipe.tensors))  # type: ignore[arg-type]
    tensors = tensors_by_block(model.hyperparameters, options)
    return group_tensors(tensors, model.hyperparameters, era=recipe.era, kept=kept_types(model.hyperparameters))


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(resources.files("advisor.models").joinpath("publishers.toml").read_text("utf-8"))
