"""From what each part takes to a `MemoryPlan`: rows by device, pools, and what was assumed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from advisor.memory.devices import UNIFIED, Device, empty_pool
from advisor.memory.layout import Layout
from advisor.memory.overhead import gpu_overhead, host_overhead
from advisor.memory.placement import Placement
from advisor.memory.plan import DevicePlan, Grade, MemoryPlan, Pool
from advisor.memory.settings import RunSettings
from advisor.units import format_size


@dataclass(frozen=True)
class Beside:
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
    beside: Beside
    asked: RunSettings


@dataclass(frozen=True)
class Components:
    """Bytes by device, the host last, of what the engine itself allocates for one model."""

    weights: Sequence[int] | NDArray[np.int64]
    kv_cache: Sequence[int] | NDArray[np.int64]
    recurrent_state: Sequence[int] | NDArray[np.int64]
    compute: Sequence[int] | NDArray[np.int64]
    output: int
    """On the host."""

    @property
    def total(self) -> NDArray[np.int64]:
        """All of it by device."""
        total = np.zeros(len(self.weights), dtype=np.int64)
        for part in (self.weights, self.kv_cache, self.recurrent_state, self.compute):
            total += np.asarray(part, dtype=np.int64)
        total[-1] += self.output
        return total


def assemble(arrangement: Arrangement, components: Components, grade: Grade) -> MemoryPlan:
    """The plan that these components make."""
    layout, placement, devices = arrangement.layout, arrangement.placement, arrangement.devices
    rows = _rows(arrangement, components)
    return MemoryPlan(
        devices=rows,
        pools=_pools(rows, devices, layout, placement),
        settings=_settled(layout.settings, placement),
        grade=grade,
        assumptions=_assumptions(layout, placement, devices, arrangement.asked),
        placement=placement,
    )


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
        gpu_total = sum(row.total_bytes for row, _ in members if row.kind == "gpu")
        pools.append(replace(empty_pool(name, members[0][1]), total_bytes=total, gpu_total_bytes=gpu_total))
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
    if settings.depth > settings.context:
        said.append(
            f"{settings.depth:,} tokens do not fit a context of {settings.context:,}: the speed is that at {settings.depth:,}, "
            "the memory that of the context; ask for both with --context."
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


def _skipped_bytes(layout: Layout) -> int:
    hp, table = layout.model.hyperparameters, layout.model.weight_table
    if layout.nextn or not hp.nextn_predict_layers:
        return 0
    return int(table.block_bytes[hp.layer_count :].sum() + table.expert_bytes[hp.layer_count :].sum())
