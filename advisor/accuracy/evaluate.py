"""One record of a load log to one result: predict, read the log's sizes, leave out what the log makes impossible, compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from advisor.accuracy.cases import LoadCase, parse_case
from advisor.accuracy.compare import WEIGHTS_WITHIN, CaseResult, differences
from advisor.accuracy.logged import Component, LoggedDevice, LoggedSizes, folded, parse_sizes
from advisor.accuracy.rebuild import CaseError, Prediction, backend_of, predict
from advisor.accuracy.recipes import embedding_bytes
from advisor.errors import HeadroomError
from advisor.memory.placement import Placement, place
from advisor.memory.rules import EngineRules, rules_for
from advisor.models.tensor import Tensor
from advisor.models.tensor_role import Role, role_of
from advisor.units import MIB

_MAPPED_BY_NAME = date(2024, 11, 1)
"""From about then on, mapped buffers are named so in logs ("CPU_Mapped"); before, a mapped range is printed as "CPU"."""
_SHARED_OUT: tuple[Component, ...] = ("weights", "kv_cache", "recurrent_state")
"""What lies with its layer."""
_RANGE = "is the file's range from the first to the last tensor on the host; the log does not print the order of tensors"
_IN_SYSTEM_MEMORY = ("HTP",)
"""Accelerators without memory of their own (Hexagon): their memory breakdown prints cache and compute under the host."""
_HOST_SHARE_OF_OVERRIDES = 0.25
"""Share of the file on the host, all layers being offloaded, from which on tensors must have been kept there by hand."""


def evaluate(record: Mapping[str, Any], *, predict: Callable[[LoadCase], Prediction] = predict) -> CaseResult:
    """Predicted beside logged sizes of one record. A case that cannot be rebuilt has no differences, and the reason."""
    case = parse_case(record)
    logged = parse_sizes(record, case.gpus)
    mainline = not record.get("fork") and "fork" not in case.notes.lower().split("(")[0]
    try:
        prediction = predict(case)
    except CaseError as error:
        return _impossible(case, str(error), mainline=mainline)
    except (HeadroomError, ValueError, LookupError) as error:
        # a setting that only a fork has, or a model that no rule covers: one such log must not end the run over all
        return _impossible(case, f"not planned, {type(error).__name__}: {error}", mainline=mainline)
    sizes, remarks, unknown_ranges = predicted_sizes(prediction, logged)
    if any(name.startswith(_IN_SYSTEM_MEMORY) for name in case.gpus):
        logged, sizes, unknown_ranges = folded(logged), [_summed(sizes)], {}
        remarks.append(
            f"{', '.join(case.gpus)} and the host draw on one memory, which of them holds a tensor goes by its type: summed"
        )
    excluded = exclusions(case, logged, prediction) | unknown_ranges
    sum_only = () if _equally_shared(logged, sizes) else _SHARED_OUT
    return CaseResult(
        id=case.id,
        rules=prediction.rules,
        differences=differences(logged, sizes, without=excluded, sum_only=sum_only),
        excluded=excluded,
        scaled=prediction.scale != 1.0,
        mainline=mainline,
        remarks=tuple(remarks),
    )


def _equally_shared(logged: LoggedSizes, sizes: Sequence[Mapping[Component, float]]) -> bool:
    """True where the caches of several GPUs are those of cards with equal free memory, which is what a plan assumes.

    The engine shares layers out by free memory, which logs do not print; each layer's cache lies with it and shows where it is.
    """
    if "kv_cache" not in logged.listed:
        return len(logged.devices) <= 2
    pairs = zip(logged.devices, sizes, strict=True)
    return all(abs(device.sizes.get("kv_cache", 0.0) - ours["kv_cache"]) <= MIB for device, ours in pairs)


def _impossible(case: LoadCase, reason: str, *, mainline: bool) -> CaseResult:
    return CaseResult(case.id, case.engine or "pinned", (), {"case": reason}, scaled=False, mainline=mainline)


def _summed(sizes: list[dict[Component, float]]) -> dict[Component, float]:
    total: dict[Component, float] = {}
    for device in sizes:
        for component, size in device.items():
            total[component] = total.get(component, 0.0) + size
    return total


def exclusions(case: LoadCase, logged: LoggedSizes, prediction: Prediction) -> dict[str, str]:
    """Components that cannot be compared, each with the log's line that makes it so."""
    out: dict[str, str] = {}
    if prediction.recipe is None and "weights" in logged.listed:
        out["weights"] = 'the log has neither "file type" nor "file size": which quantization it loaded is unknown'
    unplanned = [name for name in case.gpus if backend_of(name) is None and not name.startswith(_IN_SYSTEM_MEMORY)]
    if unplanned:
        reason = f'"{unplanned[0]} model buffer size": an accelerator whose supported types decide what stays on the host'
        out |= {"weights": reason, "compute": reason}
    elif (line := _kept_on_host(case, logged)) is not None:
        out |= {"weights": line, "compute": line}
    return {name: reason for name, reason in out.items() if name in logged.listed}


