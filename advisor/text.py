"""Answers as text for a terminal, drawn by rich. Every line fits the width given."""

import textwrap
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from advisor.advice.options import Option
from advisor.estimate import Estimate
from advisor.fit import Fit
from advisor.machines.profile import MachineProfile
from advisor.memory.plan import DevicePlan
from advisor.memory.settings import RunSettings
from advisor.units import format_size
from advisor.words import component_sizes, machine_line, speed_line, tokens_per_second, verdict_line

if TYPE_CHECKING:
    from advisor.machines.loaded import Loaded
    from advisor.models.sources.files import Found
    from advisor.quantize_plan import QuantizePlan
    from advisor.recommend import Recommended
    from advisor.verify.measurement import Measurement

WIDE = 110
_MOST_OPTIONS = 40
_COLUMNS = ("weights", "KV cache", "compute", "other", "total", "capacity")


def estimate_text(result: Estimate, width: int = WIDE) -> str:
    """The answer first, then memory by device, then what was assumed."""
    title = f"{result.model.name} {result.model.quantization or ''}".strip()
    lines = _wrapped(f"{title}, {_settings_line(result.plan.settings)}", width)
    if result.machine is not None:
        lines += _wrapped(f"on {machine_line(result.machine)}", width)
    if result.plan.grade == "engine":
        lines.append("planned by llama.cpp itself")
    if result.verdict is not None:
        lines += ["", *_wrapped(verdict_line(result.verdict, result.plan), width)]
        lines += _listed(result.verdict.reasons, width)
    if result.speed is not None:
        lines += ["", *_wrapped(speed_line(result.speed), width), *_listed(result.speed.basis, width)]
    lines += ["", _drawn(_device_table(result.plan.devices), width)]
    if result.assumptions:
        lines += ["", "Assumed:", *_listed(result.assumptions, width)]
    return "\n".join(lines)


def recommend_text(result: "Recommended", width: int = WIDE) -> str:
    """The choice, why, the commands, what else there is; or what would have to change."""
    lines = _wrapped(f"For {result.question.purpose} on {machine_line(result.machine)}:", width)
    found = result.recommendation
    if result.refused is not None:
        refused = result.refused
        lines += ["", *_wrapped(f"{refused.model.name} {refused.quantization} does not run here", width)]
        lines += _listed(refused.verdict.reasons, width)
    elif found is None:
        lines.append("Nothing runs here.")
    else:
        lines += ["", *_wrapped(f"{found.choice.model.name} in {found.choice.quantization}", width)]
        lines += _listed((*found.why, *found.advice), width)
    for name, command in result.commands.items():
        lines += ["", f"{name}:", *(f"    {line}" for line in command.text.splitlines()), *_listed(command.notes, width)]
    if result.changes:
        lines += ["", "To make it fit:", *_listed(tuple(change.said for change in result.changes), width)]
    if found is not None and found.alternatives:
        lines += ["", "Not chosen:"]
        lines += _listed(
            tuple(f"{each.option.model.name} {each.option.quantization}: {each.why_not}" for each in found.alternatives), width
        )
    return "\n".join(lines)


def fit_text(result: Fit, width: int = WIDE, *, most: int = _MOST_OPTIONS) -> str:
    """What the machine runs, best first."""
    table = _table("", "model", "file", "verdict")
    table.add_column("needs", justify="right", no_wrap=True)
    table.add_column("tokens/s", justify="right", no_wrap=True)
    for option in result.options[:most]:
        table.add_row(*_option_cells(option))
    lines = [*_wrapped(machine_line(result.machine), width), *_wrapped(result.headline, width), "", _drawn(table, width)]
    if any(option.speed and option.speed.mark for option in result.options[:most]):
        lines.append("speeds are corrected by what was measured here")
    left = len(result.options) - most
    if left > 0:
        lines.append(f"and {left} more; --json lists all")
    if result.assumptions:
        lines += ["", "Assumed:", *_listed(result.assumptions, width)]
    return "\n".join(lines)


def quantize_text(result: "QuantizePlan", width: int = WIDE) -> str:
    """A file a line, largest first."""
    table = _table("file", "size", "bits per weight", "importance matrix", "most tensors")
    for file in result.quantizations:
        common = ", ".join(f"{count} {kind}" for kind, count in list(file.tensor_types.items())[:3])
        needed = "needed" if file.needs_imatrix else ""
        table.add_row(file.quantization, format_size(file.file_bytes), f"{file.bits_per_weight:.2f}", needed, common)
    how = "as llama-quantize itself chooses the types" if result.grade == "engine" else "by llama-quantize's rules"
    return "\n".join([*_wrapped(f"{result.model.name}, {how}", width), "", _drawn(table, width)])


def found_text(found: "Found", loaded: "tuple[Loaded, ...]", width: int = WIDE) -> str:
    """The models on this machine, newest first, and what is loaded now."""
    if not found.models:
        lines = _wrapped("No models were found here; name a folder with --folder, or get one with `advisor download`.", width)
    else:
        table = Table(box=None, pad_edge=False)
        table.add_column("model", overflow="fold")
        table.add_column("file", no_wrap=True)
        table.add_column("size", justify="right", no_wrap=True)
        table.add_column("kept by", no_wrap=True)
        for model in found.models:
            table.add_row(Text(model.text), model.quantization or model.format, format_size(model.size_bytes), model.source)
        lines = [_drawn(table, width)]
    if not found.complete:
        lines += ["", *_wrapped("There is more than could be looked at in the time; name a folder with --folder.", width)]
    for one in loaded:
        size = f" with {format_size(one.memory_bytes)}" if one.memory_bytes is not None else ""
        lines += ["", *_wrapped(f"Loaded now: {one.name} in {one.program}{size}", width)]
    return "\n".join(lines)


