"""From an answer or a run to the report that is shared: `report_of_estimate`, `report_of_measurement`."""

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from advisor import __version__
from advisor.errors import HeadroomError
from advisor.estimate import Estimate
from advisor.machines.detect.assemble import matched
from advisor.machines.library import library
from advisor.machines.profile import MachineProfile
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata
from advisor.models.resolve import read_file
from advisor.reports.report import MOST_LETTERS, HardwareReport, ReportedCpu, ReportedGpu, ReportedMemory
from advisor.reports.scrub import own_names, shareable, without_names
from advisor.reports.stored import checked
from advisor.verify.measurement import Forecast, Measurement

MOST_SAMPLES = 120
"""Samples of a run that are shared: enough for its figure."""
_LONGEST_LOG = 20
_TYPICAL_SOURCES = ("profile", "typical", "the profiles")
"""How the sources of facts begin that detection takes from the hardware family."""
_BY_ORIGIN = {"detected": "reported", "browser": "reported", "profile": "typical", "typed": "asked"}


def report_of_estimate(answer: Estimate, *, note: str = "", now: datetime | None = None) -> HardwareReport:
    """What was predicted, as a report without a run. Raises QuestionError where no machine was named."""
    said = answer.to_json()
    speed = said["speed"]
    document = {
        "machine": machine_part(answer.machine) if answer.machine else None,
        "model": _model_part(answer.model),
        "settings": said["settings"],
        "plan": {name: said[name] for name in ("grade", "devices", "pools", "verdict", "reasons")},
        "forecast": speed and {name: speed[name] for name in Forecast.model_fields},
        "versions": {"headroom": __version__},
    }
    grades = machine_grades(answer.machine) if answer.machine else {}
    grades |= _grades_of(document, sizes="formula" if answer.model.predicted else "file", machine=grades.get("machine", ""))
    return _made(document, grades, note=note, now=now)


def report_of_measurement(run: Measurement, *, note: str = "", header_sha256: str | None = None) -> HardwareReport:
    """A run with what was predicted of it, without what says whose machine it was."""
    said = run.to_json()
    figures = said["measurement"]
    if figures is not None:
        figures["samples"] = _thinned(figures["samples"])
    file_name = PurePath(run.model.id.replace("\\", "/")).name
    known = _catalogue_id(run.model.id)
    document = {
        "machine": machine_part(run.machine),
        "model": {
            **said["model"],
            "id": known,
            "architecture": run.model.architecture or "unknown",
            "file_name": None if known else file_name[:160],
            "header_sha256": header_sha256,
        },
        "settings": said["settings"],
        "plan": said["plan"],
        "forecast": said["forecast"],
        "measurement": figures,
        "verdict": said["verdict"],
        "failures": [failure | {"log": failure["log"][-_LONGEST_LOG:]} for failure in said["failures"]],
        "run": said["run"],
        "versions": {
            "headroom": __version__,
            "engine": (run.run.engine or "")[:64] or None,
            "python": platform.python_version(),
        },
    }
    grades = machine_grades(run.machine)
    grades |= _grades_of(document, sizes="formula" if run.by_slices else "file", machine=grades["machine"])
    if run.by_slices:
        grades |= {f"measurement.{name}": "typical" for name in ("generate_tps", "prompt_tps", "time_to_first_token_s")}
    return _made(document, grades, note=note, now=run.run.started_at if run.run.started_at.tzinfo else None)


def _made(document: dict[str, Any], grades: Mapping[str, str], *, note: str, now: datetime | None) -> HardwareReport:
    """The report of a document that was made here: without this machine's own names, and checked like a stranger's."""
    document |= {"note": note, "made_at": (now or datetime.now(UTC)).isoformat(), "grades": dict(grades)}
    return checked(_without_own_names(document))


def _without_own_names(value: Any) -> Any:
    if isinstance(value, str):
        return without_names(shareable(value[:MOST_LETTERS]), own_names())
    if isinstance(value, dict):
        return {name: _without_own_names(inner) for name, inner in value.items()}
    return [_without_own_names(inner) for inner in value] if isinstance(value, list | tuple) else value


# --- the machine -----------------------------------------------------------------------------------


