"""Which device holds which block: `Placement`. Devices are numbered GPUs first, the host last."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from advisor.errors import QuestionError
from advisor.memory.rules import EngineRules
from advisor.models.hyperparameters import Hyperparameters


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the parts of a model lie. The token embedding is not in it: it always stays on the host."""

    device_count: int
    """All devices, the host included."""
    blocks: tuple[int, ...]
    """Index of the device of each block."""
    output: int
    """Index of the device of the output layer."""
    experts_on_host: tuple[bool, ...]
    """True for blocks on a GPU whose expert weights stay in system memory."""

    @property
    def host(self) -> int:
        """Index of the host."""
        return self.device_count - 1

    @property
    def gpus(self) -> int:
        """Number of GPUs, used or not."""
        return self.device_count - 1

    @property
    def gpu_layers(self) -> int:
        """Layers on GPUs as llama.cpp counts them, the output layer being one."""
        return sum(device != self.host for device in (*self.blocks, self.output))

    @property
    def complete(self) -> bool:
        """True where every block and the output layer are on GPUs (experts may still lie on the host)."""
        return self.gpu_layers == len(self.blocks) + 1

    @property
    def pipelined(self) -> bool:
        """True where llama.cpp runs several GPUs as a pipeline, with copies of the graph's inputs
        (src/llama-context.cpp:407-435)."""
        return self.gpus > 1 and self.complete and not any(self.experts_on_host)

    def experts(self, block: int) -> int:
        """Index of the device of a block's expert weights."""
        return self.host if self.experts_on_host[block] else self.blocks[block]


def place(
    hp: Hyperparameters,
    rules: EngineRules,
    *,
    gpus: int,
    gpu_layers: int | None = None,
    split: Sequence[float] | None = None,
    experts_on_host: Sequence[bool] | int = 0,
) -> Placement:
    """The placement of `gpu_layers` layers (None: all) over `gpus` GPUs, as src/llama-model.cpp:1557-1614 does it.

    `split` gives each GPU's share, in any unit (None: equal shares; llama.cpp takes free memory). `experts_on_host` is a flag
    for each block, or N for the experts of the first N blocks (--n-cpu-moe). Blocks that are left over go to the host, first
    ones first.
    """
    count = hp.block_count
    asked = count + 1 if gpu_layers is None else min(gpu_layers, count + 1)
    layers = asked if gpus else 0
    ends = split_points(split, gpus)
    # src/llama-model.cpp:1589; before the output layer came first, the start was `n_layer - n_gpu_layers`
    start = max(count + (1 if rules.output_first else 0) - (layers if gpus else 0), 0)
    devices = [gpus] * (count + 1)
    if layers:
        position = np.arange(count + 1, dtype=np.int64) - start
        shares = position.astype(np.float32) / np.float32(layers)
        chosen = np.searchsorted(ends, shares, side="right")
        devices = np.where((position >= 0) & (position < layers), chosen, gpus).tolist()
    if isinstance(experts_on_host, int):
        experts_on_host = [block < experts_on_host for block in range(count)]
    kept = tuple(
        flag and mixture and device != gpus
        for flag, mixture, device in zip(experts_on_host, hp.mixture, devices[:count], strict=True)
    )
    return Placement(gpus + 1, tuple(devices[:count]), devices[count], kept)


def split_points(split: Sequence[float] | None, gpus: int) -> np.ndarray:
    """Where each GPU's part of the layers ends, from 0 to 1, in the single precision of src/llama-model.cpp:1579-1587."""
    shares = np.ones(gpus, dtype=np.float32) if split is None else np.zeros(gpus, dtype=np.float32)
    if split is not None:
        if len(split) > gpus:
            raise QuestionError(
                f"the tensor split has {len(split)} parts for {gpus} GPU{'' if gpus == 1 else 's'}; give one part for each GPU",
                field="tensor_split",
            )
        shares[: len(split)] = split
        if not shares.any():
            shares[:] = 1
    ends = np.cumsum(shares, dtype=np.float32)
    return ends / ends[-1] if gpus else ends
