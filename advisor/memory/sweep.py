"""One model over many contexts: what the page's figure of memory against context draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.machines.profile import MachineProfile
from advisor.memory.cache import cache_bytes
from advisor.memory.compute import compute_bytes
from advisor.memory.devices import devices_of
from advisor.memory.layout import Layout
from advisor.memory.overhead import gpu_overhead, host_overhead
from advisor.memory.planner import choose_placement
from advisor.memory.settings import RunSettings
from advisor.models.metadata import ModelMetadata

Bytes = NDArray[np.int64]


@dataclass(frozen=True)
class Sweep:
    """Bytes by device (rows, the host last) and context (columns); the placement is that of the settings' own context."""

    contexts: Bytes
    weights: Bytes
    """One entry a device: weights do not depend on the context."""
    kv_cache: Bytes
    recurrent_state: Bytes
    """One entry a device."""
    compute: Bytes
    output: Bytes
    overhead: Bytes

    @property
    def total(self) -> Bytes:
        """Everything by device and context."""
        fixed = self.weights + self.recurrent_state + self.output + self.overhead
        return fixed[:, None] + self.kv_cache + self.compute


def sweep(
    model: ModelMetadata,
    machine: MachineProfile | None,
    settings: RunSettings,
    contexts: Sequence[int] | Bytes,
    *,
    gpus: int = 1,
) -> Sweep:
    """What `model` takes at each of `contexts`, in tokens of all slots together, with the layers placed as `settings` say.

    "auto" places them for the settings' own context, and they stay there.
    """
    devices = devices_of(machine, 0 if machine is None and settings.gpu_layers == 0 else gpus)
    layout = Layout(model, settings, devices[0].backend)
    none = np.zeros(len(devices), dtype=np.int64)
    placement = choose_placement(layout, devices, none)
    asked = np.asarray(contexts, dtype=np.int64)
    cache = cache_bytes(model.hyperparameters, settings, layout.rules, asked)
    kv, state = cache.by_device(placement)
    output = none.copy()
    output[-1] = layout.output_bytes
    overhead = [
        gpu_overhead(device.backend) if device.kind == "gpu" else host_overhead(model.hyperparameters.vocab_size)
        for device in devices
    ]
    return Sweep(
        contexts=asked,
        weights=layout.weights(placement),
        kv_cache=kv.T,
        recurrent_state=state,
        compute=compute_bytes(model, placement, settings, layout.rules, asked, backend=layout.backend),
        output=output,
        overhead=np.array(overhead, dtype=np.int64),
    )
