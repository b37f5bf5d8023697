"""The sizes that a load log prints, by device and component: `LoggedSizes`. They are compared with, never an input."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from advisor.units import MIB

Component = Literal["weights", "kv_cache", "recurrent_state", "compute", "output"]
COMPONENTS: tuple[Component, ...] = ("weights", "kv_cache", "recurrent_state", "compute", "output")

_LISTS: dict[str, Component] = {
    "model": "weights",
    "kv": "kv_cache",
    "kv_swa": "kv_cache",
    "rs": "recurrent_state",
    "compute": "compute",
    "output": "output",
}
_REPACKED = re.compile(r"(CPU_REPACK|CPU_AARCH64|AMX)")
_PRINTED_HALF = 0.005 * MIB
"""Sizes are printed with two digits of MiB."""


@dataclass
class LoggedDevice:
    """What a log prints for one device. Bytes; a component that the log lists nowhere is missing from `sizes`."""

    name: str
    kind: Literal["gpu", "host"]
    sizes: dict[Component, float] = field(default_factory=dict)
    rounding: dict[Component, float] = field(default_factory=dict)
    """How far the printed digits may be off."""
    weight_lines: list[str] = field(default_factory=list)
    """The log's lines of the weights, the largest last."""
    mapped: bool = False
    """The weights are a memory-mapped range of the file, from the first to the last tensor kept here (`CPU_Mapped`)."""
    repacked: float = 0.0
    """Weights in a layout of the CPU's own (`CPU_REPACK`, `CPU_AARCH64`, `AMX`): second copies beside a mapped file, else part
    of the weights."""


@dataclass(frozen=True)
class LoggedSizes:
    """All sizes of one log: GPUs in the log's order, the host last."""

    devices: tuple[LoggedDevice, ...]
    listed: frozenset[Component]
    """Components that the log lists for any device: what it lists nowhere is unknown, what it lists elsewhere is 0 here."""

    @property
    def host(self) -> LoggedDevice:
        """The host's sizes."""
        return self.devices[-1]


def parse_sizes(record: Mapping[str, Any], gpus: Sequence[str]) -> LoggedSizes:
    """The sizes in `record["sizes_mib"]` for the devices `gpus` and the host. Pinned and mapped host buffers are the host's."""
    devices = {name: LoggedDevice(name, "gpu") for name in gpus}
    host = LoggedDevice("host", "host")
    listed: set[Component] = set()
    for list_name, component in _LISTS.items():
        buffers = (record.get("sizes_mib") or {}).get(list_name)
        if not buffers:
            continue
        listed.add(component)
        for buffer, size_mib in sorted(buffers.items(), key=lambda each: each[1]):
            _add(_owner(buffer, devices, host), component, buffer, size_mib * MIB)
    if host.repacked and not host.mapped:
        host.sizes["weights"] = host.sizes.get("weights", 0.0) + host.repacked
        host.rounding["weights"] = host.rounding.get("weights", 0.0) + _PRINTED_HALF
    return LoggedSizes((*devices.values(), host), frozenset(listed))


def _owner(buffer: str, devices: Mapping[str, LoggedDevice], host: LoggedDevice) -> LoggedDevice:
    """The device of a buffer's name: "MTL0_Mapped" is MTL0's, "CUDA_Host" and "CPU_Mapped" are the host's."""
    for name, device in devices.items():
        if re.fullmatch(rf"{re.escape(name)}([-_](Mapped|Private|REPACK|Split))?", buffer):
            return device
    return host


def _add(device: LoggedDevice, component: Component, buffer: str, size_bytes: float) -> None:
    if device.kind == "host" and _REPACKED.match(buffer):
        device.repacked += size_bytes
        return
    if component == "weights":
        device.mapped = device.mapped or buffer.endswith("_Mapped")
        device.weight_lines.append(f"{buffer} model buffer size = {size_bytes / MIB:.2f} MiB")
    device.sizes[component] = device.sizes.get(component, 0.0) + size_bytes
    device.rounding[component] = device.rounding.get(component, 0.0) + _PRINTED_HALF


def folded(sizes: LoggedSizes) -> LoggedSizes:
    """All devices as one, for accelerators that draw on the system's memory. Repacked weights count: they are held once."""
    one = LoggedDevice("one memory", "host")
    for device in sizes.devices:
        for component, size in device.sizes.items():
            one.sizes[component] = one.sizes.get(component, 0.0) + size
            one.rounding[component] = one.rounding.get(component, 0.0) + device.rounding[component]
        if device.mapped:
            one.sizes["weights"] = one.sizes.get("weights", 0.0) + device.repacked
            one.rounding["weights"] = one.rounding.get("weights", 0.0) + _PRINTED_HALF
    return LoggedSizes((one,), sizes.listed)