def _kept_on_host(case: LoadCase, logged: LoggedSizes) -> str | None:
    """The line that shows tensors kept on the host by hand (-ot, --cpu-moe), which the printed settings do not say."""
    if case.offloaded is None or case.offloaded[0] < case.offloaded[1] or not case.gpus:
        return None
    total = sum(device.sizes.get("weights", 0.0) for device in logged.devices)
    on_host = logged.host.sizes.get("weights", 0.0)
    if not total or on_host < _HOST_SHARE_OF_OVERRIDES * total or on_host < 4096 * MIB:
        return None
    layers = f"{case.offloaded[0]}/{case.offloaded[1]}"
    held = logged.host.weight_lines[-1]
    return f'"offloaded {layers} layers to GPU" and "{held}": tensors kept there by overrides that are not printed'


@dataclass(frozen=True)
class _Held:
    """What a log prints for a device's weights, in our numbers."""

    size: float
    remark: str | None = None
    unknown_range: bool = False
    """The log prints a mapped range that no known order of tensors in the file explains."""


def predicted_sizes(
    prediction: Prediction, logged: LoggedSizes
) -> tuple[list[dict[Component, float]], list[str], dict[str, str]]:
    """The plan's sizes by device in the log's order, remarks on them, and devices whose weights cannot be compared."""
    remarks: list[str] = []
    unknown: dict[str, str] = {}
    placement = _placement(prediction)
    rows: list[dict[Component, float]] = []
    for index, (device, printed) in enumerate(zip(prediction.plan.devices, logged.devices, strict=True)):
        held = _held(prediction, placement, index, printed)
        if held.remark:
            remarks.append(held.remark)
        if held.unknown_range:
            line = printed.weight_lines[-1]
            unknown[f"{printed.kind} weights"] = f'"{line}" {_RANGE}'
        rows.append(
            {
                "weights": held.size,
                "kv_cache": device.kv_cache_bytes,
                "recurrent_state": device.recurrent_state_bytes,
                "compute": device.compute_bytes,
                "output": device.output_bytes,
            }
        )
    if prediction.scale != 1.0:
        remarks.append(f"weights scaled to the printed size ({prediction.recipe} x {prediction.scale:.4f})")
    return rows, remarks, unknown


