"""What is said about plans and machines, in words. Pages, the command line and reports use the same sentences."""

from collections.abc import Sequence
from typing import Any

from advisor.advice.options import Option
from advisor.advice.verdict import Verdict
from advisor.machines.profile import MachineProfile
from advisor.memory.curves import Curves
from advisor.memory.plan import DevicePlan, MemoryPlan, Pool
from advisor.units import UnitSystem, format_size

COMPONENTS: dict[str, str] = {
    "weights": "Weights",
    "kv_cache": "KV cache",
    "recurrent_state": "Recurrent state",
    "compute": "Compute buffers",
    "output": "Output buffer",
    "projector": "Vision projector",
    "draft": "Draft model",
    "overhead": "Driver and runtime",
}
"""Every component of a plan, in the order in which it is stacked and listed."""

_SMALL = ("recurrent_state", "output", "projector", "draft", "overhead")


def parameters(count: int) -> str:
    """A number of weights as people say it: "8B", "0.6B", "671B"."""
    billions = count / 1e9
    return f"{billions:.0f}B" if billions >= 9.5 else f"{billions:.1f}B".replace(".0B", "B") if billions >= 0.95 else f"{count / 1e6:.0f}M"


def tokens(count: int) -> str:
    """A number of tokens: "8k", "128k", "1,000"."""
    return f"{count // 1024}k" if count >= 1024 and count % 1024 == 0 else f"{count:,}"


def machine_line(machine: MachineProfile, system: UnitSystem = "GiB") -> str:
    """The machine in one line: name, memory, bandwidth where known."""
    parts = [machine.name]
    if machine.kind == "discrete" and machine.gpus:
        gpu = machine.gpus[0]
        count = f"{len(machine.gpus)} x " if len(machine.gpus) > 1 else ""
        parts.append(f"{count}{format_size(gpu.memory_bytes or gpu.capacity_bytes, system)}")
        if machine.memory.capacity_bytes is not None:
            parts.append(f"{format_size(machine.memory.capacity_bytes, system)} system memory")
        bandwidth = gpu.bandwidth_gb_s
    else:
        parts.append(f"{format_size(machine.memory.capacity_bytes, system)} {'unified ' if machine.kind == 'unified' else ''}memory")
        bandwidth = machine.memory.bandwidth_gb_s
    if bandwidth is not None:
        parts.append(f"{bandwidth:g} GB/s")
    return ", ".join(parts)


def verdict_line(verdict: Verdict, plan: MemoryPlan, system: UnitSystem = "GiB") -> str:
    """The verdict as a heading: "Fits, with 3.2 GiB to spare"."""
    left = tightest(plan).headroom_bytes
    if verdict.verdict == "no":
        return "Does not fit" if left is None or left >= 0 else f"Does not fit: {format_size(-left, system)} are missing"
    if verdict.verdict == "partial":
        return "Runs only in part on the GPU"
    if left is None:
        return verdict.verdict.capitalize()
    if verdict.verdict == "tight":
        return f"Tight: {format_size(left, system)} to spare" if left >= 0 else f"Tight: {format_size(-left, system)} over the limit"
    return f"Fits, with {format_size(left, system)} to spare"


def tightest(plan: MemoryPlan) -> Pool:
    """The memory with least left, of those whose capacity is known; the first where none is."""
    known = [pool for pool in plan.pools if pool.headroom_bytes is not None]
    return min(known, key=lambda pool: pool.headroom_bytes or 0) if known else plan.pools[0]


def component_sizes(device: DevicePlan) -> dict[str, int]:
    """Bytes by component of one device, in the order of `COMPONENTS`."""
    return {name: getattr(device, f"{name}_bytes") for name in COMPONENTS}


def plan_sizes(plan: MemoryPlan) -> dict[str, int]:
    """Bytes by component over all devices."""
    sizes = [component_sizes(device) for device in plan.devices]
    return {name: sum(size[name] for size in sizes) for name in COMPONENTS}


def result_row(option: Option, system: UnitSystem = "GiB") -> dict[str, Any]:
    """One row of the landing page's list: texts and shares of the bar, ready to be drawn."""
    pool = tightest(option.plan)
    room = pool.capacity_bytes if pool.gpu_limit_bytes is None else min(pool.capacity_bytes or 0, pool.gpu_limit_bytes)
    sizes = plan_sizes(option.plan)
    total = sum(sizes.values())
    scale = max(room or total, total, 1)
    shown = {name: sizes[name] for name in ("weights", "kv_cache", "compute")}
    shown["other"] = sum(sizes[name] for name in _SMALL)
    labels = {**COMPONENTS, "other": "Other"}
    parts = [
        {"kind": name, "label": labels[name], "size": format_size(size, system), "share": size / scale, "text": f"{labels[name]}: {format_size(size, system)}"}
        for name, size in shown.items()
        if size
    ]
    model = option.model
    size_text = format_size(total, system) + (f" of {format_size(room, system)}" if room else "")
    active = f", {parameters(model.active_parameters)} active" if model.active_parameters and model.active_parameters < 0.9 * model.parameters else ""
    return {
        "id": f"{model.id}:{option.quantization}",
        "name": model.name,
        "meta": f"{parameters(model.parameters)}{active} · {option.quantization} · {format_size(option.file_bytes, system)} file",
        "verdict": option.verdict.verdict,
        "why": list(option.verdict.reasons),
        "parts": parts,
        "bar_text": f"needs {size_text}",
        "size_text": size_text,
        "search": " ".join((model.id, model.name, model.family, option.quantization, option.verdict.verdict)).lower(),
    }


def headline(machine: MachineProfile, options: Sequence[Option]) -> str:
    """The answer in a sentence: how large a model this machine runs comfortably, in at least four bits a weight."""
    who = "This machine" if machine.origin == "detected" else machine.name
    whole = [option for option in options if option.verdict.verdict == "fits" and not option.strongly_compressed]
    if whole:
        return f"{who} runs models up to {parameters(max(option.model.parameters for option in whole))} comfortably"
    close = [option for option in options if option.verdict.verdict == "tight"]
    if close:
        return f"{who} runs models up to {parameters(max(option.model.parameters for option in close))}, but only just"
    if any(option.verdict.verdict == "partial" for option in options):
        return f"{who} runs models only with part of them in system memory, and slowly"
    return f"No model of the catalogue fits {'this machine' if machine.origin == 'detected' else machine.name}"


def stack_text(plan: MemoryPlan, system: UnitSystem = "GiB") -> str:
    """What the figure of stacked memory shows, for those who cannot see it."""
    said = []
    for device in plan.devices:
        parts = [f"{COMPONENTS[name]} {format_size(size, system)}" for name, size in component_sizes(device).items() if size]
        room = "" if device.capacity_bytes is None else f" of {format_size(device.capacity_bytes, system)}"
        said.append(f"{device.name}: {format_size(device.total_bytes, system)}{room} ({', '.join(parts)})")
    return ". ".join(said) + "."


def curves_text(curves: Curves, system: UnitSystem = "GiB") -> str:
    """What the figure of memory against context shows, for those who cannot see it."""
    said = []
    for curve in curves.curves:
        ends = f"{curve.name}: {format_size(curve.total_bytes[0], system)} at {tokens(curve.contexts[0])} tokens"
        ends += f", {format_size(curve.total_bytes[-1], system)} at {tokens(curve.contexts[-1])}"
        if curves.limit_bytes is not None:
            ends += ", fits at none" if curve.longest is None else f", fits up to {tokens(curve.longest)}"
        said.append(ends)
    return "Memory against context. " + ". ".join(said) + "."
