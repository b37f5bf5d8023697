"""From a model, a machine and settings to a `MemoryPlan`: the one way in to all formulas of this package."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.machines.profile import MachineProfile
from advisor.memory.assembly import Arrangement, Beside, Components, assemble
from advisor.memory.cache import nextn_cache_bytes
from advisor.memory.devices import Device, devices_of
from advisor.memory.fitting import fit, free_split, lowered_context, most_layers
from advisor.memory.graph_room import check_graph
from advisor.memory.layout import Layout
from advisor.memory.placement import Placement, place
from advisor.memory.plan import MemoryPlan
from advisor.memory.presets import check
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata

_FITTED = ("llama-server", "llama-cli", "ollama")
"""Runtimes that place layers as common/fit.cpp does; Ollama since it runs llama-server."""


class Projector(Protocol):
    """A vision or audio projector (mmproj), as far as memory is concerned."""

    @property
    def weights_bytes(self) -> int: ...
    @property
    def compute_bytes(self) -> int: ...


def plan_memory(
    model: ModelMetadata,
    machine: MachineProfile | None,
    settings: RunSettings,
    *,
    gpus: int = 1,
    projector: Projector | None = None,
    draft: ModelMetadata | None = None,
    lower_context: bool = False,
) -> MemoryPlan:
    """What `model` takes on `machine`, by device and component; on `gpus` equal GPUs without a limit where `machine` is None.

    `lower_context` allows automatic placement to lower the context, as the engine does where it was not asked for. Raises
    QuestionError where a tensor split does not match the GPUs, and for what the engine refuses.
    """
    arrangement = arrange(model, machine, settings, gpus=gpus, projector=projector, draft=draft, lower_context=lower_context)
    check_arrangement(arrangement)
    return assemble(arrangement, _by_formula(arrangement), "formula")


def arrange(
    model: ModelMetadata,
    machine: MachineProfile | None,
    settings: RunSettings,
    *,
    gpus: int = 1,
    projector: Projector | None = None,
    draft: ModelMetadata | None = None,
    lower_context: bool = False,
) -> Arrangement:
    """Where everything goes, as `plan_memory` decides it."""
    devices = devices_of(machine, 0 if machine is None and settings.gpu_layers == 0 else gpus)
    layout = Layout(model, settings, devices[0].backend, nextn=_drafts_itself(model, draft))
    beside = Beside(_projector_bytes(projector, layout, devices), _draft_bytes(draft, layout, devices))
    if lower_context and settings.gpu_layers == "auto" and layout.rules.fit and settings.runtime in _FITTED:
        context = lowered_context(layout, devices, beside.total)
        if context != settings.context:
            layout = replace(layout, settings=settings.model_copy(update={"context": context}), _compute={})
    placement = choose_placement(layout, devices, beside.total)
    if layout.nextn:
        beside = replace(beside, draft=beside.draft + _own_draft_bytes(layout, placement))
    return Arrangement(layout, placement, devices, beside, settings)


def check_arrangement(arrangement: Arrangement) -> None:
    """Raise QuestionError for what the engine refuses, or ends at, with its reason."""
    layout = arrangement.layout
    check(layout.settings, layout.model.hyperparameters, layout.rules)
    check_graph(layout, arrangement.placement)


def _by_formula(arrangement: Arrangement) -> Components:
    layout, placement = arrangement.layout, arrangement.placement
    kv, state = layout.cache.by_device(placement)
    return Components(layout.weights(placement), kv, state, layout.compute(placement), layout.output_bytes)


def plan_quantizations(
    models: Iterable[ModelMetadata], machine: MachineProfile | None, settings: RunSettings, *, gpus: int = 1
) -> Iterator[MemoryPlan]:
    """A plan for each of `models`, one model in several quantizations, with all layers on the GPUs (or, without any, the host).

    One after the other as they are asked for. Compute buffers are worked out once: they hold activations, and weights only
    where some are copied from the host, which is not so here.
    """
    settings = settings.model_copy(update={"gpu_layers": "all" if settings.gpu_layers else 0, "cpu_moe_layers": 0})
    devices = devices_of(machine, 0 if machine is None and settings.gpu_layers == 0 else gpus)
    nothing = np.zeros(len(devices), dtype=np.int64)
    first: Layout | None = None
    for model in models:
        layout = Layout(model, settings, devices[0].backend) if first is None else replace(first, model=model)
        first = layout
        placement = choose_placement(layout, devices, nothing)
        arrangement = Arrangement(layout, placement, devices, Beside(nothing, nothing), settings)
        yield assemble(arrangement, _by_formula(arrangement), "formula")


def choose_placement(layout: Layout, devices: Sequence[Device], extra: NDArray[np.int64]) -> Placement:
    """The placement that the settings ask for, or that the runtime finds where they say "auto"."""
    settings = layout.settings
    if settings.gpu_layers == "auto":
        fitted = settings.runtime in _FITTED and layout.rules.fit
        return fit(layout, devices, extra) if fitted else most_layers(layout, devices, extra)
    return place(
        layout.model.hyperparameters,
        layout.rules,
        gpus=len(devices) - 1,
        gpu_layers=None if settings.gpu_layers == "all" else settings.gpu_layers,
        split=settings.tensor_split or free_split(devices),
        experts_on_host=settings.cpu_moe_layers,
    )


# --- what runs beside the model --------------------------------------------------------------------


def _drafts_itself(model: ModelMetadata, draft: ModelMetadata | None) -> bool:
    """True where the draft model is the model itself, which then drafts with its multi-token-prediction blocks."""
    return draft is not None and draft.id == model.id and model.hyperparameters.nextn_predict_layers > 0


def _projector_bytes(projector: Projector | None, layout: Layout, devices: Sequence[Device]) -> NDArray[np.int64]:
    """A projector lies on the first GPU (tools/mtmd/clip.cpp takes the first of type GPU), without one on the host."""
    found = np.zeros(len(devices), dtype=np.int64)
    if projector is not None:
        first = 0 if layout.settings.gpu_layers != 0 else len(devices) - 1
        found[first] = projector.weights_bytes + projector.compute_bytes
    return found


def arrange_draft(draft: ModelMetadata, layout: Layout, devices: Sequence[Device]) -> Arrangement:
    """Where a draft model of its own goes: planned like the model, whole on the GPUs, with f16 cache and the model's context
    and slots (common/speculative.cpp:2420-2500; common/fit.cpp:218-238 adds it to every measurement)."""
    settings = layout.settings.model_copy(
        update={
            "type_k": "f16",
            "type_v": "f16",
            "cpu_moe_layers": 0,
            "gpu_layers": 0 if layout.settings.gpu_layers == 0 else "all",
        }
    )
    own, nothing = Layout(draft, settings, devices[0].backend), np.zeros(len(devices), dtype=np.int64)
    placement = choose_placement(own, devices, nothing)
    return Arrangement(own, placement, tuple(devices), Beside(nothing, nothing), settings)


def _draft_bytes(draft: ModelMetadata | None, layout: Layout, devices: Sequence[Device]) -> NDArray[np.int64]:
    if draft is None or _drafts_itself(layout.model, draft):
        return np.zeros(len(devices), dtype=np.int64)
    return _by_formula(arrange_draft(draft, layout, devices)).total


def _own_draft_bytes(layout: Layout, placement: Placement) -> NDArray[np.int64]:
    """What a second context for the model's own multi-token-prediction blocks takes, beside their weights.

    Its compute buffer is taken as large as the model's on the device of the last block, since either holds the activations of
    one block at a time.
    """
    hp = layout.model.hyperparameters
    kv, state = nextn_cache_bytes(hp, layout.settings, layout.rules).by_device(placement)
    found = kv + state
    found[placement.blocks[-1]] += layout.compute(placement)[placement.blocks[-1]]
    found[-1] += layout.output_bytes
    return found
