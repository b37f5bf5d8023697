"""A report in words: its headline, its facts with how each is known, and what was predicted beside what was measured."""

from typing import NamedTuple

from advisor.reports.report import Grade, HardwareReport
from advisor.units import UnitSystem, format_number, format_size
from advisor.verify.measurement import Figures, Forecast, Range, Spread
from advisor.words import COMPONENTS, parameters, round_size, tokens

UNKNOWN = "unknown"


class Fact(NamedTuple):
    """One line of a report. `grade` is None where it is no number."""

    label: str
    value: str
    grade: Grade | None = None


class Compared(NamedTuple):
    """One thing that was predicted and measured, with the difference in words."""

    what: str
    predicted: str
    measured: str
    difference: str


def title(report: HardwareReport) -> str:
    """What ran where: "Llama 3.1 8B Q4_K_M on 2x NVIDIA GeForce RTX 4090"."""
    model = " ".join(filter(None, (report.model.name, report.model.quantization)))
    gpus = report.machine.gpus
    count = f"{len(gpus)}x " if len(gpus) > 1 and not report.machine.name.startswith(f"{len(gpus)}x") else ""
    return f"{model} on {count}{report.machine.name}"


def headline(report: HardwareReport) -> str:
    """The answer in a sentence: the measured speed, else how it failed, else what was predicted."""
    figures = report.measurement
    if figures is not None and figures.generate_tps is not None:
        how = "forecast from slices" if report.by_slices else "measured"
        speed = f"{format_number(figures.generate_tps.median)} tokens/s {how}"
        expected = report.forecast.generate_tps if report.forecast else None
        return f"{speed}, {format_number(expected.expected)} predicted" if expected else speed
    if report.failures:
        return f"The run failed: {report.failures[0].message}"
    expected = report.forecast.generate_tps if report.forecast else None
    if expected is not None:
        return f"About {_spread(expected.expected, expected.low, expected.high)} tokens/s predicted"
    verdict = report.plan.verdict if report.plan else None
    words = {
        "fits": "It fits",
        "tight": "It fits, but only just",
        "partial": "It runs in part in system memory",
        "no": "It does not fit",
    }
    return words[verdict] if verdict else "A plan without a verdict"


def machine_facts(report: HardwareReport, system: UnitSystem = "GiB") -> list[Fact]:
    """What the machine is."""
    machine, facts = report.machine, [Fact("Machine", report.machine.name)]
    for index, gpu in enumerate(machine.gpus[:8]):
        at = f"machine.gpus.{index}"
        name = f"GPU {index + 1}" if len(machine.gpus) > 1 else "GPU"
        facts.append(Fact(name, f"{gpu.name} ({gpu.backend})"))
        size = gpu.capacity_bytes or gpu.memory_bytes
        if size is not None:
            grade = report.grade_of(f"{at}.{'capacity_bytes' if gpu.capacity_bytes else 'memory_bytes'}")
            facts.append(Fact(f"{name} memory", format_size(size, system), grade))
        facts += _bandwidth(report, at, f"{name} bandwidth", gpu.bandwidth_measured_gb_s, gpu.bandwidth_gb_s)
        if gpu.driver:
            facts.append(Fact(f"{name} driver", gpu.driver))
    if len(machine.gpus) > 8:
        facts.append(Fact("More GPUs", f"{len(machine.gpus) - 8}"))
    cores = f", {machine.cpu.performance_cores} performance cores" if machine.cpu.performance_cores else ""
    facts.append(Fact("Processor", f"{machine.cpu.name or UNKNOWN}{cores}"))
    memory = machine.memory
    name = "Unified memory" if machine.kind == "unified" else "System memory"
    facts.append(Fact(name, format_size(memory.capacity_bytes, system), report.grade_of("machine.memory.capacity_bytes")))
    facts += _bandwidth(report, "machine.memory", f"{name} bandwidth", memory.bandwidth_measured_gb_s, memory.bandwidth_gb_s)
    if machine.os:
        facts.append(Fact("System", machine.os))
    return facts


def _bandwidth(report: HardwareReport, at: str, label: str, measured: float | None, known: float | None) -> list[Fact]:
    if measured is not None:
        return [Fact(label, f"{measured:.4g} GB/s", report.grade_of(f"{at}.bandwidth_measured_gb_s"))]
    return [Fact(label, f"{known:.4g} GB/s", report.grade_of(f"{at}.bandwidth_gb_s"))] if known is not None else []


def model_facts(report: HardwareReport, system: UnitSystem = "GiB") -> list[Fact]:
    """What the model and its file are."""
    model = report.model
    size = parameters(model.parameters) if model.parameters else UNKNOWN
    if model.parameters and model.active_parameters and model.active_parameters < 0.9 * model.parameters:
        size += f", {parameters(model.active_parameters)} active"
    facts = [
        Fact("Model", model.name),
        Fact("Weights", size, report.grade_of("model.parameters")),
        Fact("Quantization", model.quantization or UNKNOWN),
        Fact("File", format_size(model.file_bytes, system), report.grade_of("model.file_bytes")),
        Fact("Architecture", model.architecture),
    ]
    if model.file_name:
        facts.append(Fact("File name", model.file_name))
    if model.header_sha256:
        facts.append(Fact("Header, SHA-256", model.header_sha256))
    return facts


