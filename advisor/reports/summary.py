"""What lists and figures need of a report: `Summary`, a row that is read without the document."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from advisor.reports.report import HardwareReport, ReportedMachine


@dataclass(frozen=True)
class Summary:
    """One report in a line. Speeds in tokens a second; None is not known."""

    id: str
    created_at: datetime
    listed: bool
    machine: str
    """The profile's id, or the name in small letters: what reports of one kind of machine share."""
    machine_name: str
    gpus: int
    model: str
    model_name: str
    quantization: str | None
    runtime: str | None
    context: int | None
    verdict: str | None
    generate_tps: float | None
    """The median that was measured."""
    generate_low: float | None
    generate_expected: float | None
    """Predicted for it, with the range that should hold it."""
    generate_high: float | None
    prompt_tps: float | None
    prompt_expected: float | None
    fastest_tps: float | None
    """What the memory's bandwidth allows at most."""
    forecast_grade: str | None = None
    """How the prediction was known; "measured" where a run on the very machine had corrected it."""
    maker: str | None = None
    """What reports from one address share; it is in no list and no export."""

    @property
    def kind(self) -> tuple[str, int, str, str | None]:
        """What may be compared: the same machine with as many GPUs, the same model in the same quantization."""
        return self.machine, self.gpus, self.model, self.quantization


def columns_of(report: HardwareReport) -> dict[str, Any]:
    """The columns beside the document, by name."""
    # What slices say of a model is a forecast, and no measured speed of the community's.
    figures, predicted = None if report.by_slices else report.measurement, report.forecast
    generated = figures.generate_tps if figures else None
    prompted = figures.prompt_tps if figures else None
    expected = predicted.generate_tps if predicted else None
    return {
        "machine": machine_key(report.machine),
        "machine_name": report.machine.name,
        "gpus": len(report.machine.gpus),
        "model": report.model.id or report.model.name.lower(),
        "model_name": report.model.name,
        "quantization": report.model.quantization,
        "runtime": report.settings.runtime if report.settings else None,
        "context": report.settings.context if report.settings else None,
        "verdict": report.verdict or (report.plan.verdict if report.plan else None),
        "generate_tps": generated.median if generated else None,
        "generate_low": expected.low if expected else None,
        "generate_expected": expected.expected if expected else None,
        "generate_high": expected.high if expected else None,
        "prompt_tps": prompted.median if prompted else None,
        "prompt_expected": predicted.prompt_tps.expected if predicted and predicted.prompt_tps else None,
        "fastest_tps": fastest_tps(report),
        "forecast_grade": report.grade_of("forecast.generate_tps") if predicted else None,
    }


def machine_key(machine: ReportedMachine) -> str:
    """What reports of one kind of machine share."""
    return machine.id or machine.name.lower()


def fastest_tps(report: HardwareReport) -> float | None:
    """The tokens a second that the fastest memory allows: every active weight is read once a token.

    All weights are taken as spread evenly over the file, and all as lying in the fastest memory of the machine; both make the
    bound looser, never tighter. None where size, parameters or bandwidth are not known.
    """
    model, machine = report.model, report.machine
    speeds = [gpu.bandwidth_measured_gb_s or gpu.bandwidth_gb_s for gpu in machine.gpus]
    speeds += [machine.memory.bandwidth_measured_gb_s or machine.memory.bandwidth_gb_s]
    known = [speed for speed in speeds if speed is not None]
    if not known or not model.file_bytes or not model.parameters or not model.active_parameters:
        return None
    active_bytes = model.file_bytes * min(1.0, model.active_parameters / model.parameters)
    # Several GPUs may read at the same time (tensor parallelism), beside the host.
    return sum(known) * 1e9 / active_bytes if active_bytes else None
