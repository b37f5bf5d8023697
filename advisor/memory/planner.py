"""From a model, a machine and settings to a `MemoryPlan`: the one way in to all formulas of this package."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.machines.profile import MachineProfile
from advisor.memory.cache import nextn_cache_bytes
from advisor.memory.devices import RAM, UNIFIED, Device, devices_of
from advisor.memory.fitting import fit, free_split, lowered_context, most_layers
from advisor.memory.layout import Layout
from advisor.memory.overhead import gpu_overhead, host_overhead
from advisor.memory.placement import Placement, place
from advisor.memory.plan import DevicePlan, Grade, MemoryPlan, Pool
from advisor.memory.repack import repacked_bytes
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata
from advisor.units import format_size

_FITTED = ("llama-server", "llama-cli", "ollama")
"""Runtimes that place layers as common/fit.cpp does; Ollama since it runs llama-server."""


class Projector(Protocol):
    """A vision or audio projector (mmproj), as far as memory is concerned."""

    @property
    def weights_bytes(self) -> int: ...
    @property
    def compute_bytes(self) -> int: ...


@dataclass(frozen=True)
class _Beside:
    """What runs beside the model, in bytes by device."""

    projector: NDArray[np.int64]
    draft: NDArray[np.int64]

    @property
    def total(self) -> NDArray[np.int64]:
        return self.projector + self.draft


@dataclass(frozen=True)
class Arrangement:
    """A question with its placement decided; what each part takes is still to be worked out."""

    layout: Layout
    placement: Placement
    devices: tuple[Device, ...]
    beside: _Beside
    asked: RunSettings
    machine: MachineProfile | None = None


@dataclass(frozen=True)
class Components:
    """Bytes by device, the host last, of what the engine itself allocates for one model."""

    weights: Sequence[int] | NDArray[np.int64]
    kv_cache: Sequence[int] | NDArray[np.int64]
    recurrent_state: Sequence[int] | NDArray[np.int64]
    compute: Sequence[int] | NDArray[np.int64]
    output: int
    """On the host."""


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
    QuestionError where a tensor split does not match the GPUs.
    """
    arrangement = arrange(model, machine, settings, gpus=gpus, projector=projector, draft=draft, lower_context=lower_context)
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
    beside = _Beside(_projector_bytes(projector, layout, devices), _draft_bytes(draft, layout, devices))
    if lower_context and settings.gpu_layers == "auto" and layout.rules.fit and settings.runtime in _FITTED:
        context = lowered_context(layout, devices, beside.total)
        if context != settings.context:
            layout = replace(layout, settings=settings.model_copy(update={"context": context}), _compute={})
    placement = choose_placement(layout, devices, beside.total)
    if layout.nextn:
        beside = replace(beside, draft=beside.draft + _own_draft_bytes(layout, placement))
    return Arrangement(layout, placement, devices, beside, settings, machine)


def assemble(arrangement: Arrangement, components: Components, grade: Grade) -> MemoryPlan:
    """The plan that these components make."""
    layout, placement, devices = arrangement.layout, arrangement.placement, arrangement.devices
    rows = _rows(arrangement, components)
    return MemoryPlan(
        devices=rows,
        pools=_pools(rows, devices, layout, placement),
        settings=_settled(layout.settings, placement),
        grade=grade,
        assumptions=_assumptions(layout, placement, devices, arrangement.asked)
        + _repacked(layout.model, arrangement.machine, devices),
    )


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
        arrangement = Arrangement(layout, placement, devices, _Beside(nothing, nothing), settings)
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


def _draft_bytes(draft: ModelMetadata | None, layout: Layout, devices: Sequence[Device]) -> NDArray[np.int64]:
    """A draft model is planned like the model, whole on the GPUs, with f16 cache and the model's context and slots
    (common/speculative.cpp:2420-2500; common/fit.cpp:218-238 adds it to every measurement)."""
    found = np.zeros(len(devices), dtype=np.int64)
    if draft is None or _drafts_itself(layout.model, draft):
        return found
    settings = layout.settings.model_copy(
        update={
            "type_k": "f16",
            "type_v": "f16",
            "cpu_moe_layers": 0,
            "gpu_layers": 0 if layout.settings.gpu_layers == 0 else "all",
        }
    )
    own = Layout(draft, settings, devices[0].backend)
    placement = choose_placement(own, devices, found)
    found += own.total(placement)
    found[-1] += own.output_bytes
    return found


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


# --- rows and pools --------------------------------------------------------------------------------


