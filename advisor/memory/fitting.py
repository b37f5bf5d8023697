"""`--gpu-layers auto`: how many layers go to each GPU.

`fit` follows llama.cpp's common/fit.cpp (llama-server, llama-cli, and Ollama, which runs llama-server); `most_layers` is for
runtimes with a plain rule. Left out of the first: the last step, which moves a part of one more block's experts to a GPU
(fit.cpp:811-863), so that a plan may leave up to one block's experts more on the host than the engine does.

The engine lays out each guess and draws a line through its two bounds for the next (fit.cpp:691-716 and 764-801). Here guesses
are laid out only where compute buffers may decide. Both end at a number that fits while the next does not, and look at a GPU
only while they fill it. There can be several such numbers, as a GPU's compute buffer shrinks where nothing is left to copy to
it; which of them is found is then chance in both. tests/memory/test_fitting.py holds this search to the engine's guesses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from advisor.memory.devices import Device
from advisor.memory.layout import Layout
from advisor.memory.placement import Placement, place
from advisor.units import MIB

MARGIN_BYTES = 1024 * MIB
"""What is left free on each GPU (common/common.h:483, fit_params_target)."""
LEAST_CONTEXT = 4096
"""The context is not lowered below this (common/common.h:480, fit_params_min_ctx)."""
_WITHOUT_LIMIT = 2**62

Extra = NDArray[np.int64]
"""Bytes by device that something else of the same run takes: a projector, a draft model."""


@dataclass(frozen=True, slots=True)
class Share:
    """Layers of one GPU: `layers` in all, of which the last `sparse` have their experts on the host (fit.cpp's ngl_t)."""

    layers: int = 0
    sparse: int = 0


def targets(devices: Sequence[Device], extra: Extra) -> list[int]:
    """Most bytes that the model may take on each GPU."""
    return [
        _WITHOUT_LIMIT if device.free_bytes is None else device.free_bytes - MARGIN_BYTES - int(taken)
        for device, taken in zip(devices[:-1], extra, strict=False)
    ]


def free_split(devices: Sequence[Device]) -> tuple[float, ...] | None:
    """Each GPU's share of the layers by its free memory (src/llama-model.cpp:1559-1575); None where a GPU has no limit."""
    free = [device.free_bytes for device in devices[:-1]]
    return None if any(one is None for one in free) else tuple(float(one or 0) for one in free)


def fits(layout: Layout, placement: Placement, limits: Sequence[int]) -> bool:
    """True where every GPU keeps within its limit."""
    resident = layout.resident(placement)
    if any(int(resident[gpu]) > limit for gpu, limit in enumerate(limits)):
        return False
    total = layout.total(placement)
    return all(int(total[gpu]) <= limit for gpu, limit in enumerate(limits))


def fit(layout: Layout, devices: Sequence[Device], extra: Extra) -> Placement:
    """The placement that common/fit.cpp arrives at. A split or experts set by the user stop it: all layers
    are offloaded."""
    settings = layout.settings
    limits = targets(devices, extra)
    full = _place_all(layout, devices)
    chosen_by_user = (settings.tensor_split is not None and len(limits) > 1) or settings.cpu_moe_layers > 0
    if chosen_by_user or not limits or fits(layout, full, limits):
        return full
    return _Search(layout, limits).run()


def most_layers(layout: Layout, devices: Sequence[Device], extra: Extra) -> Placement:
    """The most layers with which every GPU keeps the margin free, split as asked or by free memory."""
    limits = targets(devices, extra)
    full = _place_all(layout, devices)
    if not limits or fits(layout, full, limits):
        return full

    def candidate(layers: int) -> Placement:
        return _place_all(layout, devices, layers)

    return candidate(_largest(layout, candidate, dict(enumerate(limits)), 0, full.gpu_layers))


def lowered_context(layout: Layout, devices: Sequence[Device], extra: Extra) -> int:
    """The context that fit.cpp lowers to where the model does not fit as it is and the context was not asked for
    (fit.cpp:374-428)."""
    settings, rules = layout.settings, layout.rules
    limits = targets(devices, extra)
    full = _place_all(layout, devices)
    streams = settings.slots if rules.split_cache and not settings.unified_kv else 1
    least = LEAST_CONTEXT * streams
    used = int(layout.total(full)[:-1].sum())
    if not limits or used <= sum(limits) or settings.context <= least:
        return settings.context
    target = sum(limits)
    if len(limits) > 1:
        table = layout.model.weight_table
        a_layer = int(layout.weights(full)[:-1].sum()) // max(layout.model.hyperparameters.layer_count, 1)
        target -= (len(limits) + 1) * a_layer // (6 if table.expert_bytes.any() else 2)
    smallest = replace(layout, settings=settings.model_copy(update={"context": least}), _compute={})
    used_least = int(smallest.total(full)[:-1].sum())
    if target <= used_least or used <= used_least:
        return least
    context = least + (settings.context - least) * (target - used_least) // (used - used_least)
    return max(context - context % (256 * streams), least)


def _place_all(layout: Layout, devices: Sequence[Device], layers: int | None = None) -> Placement:
    settings = layout.settings
    return place(
        layout.model.hyperparameters,
        layout.rules,
        gpus=len(devices) - 1,
        gpu_layers=layers,
        split=settings.tensor_split or free_split(devices),
        experts_on_host=settings.cpu_moe_layers,
    )


def _largest(layout: Layout, candidate: Callable[[int], Placement], limits: Mapping[int, int], low: int, high: int) -> int:
    """The largest number whose placement keeps every GPU of `limits` within its limit; `low` is taken as good, `high` as not.

    Compute buffers hardly change from one number to the next, so they are laid out only for numbers that they may decide.
    """
    compute = np.zeros(candidate(low).device_count, dtype=np.int64)

    @cache
    def resident(number: int) -> Extra:
        return layout.resident(candidate(number))

    def keeps(number: int) -> bool:
        taken = resident(number) + compute
        return all(taken[gpu] <= limit for gpu, limit in limits.items())

    def most(bottom: int, top: int) -> int:
        while top - bottom > 1:
            middle = (bottom + top) // 2
            bottom, top = (middle, top) if keeps(middle) else (bottom, middle)
        return bottom

    if high - low > 1:
        compute = layout.compute(candidate(max(most(low, high), low + 1)))
    of = high
    while high - low > 1:
        bottom = most(low, high)
        if bottom == low == of:
            break
        of = max(bottom, low + 1)
        compute = layout.compute(candidate(of))
        low, high = (of, high) if keeps(of) else (low, of)
    return low


class _Search:
    """Steps 3 and 4 of common_params_fit_impl: layers from the back, then whole blocks with their experts from the front."""

    def __init__(self, layout: Layout, limits: Sequence[int]) -> None:
        self.layout = layout
        self.limits = list(limits)
        hp = layout.model.hyperparameters
        self.layers = hp.layer_count + 1 + (hp.nextn_predict_layers if layout.nextn else 0)
        """hp_ngl + 1: without blocks for multi-token prediction, though placement counts them (fit.cpp:140-143)."""
        self.sparse = hp.expert_count > 0

    def run(self) -> Placement:
        shares = self._from_the_back()
        if self.sparse and self._dense_layers_fit(shares):
            shares = self._from_the_front(shares)
        return self.placement(shares)

    def placement(self, shares: Sequence[Share]) -> Placement:
        """set_ngl_tensor_split_tbo (fit.cpp:545-583)."""
        hp = self.layout.model.hyperparameters
        on_host = [False] * hp.block_count
        block = self.layers - sum(share.layers for share in shares)
        for share in shares:
            block += share.layers - share.sparse
            for sparse in range(block, min(block + share.sparse, hp.block_count)):
                on_host[sparse] = True
            block += share.sparse
        return place(
            hp,
            self.layout.rules,
            gpus=len(shares),
            gpu_layers=sum(share.layers for share in shares),
            split=[float(share.layers) for share in shares] if len(shares) > 1 else None,
            experts_on_host=on_host,
        )

    def most(self, make: Callable[[int], Sequence[Share]], gpu: int, high: int) -> int:
        """The largest number below `high` whose shares keep `gpu` within its limit."""
        return _largest(self.layout, lambda number: self.placement(make(number)), {gpu: self.limits[gpu]}, 0, high)

    def within(self, shares: Sequence[Share], gpu: int) -> bool:
        """True where `gpu` keeps within its limit; compute buffers are laid out only where the rest leaves room."""
        placement = self.placement(shares)
        if int(self.layout.resident(placement)[gpu]) > self.limits[gpu]:
            return False
        return int(self.layout.total(placement)[gpu]) <= self.limits[gpu]

    def _dense_layers_fit(self, shares: Sequence[Share]) -> bool:
        """True where all GPUs together have room for everything but experts (global_surplus_cpu_moe > 0, fit.cpp:620-655)."""
        if len(shares) == 1:
            return shares[0].layers == self.layers
        hp = self.layout.model.hyperparameters
        placement = place(hp, self.layout.rules, gpus=len(self.limits), experts_on_host=[True] * hp.block_count)
        return sum(self.limits) > int(self.layout.total(placement)[:-1].sum())

    def _from_the_back(self) -> list[Share]:
        last = len(self.limits) - 1
        shares = [Share() for _ in self.limits]
        for gpu in range(last, -1, -1):
            left = self.layers - sum(share.layers for share in shares[gpu + 1 :])

            def with_layers(layers: int, gpu: int = gpu, shares: list[Share] = shares) -> list[Share]:
                sparse = (layers - (1 if gpu == last and layers else 0)) if self.sparse else 0
                return [*shares[:gpu], Share(layers, sparse), *shares[gpu + 1 :]]

            if left and self.within(with_layers(left), gpu):
                shares = with_layers(left)
            elif left:
                shares = with_layers(self.most(with_layers, gpu, left))
        return shares

    def _from_the_front(self, shares: list[Share]) -> list[Share]:
        first_sparse = next((gpu for gpu, share in enumerate(shares) if share.layers), len(shares))
        gpu = 0
        while gpu < len(shares) and gpu <= first_sparse < len(shares):
            left = sum(share.sparse for share in shares[first_sparse:])

            def converted(count: int, gpu: int = gpu, shares: list[Share] = shares, first: int = first_sparse) -> list[Share]:
                return _convert(shares, gpu, first, count)

            if self.within(converted(left), gpu):
                shares = converted(left)
            elif left:
                shares = converted(self.most(converted, gpu, left))
            while first_sparse < len(shares) and shares[first_sparse].sparse == 0:
                first_sparse += 1
            gpu += 1
        return shares


def _convert(shares: Sequence[Share], gpu: int, first: int, count: int) -> list[Share]:
    """`count` blocks without experts, taken from GPU `first` on, become whole blocks of `gpu` (fit.cpp:741-755)."""
    result = list(shares)
    for donor in range(first, len(result)):
        taken = min(count, result[donor].sparse)
        result[donor] = Share(result[donor].layers - taken, result[donor].sparse - taken)
        result[gpu] = replace(result[gpu], layers=result[gpu].layers + taken)
        count -= taken
        if not count:
            break
    return result
