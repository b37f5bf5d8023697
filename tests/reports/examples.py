"""Reports for tests: made from a real answer, and from a run as `advisor verify --json` prints it."""

import json
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


def everything() -> HardwareReport:
    """A report in which every field is set: eight unlike GPUs, every measured number, a long note, several failures."""
    document = json.loads(measured().model_dump_json())
    gpu = document["machine"]["gpus"][0] | {
        "bandwidth_measured_gb_s": 912.5,
        "driver": "580.95.05",
        "link": "PCIe 4.0 x16",
        "compute_capability": "8.9",
        "architecture": "Ada Lovelace",
    }
    document["note"] = "The side panel was off, the fan curve as it came, nothing else ran. " * 4
    document["machine"] |= {
        "gpus": [gpu | {"name": f"NVIDIA GeForce RTX 40{index}0 of this very maker"} for index in range(8)],
        "cpu": {"name": "AMD Ryzen Threadripper PRO 7995WX 96-Cores", "performance_cores": 96, "threads": 192},
        "memory": {"capacity_bytes": 2**39, "bandwidth_gb_s": 332.8, "bandwidth_measured_gb_s": 287.4, "type": "DDR5-5200"},
        "os": "Ubuntu 24.04.3 LTS, Linux 6.14.0-35-generic",
    }
    document["model"] |= {
        "file_name": "a-model-with-a-name-that-goes-on-and-on-as-merges-of-merges-do-0.1-imatrix-Q4_K_M-00001-of-00017.gguf",
        "header_sha256": "0123456789abcdef" * 4,
        "active_parameters": 3_000_000_000,
    }
    document["settings"]["cpu_moe_layers"] = 12
    seconds = {"low": 0.2, "expected": 0.3, "high": 0.4}
    document["forecast"] |= {"prompt_tps": {"low": 4000, "expected": 5000, "high": 6000}, "time_to_first_token_s": seconds}
    document["forecast"]["load_s"] = {"low": 2.0, "expected": 3.0, "high": 4.0}
    sizes = {"kv_cache_bytes": 2**30, "compute_bytes": 2**28, "output_bytes": 2**19}
    document["measurement"]["memory"] |= sizes
    document["failures"] = [{"kind": "watchdog", "message": "the run was ended before the computer ran out of memory"}] * 3
    return HardwareReport.model_validate(document)


def measured(
    model: str = "llama-3.1-8b", machine: str = "rtx-4090", tps: float = 120.0, expected: float = 115.0
) -> HardwareReport:
    """A run as a report."""
    return report_of_measurement(Measurement.model_validate(run_document(model, machine, tps, expected)))