def _rows(arrangement: Arrangement, components: Components) -> tuple[DevicePlan, ...]:
    beside, vocab_size = arrangement.beside, arrangement.layout.model.hyperparameters.vocab_size
    rows = []
    for index, device in enumerate(arrangement.devices):
        on_host = device.kind == "host"
        rows.append(
            DevicePlan(
                name=device.name,
                kind=device.kind,
                pool=device.pool,
                capacity_bytes=device.capacity_bytes,
                in_use_bytes=device.in_use_bytes,
                weights_bytes=int(components.weights[index]),
                kv_cache_bytes=int(components.kv_cache[index]),
                recurrent_state_bytes=int(components.recurrent_state[index]),
                compute_bytes=int(components.compute[index]),
                output_bytes=components.output if on_host else 0,
                projector_bytes=int(beside.projector[index]),
                draft_bytes=int(beside.draft[index]),
                overhead_bytes=host_overhead(vocab_size) if on_host else gpu_overhead(device.backend),
            )
        )
    return tuple(rows)


def _pools(rows: Sequence[DevicePlan], devices: Sequence[Device], layout: Layout, placement: Placement) -> tuple[Pool, ...]:
    """One pool for each memory. Metal maps the file's pages, so a tied embedding that host and GPU use counts once."""
    pools = []
    for name in dict.fromkeys(device.pool for device in devices):
        members = [(row, device) for row, device in zip(rows, devices, strict=True) if device.pool == name]
        total = sum(row.total_bytes for row, _ in members)
        if name == UNIFIED and devices[0].backend == "metal":
            total -= layout.shared_pages(placement)
        first = members[0][1]
        pools.append(
            Pool(
                id=name,
                kind="unified" if name == UNIFIED else "ram" if name == RAM else "vram",
                capacity_bytes=first.capacity_bytes,
                gpu_limit_bytes=first.limit_bytes,
                in_use_bytes=first.in_use_bytes,
                total_bytes=total,
                gpu_total_bytes=sum(row.total_bytes for row, _ in members if row.kind == "gpu"),
            )
        )
    return tuple(pools)


def _settled(settings: RunSettings, placement: Placement) -> RunSettings:
    if settings.gpu_layers != "auto":
        return settings
    kept = sum(placement.experts_on_host)
    return settings.model_copy(update={"gpu_layers": placement.gpu_layers, "cpu_moe_layers": kept})


# --- what was assumed ------------------------------------------------------------------------------


def _assumptions(layout: Layout, placement: Placement, devices: Sequence[Device], asked: RunSettings) -> tuple[str, ...]:
    settings, hp = layout.settings, layout.model.hyperparameters
    said = []
    if hp.context_length is not None and settings.context > hp.context_length * (1 if settings.unified_kv else settings.slots):
        said.append(
            f"The context of {settings.context:,} tokens is longer than the {hp.context_length:,} that the model was "
            "trained for."
        )
    if settings.context < asked.context:
        said.append(f"The context was lowered from {asked.context:,} to {settings.context:,} tokens to fit the GPU's memory.")
    skipped = _skipped_bytes(layout)
    if skipped:
        said.append(f"{format_size(skipped)} of the file predict several tokens at once; they are loaded only with --draft.")
    if asked.gpu_layers == "auto" and any(placement.experts_on_host):
        said.append("Which blocks keep their experts in system memory is llama.cpp's choice: the last ones, not the first.")
    if len(devices) > 1:
        said.append(
            f"Driver and runtime are taken as {format_size(gpu_overhead(devices[0].backend))} on each GPU (typical); "
            "load logs do not print it."
        )
    if settings.runtime in ("llama-server", "ollama") and layout.rules.auto_slots:
        said.append(
            "llama-server keeps earlier prompts in up to 8 GiB of system memory as it runs (--cache-ram); not counted here."
        )
    return tuple(said)


def _repacked(model: ModelMetadata, machine: MachineProfile | None, devices: Sequence[Device]) -> tuple[str, ...]:
    if machine is None or len(devices) > 1 or not machine.cpu.instruction_sets:
        return ()
    size = repacked_bytes(model.tensors, machine.cpu.instruction_sets)
    if not size:
        return ()
    said = (
        f"llama.cpp copies {format_size(size)} of weights into a layout of this processor's own; they count once, since the "
        "system can drop the file's pages."
    )
    return (said,)


def _skipped_bytes(layout: Layout) -> int:
    hp, table = layout.model.hyperparameters, layout.model.weight_table
    if layout.nextn or not hp.nextn_predict_layers:
        return 0
    return int(table.block_bytes[hp.layer_count :].sum() + table.expert_bytes[hp.layer_count :].sum())
