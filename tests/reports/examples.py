"""Reports for tests: made from a real answer, and from a run as `advisor verify --json` prints it."""

from datetime import UTC, datetime
from functools import cache

from advisor.estimate import estimate
from advisor.question import Question
from advisor.reports.making import report_of_estimate, report_of_measurement
from advisor.reports.report import HardwareReport
from advisor.verify.measurement import Measurement

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@cache
def planned(model: str = "llama-3.1-8b", machine: str = "rtx-4090", ram_gib: float = 64) -> HardwareReport:
    """What is predicted of a model on a machine, as a report."""
    return report_of_estimate(estimate(Question(model=model, quant="Q4_K_M", machine=machine, ram_gib=ram_gib)), now=NOW)


def run_document(model: str = "llama-3.1-8b", machine: str = "rtx-4090", tps: float = 120.0, expected: float = 115.0) -> dict:
    """A run on `machine`, as `advisor verify --json` prints it."""
    answer = estimate(Question(model=model, quant="Q4_K_M", machine=machine, ram_gib=64))
    said = answer.to_json()
    return {
        "schema": 1,
        "machine": answer.machine.model_dump(mode="json"),
        "model": said["model"],
        "settings": said["settings"],
        "plan": {name: said[name] for name in ("grade", "devices", "pools", "verdict", "reasons")},
        "forecast": {
            "generate_tps": {"low": expected * 0.85, "expected": expected, "high": expected * 1.15},
            "prompt_tps": None,
            "time_to_first_token_s": None,
            "grade": "typical",
        },
        "measurement": {
            "generate_tps": {"median": tps, "low": tps * 0.98, "high": tps * 1.01},
            "prompt_tps": {"median": tps * 40, "low": tps * 39, "high": tps * 41},
            "time_to_first_token_s": 0.31,
            "load_s": 2.5,
            "memory": {
                "weights_bytes": 4617396480,
                "process_peak_bytes": 812345678,
                "gpu_peak_bytes": 6400000000,
                "basis": "log",
            },
            "samples": [{"t_s": index / 10, "stage": "generation", "gpu_bytes": 6_000_000_000} for index in range(300)],
        },
        "verdict": "confirmed",
        "failures": [],
        "run": {
            "backend": "llama-cpp",
            "engine": "llama.cpp b11000",
            "started_at": "2026-11-20T09:30:15.123456+01:00",
            "seconds": 42.5,
            "threads": 8,
            "prompt_tokens": 512,
            "generated_tokens": 128,
            "repeats": 5,
        },
    }


def measured(
    model: str = "llama-3.1-8b", machine: str = "rtx-4090", tps: float = 120.0, expected: float = 115.0
) -> HardwareReport:
    """A run as a report."""
    return report_of_measurement(Measurement.model_validate(run_document(model, machine, tps, expected)))