def _held(prediction: Prediction, placement: Placement, index: int, printed: LoggedDevice) -> _Held:
    """The weights of one device as its log prints them.

    A memory-mapped file prints the range from the device's first to its last tensor, in llama-quantize's order or the
    converter's; where it is in neither, it cannot be told. Repacked weights of a file that is not mapped lie in a second buffer
    of the host, with a second copy of a tied embedding.
    """
    weights = scaled_weights(prediction, placement, index, float(prediction.plan.devices[index].weights_bytes))
    line = printed.sizes.get("weights", 0.0)
    old = printed.kind == "host" and rules_for(prediction.case.engine).date < _MAPPED_BY_NAME
    if printed.repacked and not printed.mapped:
        tied = all(tensor.name != "output.weight" for tensor in prediction.model.tensors)
        copy = embedding_bytes(prediction.model.tensors) if tied and index == placement.output else 0
        return _Held(weights + copy, f"{printed.name}: weights include {printed.repacked / MIB:.0f} MiB in repacked buffers")
    if not (printed.mapped or old) or not line:
        return _Held(weights)
    nearest = min((weights, *mapped_ranges(prediction, placement, index)), key=lambda size: abs(size - line))
    if printed.kind == "host" and abs(nearest - line) > WEIGHTS_WITHIN * line and (printed.repacked or not placement.complete):
        return _Held(weights, unknown_range=True)
    if abs(nearest - weights) <= 0.001 * weights:
        return _Held(nearest)
    return _Held(
        nearest, f"{printed.name}: the log prints the mapped range, {nearest / MIB:.0f} MiB; held are {weights / MIB:.0f}"
    )


def _placement(prediction: Prediction) -> Placement:
    layers = prediction.plan.settings.gpu_layers
    return place(
        prediction.model.hyperparameters,
        rules_for(prediction.case.engine),
        gpus=len(prediction.plan.devices) - 1,
        gpu_layers=layers if isinstance(layers, int) else None,
    )


def scaled_weights(prediction: Prediction, placement: Placement, device: int, weights: float) -> float:
    """Weights of a device, all but its copies of the token embedding times the case's scale."""
    fixed = embedding_bytes(prediction.model.tensors)
    tied = all(tensor.name != "output.weight" for tensor in prediction.model.tensors)
    copies = (device == placement.host) or (tied and device == placement.output)
    held = fixed if copies else 0
    return held + (weights - held) * prediction.scale


def mapped_ranges(prediction: Prediction, placement: Placement, device: int) -> list[float]:
    """Bytes from the device's first to its last tensor, in llama-quantize's order and in the converter's (output last)."""
    tensors = prediction.model.tensors
    last = [tensor for tensor in tensors if tensor.name.startswith("output")]
    converter = [tensor for tensor in tensors if not tensor.name.startswith("output")] + last
    # src/llama-model-loader.h:54-65, weight_name_comparer: by block, those without one first, then by name
    sorted_order = sorted(tensors, key=lambda tensor: (_block_number(tensor), tensor.name))
    tied = not any(tensor.name == "output.weight" for tensor in tensors)
    return [_range(order, prediction, placement, device, tied=tied) for order in (sorted_order, converter)]


def _block_number(tensor: Tensor) -> int:
    head, _, rest = tensor.name.partition(".")
    number = rest.partition(".")[0]
    return int(number) if head == "blk" and number.isdigit() else -1


def _range(order: list[Tensor], prediction: Prediction, placement: Placement, device: int, *, tied: bool) -> float:
    architecture = prediction.model.hyperparameters.architecture
    rules = rules_for(prediction.case.engine)
    offset, start, end = 0.0, None, 0.0
    for tensor in order:
        size = tensor.n_bytes * (1.0 if tensor.name == "token_embd.weight" else prediction.scale)
        if device in _devices(tensor, architecture, placement, rules, tied=tied):
            start = offset if start is None else start
            end = offset + size
        offset += size
    return 0.0 if start is None else end - start


def _devices(tensor: Tensor, architecture: str, placement: Placement, rules: EngineRules, *, tied: bool) -> set[int]:
    role, block = role_of(tensor.name, architecture)
    if role is Role.EMBEDDING:
        return {placement.host, placement.output} if tied else {placement.host}
    if role in (Role.OUTPUT, Role.OUTPUT_OTHER):
        return {placement.output}
    if role is Role.PER_LAYER_EMBEDDING:
        return {placement.host if rules.per_layer_on_host else placement.output}
    if block is None:
        return {placement.host}
    return {placement.experts(block) if role is Role.EXPERT else placement.blocks[block]}
