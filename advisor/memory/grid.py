"""One model in many files and contexts at once, whole on the GPUs (without any: on the host): bytes by device as arrays.

Files of one model differ in their weights alone and contexts in all but them, so that each is worked out once and the sums are
an addition of arrays. What does not depend on a machine's sizes is kept: the next machine of the same kind costs the addition.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from advisor.machines.profile import Backend
from advisor.memory.devices import UNIFIED, Device, empty_pool
from advisor.memory.fitting import free_split
from advisor.memory.layout import Layout
from advisor.memory.overhead import gpu_overhead, host_overhead
from advisor.memory.placement import Placement, place
from advisor.memory.plan import Pool
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata

Bytes = NDArray[np.int64]


class Quantizable(Protocol):
    """A model of the catalogue, told from others by its identity."""

    def quantized(self, quantization: str) -> ModelMetadata: ...
    def __hash__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Grid:
    """What a model takes: the totals of `plan_memory`, overhead included, in each file and at each context."""

    totals: Bytes
    """By file, context and device, the host last."""
    shared_pages: Bytes
    """By file: bytes that host and GPU have both mapped, which count once where they share a memory under Metal."""

    def pools(self, devices: Sequence[Device]) -> Iterator[tuple[Pool, Bytes, Bytes]]:
        """Each memory of `devices`, empty, with the total in it and the GPUs' part of that, by file and context."""
        for name in dict.fromkeys(device.pool for device in devices):
            members = [index for index, device in enumerate(devices) if device.pool == name]
            gpus = [index for index in members if devices[index].kind == "gpu"]
            total = self.totals[:, :, members].sum(axis=2)
            if name == UNIFIED and devices[0].backend == "metal":
                total = total - self.shared_pages[:, None]
            yield empty_pool(name, devices[members[0]]), total, self.totals[:, :, gpus].sum(axis=2)


def whole_grid(
    model: Quantizable, quantizations: Sequence[str], settings: Sequence[RunSettings], devices: Sequence[Device]
) -> Grid:
    """`model` in each of `quantizations` with each of `settings`, which differ in the context only, on `devices`."""
    gpus = len(devices) - 1
    split = free_split(devices) if gpus > 1 else None
    return _grid(model, tuple(quantizations), tuple(settings), devices[0].backend, gpus, split)


@lru_cache(maxsize=4096)
def _grid(
    model: Quantizable,
    quantizations: tuple[str, ...],
    settings: tuple[RunSettings, ...],
    backend: Backend | None,
    gpus: int,
    split: tuple[float, ...] | None,
) -> Grid:
    files = [model.quantized(name) for name in quantizations]
    hp = files[0].hyperparameters
    layouts = [Layout(files[0], _whole(one, gpus), backend) for one in settings]
    placement = place(hp, layouts[0].rules, gpus=gpus, split=split)
    varying = np.stack([_all_but_weights(layout, placement) for layout in layouts])
    same = [Layout(file, layouts[0].settings, backend) for file in files]
    weights = np.stack([layout.weights(placement) for layout in same])
    overhead = np.array([*[gpu_overhead(backend)] * gpus, host_overhead(hp.vocab_size)], dtype=np.int64)
    totals: Bytes = weights[:, None, :] + varying[None, :, :] + overhead
    totals.setflags(write=False)
    return Grid(totals, np.array([layout.shared_pages(placement) for layout in same], dtype=np.int64))


def _whole(settings: RunSettings, gpus: int) -> RunSettings:
    return settings.model_copy(update={"gpu_layers": "all" if gpus else 0, "cpu_moe_layers": 0})


def _all_but_weights(layout: Layout, placement: Placement) -> Bytes:
    kv, state = layout.cache.by_device(placement)
    found: Bytes = kv + state + layout.compute(placement)
    found[-1] += layout.output_bytes
    return found