def machine_part(machine: MachineProfile) -> dict[str, Any]:
    """What a report says of a machine: what its kind has, and nothing that tells it from others of its kind."""
    gpus = [gpu.model_dump(include=set(ReportedGpu.model_fields)) for gpu in machine.gpus[:64]]
    for gpu in gpus:
        gpu["name"] = gpu["name"][:160]
        gpu |= {name: (gpu[name] or "")[:64] or None for name in ("architecture", "compute_capability", "driver", "link")}
    cpu = machine.cpu.model_dump(include=set(ReportedCpu.model_fields))
    return {
        "id": profile_of(machine),
        "name": machine.name[:160],
        "kind": machine.kind,
        "origin": machine.origin,
        "gpus": gpus,
        "cpu": cpu | {"instruction_sets": list(machine.cpu.instruction_sets)[:48]},
        "memory": machine.memory.model_dump(include=set(ReportedMemory.model_fields)),
        "gpu_limit_bytes": machine.gpu_limit_bytes,
        "os": (machine.os or "")[:64] or None,
    }


def profile_of(machine: MachineProfile) -> str | None:
    """The id of the profile that a machine is, or that its first GPU is found to be; None for one that has none."""
    known = library()
    if machine.id in known.names:
        return machine.id
    return matched(machine.gpus[0], known) if machine.gpus else None


def machine_grades(machine: MachineProfile) -> dict[str, str]:
    """How the numbers of a machine are known, by path in the report."""
    grades = {"machine": _BY_ORIGIN[machine.origin]}
    if machine.origin == "detected":
        typical = (path for path, source in machine.sources.items() if source.lower().startswith(_TYPICAL_SOURCES))
        grades |= {f"machine.{path}": "typical" for path in typical if not path.startswith("disk")}
    for index in range(len(machine.gpus)):
        grades[f"machine.gpus.{index}.bandwidth_measured_gb_s"] = "measured"
    return grades | {"machine.memory.bandwidth_measured_gb_s": "measured"}


# --- the model and the grades of everything else ------------------------------------------------------


def _model_part(model: ModelMetadata) -> dict[str, Any]:
    path = Path(model.source)
    return {
        "id": _catalogue_id(model.id),
        "name": model.name[:160],
        "architecture": model.hyperparameters.architecture,
        "quantization": model.quantization,
        "file_name": None if model.predicted else path.name[:160],
        "file_bytes": model.file_bytes,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "header_sha256": None if model.predicted else header_sha256(path),
    }


def header_sha256(path: Path) -> str | None:
    """SHA-256 of a GGUF file's header, up to the tensor data; None of a split file and of one that is not here."""
    try:
        header = read_file(path)
        if header.parts != 1:
            return None
        with path.open("rb") as file:
            return hashlib.sha256(file.read(header.header_bytes)).hexdigest()
    except (HeadroomError, OSError, ValueError):
        return None


def _catalogue_id(text: str) -> str | None:
    name = text.partition(":")[0]
    return name if name in catalogue().by_id else None


def _grades_of(document: Mapping[str, Any], *, sizes: str, machine: str) -> dict[str, str]:
    grades = {"model": sizes, "settings": "asked", "run": "asked", "measurement": "measured"}
    plan = document["plan"]
    if plan is not None:
        grades["plan"] = plan["grade"]
        for index in range(len(plan["devices"])):
            device = f"plan.devices.{index}"
            grades |= {f"{device}.capacity_bytes": machine, f"{device}.in_use_bytes": machine}
            grades[f"{device}.overhead_bytes"] = "typical"
        for index in range(len(plan["pools"])):
            grades |= {f"plan.pools.{index}.{name}": machine for name in ("capacity_bytes", "gpu_limit_bytes", "in_use_bytes")}
    if document["forecast"] is not None:
        grades["forecast"] = "measured" if document["forecast"]["grade"] == "measured" else "typical"
    return grades


def _thinned(samples: list[Any]) -> list[Any]:
    """At most `MOST_SAMPLES` of them, evenly, the first and the last among them."""
    if len(samples) <= MOST_SAMPLES:
        return samples
    last = len(samples) - 1
    return [samples[round(index * last / (MOST_SAMPLES - 1))] for index in range(MOST_SAMPLES)]