def settings_facts(report: HardwareReport) -> list[Fact]:
    """How it was run."""
    asked, run = report.settings, report.run
    facts = []
    if asked is not None:
        facts = [
            Fact("Program", asked.runtime),
            Fact("Context", f"{tokens(asked.context)} tokens", "asked"),
            Fact("Slots", f"{asked.slots}", "asked"),
            Fact("KV cache", f"{asked.type_k} keys, {asked.type_v} values"),
            Fact("Batch", f"{asked.batch}, physical {asked.ubatch}", "asked"),
            Fact("Flash attention", asked.flash_attention),
            Fact("Layers on the GPU", f"{asked.gpu_layers}", "asked"),
        ]
        if asked.cpu_moe_layers:
            facts.append(Fact("Layers with experts in system memory", f"{asked.cpu_moe_layers}", "asked"))
    if run is not None:
        facts.append(Fact("Measured with", run.backend))
        if run.threads:
            facts.append(Fact("Threads", f"{run.threads}", "asked"))
        if run.slice_layers:
            facts.append(Fact("Slices", f"of {' and '.join(map(str, run.slice_layers))} layers, extrapolated", "asked"))
    versions = report.versions
    facts.append(Fact("Versions", ", ".join(filter(None, (f"Headroom {versions.headroom}", versions.engine)))))
    return facts


def compared(report: HardwareReport, system: UnitSystem = "GiB") -> list[Compared]:
    """What was predicted beside what was measured; rows of which neither is known are left out."""
    predicted, figures = report.forecast or Forecast(), report.measurement or Figures()
    rows = [
        _rates("Generation", predicted.generate_tps, figures.generate_tps),
        _rates("Prompt", predicted.prompt_tps, figures.prompt_tps),
        _seconds("First token", predicted.time_to_first_token_s, figures.time_to_first_token_s),
    ]
    sums = planned_sizes(report)
    for name in ("weights", "kv_cache", "compute", "output"):
        held: int | None = getattr(figures.memory, f"{name}_bytes")
        planned = sums.get(name)
        if name == "kv_cache" and planned is not None:
            planned += sums["recurrent_state"]
        rows.append(_sizes(COMPONENTS[name], planned, held, system))
    return [row for row in rows if row is not None]


def planned_sizes(report: HardwareReport) -> dict[str, int]:
    """Bytes by component over all devices of the plan; empty without one."""
    if report.plan is None:
        return {}
    return {name: sum(getattr(device, f"{name}_bytes") for device in report.plan.devices) for name in COMPONENTS}


def _rates(what: str, predicted: Range | None, measured: Spread | None) -> Compared | None:
    if predicted is None and measured is None:
        return None
    said = (
        f"{format_number(predicted.expected)} ({format_number(predicted.low)} to {format_number(predicted.high)})"
        if predicted
        else UNKNOWN
    )
    got = (
        f"{format_number(measured.median)} ({format_number(measured.low)} to {format_number(measured.high)})"
        if measured
        else UNKNOWN
    )
    difference = _per_cent(predicted.expected, measured.median) if predicted and measured else ""
    return Compared(f"{what}, tokens/s", said, got, difference)


def _spread(middle: float, low: float, high: float) -> str:
    """ "41 (35 to 47)"."""
    return f"{format_number(middle)} ({format_number(low)} to {format_number(high)})"


def _seconds(what: str, predicted: Range | None, measured: float | None) -> Compared | None:
    if predicted is None and measured is None:
        return None
    said = f"{predicted.expected:.2f} s" if predicted else UNKNOWN
    got = f"{measured:.2f} s" if measured is not None else UNKNOWN
    return Compared(what, said, got, _per_cent(predicted.expected, measured) if predicted and measured is not None else "")


def _sizes(what: str, predicted: int | None, measured: int | None, system: UnitSystem) -> Compared | None:
    if not predicted and measured is None:
        return None
    difference = _per_cent(predicted, measured) if predicted and measured is not None else ""
    return Compared(what, format_size(predicted, system), format_size(measured, system), difference)


def _per_cent(predicted: float, measured: float) -> str:
    """How far the measured is from the predicted: "+4.3 %"."""
    if predicted <= 0:
        return ""
    off = 100 * (measured / predicted - 1)
    return f"{off:+.1f} %".replace("-", "\N{MINUS SIGN}") if abs(off) < 1000 else "over tenfold"


def memory_line(report: HardwareReport, system: UnitSystem = "GiB") -> str:
    """What the plan takes and of what: "5.9 GiB of 23.4 GiB on the GPU"; empty without a plan."""
    if report.plan is None:
        return ""
    pools = [pool for pool in report.plan.pools if pool.kind != "ram"] or list(report.plan.pools)
    total = format_size(sum(pool.total_bytes for pool in pools), system)
    rooms = [pool.capacity_bytes for pool in pools]
    on_gpu = "on the GPU" if len(pools) == 1 else "on the GPUs"
    where = on_gpu if pools[0].kind == "vram" else "in memory"
    if any(room is None for room in rooms):
        return f"{total} {where}"
    return f"{total} of {round_size(sum(room or 0 for room in rooms), system)} {where}"