def machine_text(machine: MachineProfile, width: int = WIDE) -> str:
    """What a machine is, a line a fact; unknown facts are said to be unknown."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in _machine_facts(machine):
        table.add_row(name, fact)
    return _drawn(table, width)


def _machine_facts(machine: MachineProfile) -> list[tuple[str, str]]:
    cpu, memory, disk = machine.cpu, machine.memory, machine.disk
    facts = [("machine", machine_line(machine))]
    for gpu in machine.gpus:
        bandwidth = "unknown" if gpu.bandwidth_gb_s is None else f"{gpu.bandwidth_gb_s:g} GB/s"
        size = "shared memory" if machine.kind == "unified" else format_size(gpu.capacity_bytes)
        facts.append(("GPU", f"{gpu.name}: {size}, {bandwidth}, {gpu.backend}"))
    cores = "unknown" if cpu.performance_cores is None else f"{cpu.performance_cores} performance cores"
    in_use = "in use: unknown" if memory.in_use_bytes is None else f"{format_size(memory.in_use_bytes)} in use"
    facts += [
        ("processor", f"{cpu.name or 'unknown'}: {cores}, {cpu.threads or 'unknown'} threads"),
        ("memory", f"{format_size(memory.capacity_bytes)}, {in_use}"),
    ]
    if machine.gpu_limit_bytes is not None:
        facts.append(("GPU limit", format_size(machine.gpu_limit_bytes)))
    facts += [
        ("disk", f"{format_size(disk.free_bytes)} free at {disk.path or 'unknown'}"),
        ("system", machine.os or "unknown"),
    ]
    return [*facts, *(("note", note) for note in machine.notes)]


def _settings_line(settings: RunSettings) -> str:
    """What decides the memory and can be asked otherwise: runtime, context, slots, cache types, layers."""
    said = [settings.runtime, f"context {settings.context:,}"]
    if settings.slots > 1:
        said.append(f"{settings.slots} slots {'in one cache' if settings.unified_kv else 'with a cache each'}")
    if (settings.type_k, settings.type_v) != ("f16", "f16"):
        said.append(f"KV cache {settings.type_k}/{settings.type_v}")
    if settings.gpu_layers not in ("all", "auto"):
        said.append("no layers on the GPU" if settings.gpu_layers == 0 else f"{settings.gpu_layers} layers on the GPU")
    if settings.cpu_moe_layers:
        said.append(f"experts of {settings.cpu_moe_layers} layers in system memory")
    return ", ".join(said)


def _option_cells(option: Option) -> tuple[str, ...]:
    needs = format_size(option.plan.total_bytes)
    speed = tokens_per_second(option.speed.generate_tps) if option.speed else "unknown"
    return (str(option.rank), option.model.name, option.quantization, option.verdict.verdict, needs, speed)


def _device_table(devices: tuple[DevicePlan, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("device", overflow="fold")
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for device in devices:
        table.add_row(device.name, *_device_cells(device))
    return table


def _device_cells(device: DevicePlan) -> list[str]:
    sizes = component_sizes(device)
    other = sum(sizes.values()) - sizes["weights"] - sizes["kv_cache"] - sizes["compute"]
    capacity = "no limit" if device.capacity_bytes is None else format_size(device.capacity_bytes)
    parts = (sizes["weights"], sizes["kv_cache"], sizes["compute"], other, device.total_bytes)
    return [*(format_size(part) for part in parts), capacity]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width) or [""]


def _listed(sentences: tuple[str, ...], width: int) -> list[str]:
    """A sentence an item, indented; lines that go on are indented further."""
    return [
        line
        for sentence in sentences
        for line in textwrap.wrap(sentence, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
    ]


def _drawn(table: Table, width: int) -> str:
    buffer = StringIO()
    console = Console(file=buffer, width=width, highlight=False, markup=False, emoji=False, color_system=None)
    console.print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip().splitlines())


def measurement_text(result: "Measurement", width: int = WIDE) -> str:
    """The run in a sentence, predicted beside measured, then what went wrong and how it was measured."""
    from advisor.verify.compare import compare, headline

    lines = _wrapped(headline(result), width)
    rows = compare(result)
    if rows:
        table = _table("")
        for column in ("from slices" if result.by_slices else "measured", "we said"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("in words", overflow="fold")
        for row in rows:
            table.add_row(row.name, row.measured_shown(), row.predicted_shown(), row.words)
        lines += ["", _drawn(table, width)]
    for failure in result.failures:
        lines += ["", *_wrapped(failure.message, width), *(f"  | {line[: width - 4]}" for line in failure.log[-12:])]
    run = result.run
    how = [f"{run.engine or run.backend}, {run.threads} threads" if run.threads else run.engine or run.backend]
    if run.prompt_tokens and run.generated_tokens:
        how.append(f"prompts of {run.prompt_tokens} tokens, answers of {run.generated_tokens}, repeated {run.repeats} times")
    how.append(f"{run.seconds:.0f} s in all")
    return "\n".join([*lines, "", *_wrapped("; ".join(how), width), *_listed(run.notes, width)])
