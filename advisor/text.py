"""Answers as text for a terminal, drawn by rich."""

from io import StringIO

from rich.console import Console, RenderableType
from rich.table import Table

from advisor.estimate import Estimate
from advisor.fit import Fit
from advisor.machines.profile import MachineProfile
from advisor.memory.plan import DevicePlan
from advisor.words import component_sizes, machine_line, verdict_line
from advisor.units import format_size

_WIDTH = 110


def estimate_text(result: Estimate) -> str:
    """The answer first, then memory by device, then what was assumed."""
    settings = result.plan.settings
    title = f"{result.model.name} {result.model.quantization or ''}".strip()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("device")
    for column in ("weights", "KV cache", "compute", "other", "total", "capacity"):
        table.add_column(column, justify="right")
    for device in result.plan.devices:
        table.add_row(device.name, *_device_cells(device))
    lines: list[RenderableType] = [f"{title}, context {settings.context}, {settings.runtime}"]
    if result.machine is not None:
        lines.append(f"on {machine_line(result.machine)}")
    if result.verdict is not None:
        lines += ["", verdict_line(result.verdict, result.plan), *(f"  {reason}" for reason in result.verdict.reasons)]
    lines += ["", table]
    if result.assumptions:
        lines += ["", "Assumed:", *(f"  {sentence}" for sentence in result.assumptions)]
    return _draw(lines)


def fit_text(result: Fit, *, most: int = 40) -> str:
    """What the machine runs, best first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "model", "file", "verdict"):
        table.add_column(column)
    table.add_column("needs", justify="right")
    for option in result.options[:most]:
        table.add_row(
            str(option.rank), option.model.name, option.quantization, option.verdict.verdict, format_size(option.plan.total_bytes)
        )
    left = len(result.options) - most
    more = [f"and {left} more; --json lists all"] if left > 0 else []
    return _draw([f"{machine_line(result.machine)}: {result.headline}", "", table, *more])


def machine_text(machine: MachineProfile) -> str:
    """What a machine is, a line a fact; unknown facts are said to be unknown."""
    table = Table(box=None, pad_edge=False, show_header=False)
    cpu, memory, disk = machine.cpu, machine.memory, machine.disk
    table.add_row("machine", machine_line(machine))
    for gpu in machine.gpus:
        bandwidth = "unknown" if gpu.bandwidth_gb_s is None else f"{gpu.bandwidth_gb_s:g} GB/s"
        size = "shared memory" if machine.kind == "unified" else format_size(gpu.capacity_bytes)
        table.add_row("GPU", f"{gpu.name}: {size}, {bandwidth}, {gpu.backend}")
    cores = "unknown" if cpu.performance_cores is None else f"{cpu.performance_cores} performance cores"
    table.add_row("processor", f"{cpu.name or 'unknown'}: {cores}, {cpu.threads or 'unknown'} threads")
    table.add_row("memory", f"{format_size(memory.capacity_bytes)}, {format_size(memory.in_use_bytes)} in use")
    if machine.gpu_limit_bytes is not None:
        table.add_row("GPU limit", format_size(machine.gpu_limit_bytes))
    table.add_row("disk", f"{format_size(disk.free_bytes)} free at {disk.path or 'unknown'}")
    table.add_row("system", machine.os or "unknown")
    for note in machine.notes:
        table.add_row("note", note)
    return _draw([table])


def _device_cells(device: DevicePlan) -> list[str]:
    sizes = component_sizes(device)
    other = sum(sizes.values()) - sizes["weights"] - sizes["kv_cache"] - sizes["compute"]
    capacity = "no limit" if device.capacity_bytes is None else format_size(device.capacity_bytes)
    parts = (sizes["weights"], sizes["kv_cache"], sizes["compute"], other, device.total_bytes)
    return [*(format_size(part) for part in parts), capacity]


def _draw(lines: list[RenderableType]) -> str:
    buffer = StringIO()
    console = Console(file=buffer, width=_WIDTH, highlight=False, markup=False, emoji=False, soft_wrap=False)
    for line in lines:
        console.print(line)
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip().splitlines())
