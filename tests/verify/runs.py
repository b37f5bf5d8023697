"""A measurement, made up, that tests change in one place each."""

from typing import Any

from advisor.verify.measurement import Measurement

GIB = 2**30
DEVICE = {
    "name": "Host",
    "kind": "host",
    "pool": "ram",
    "capacity_bytes": 16 * GIB,
    "in_use_bytes": 2 * GIB,
    "weights_bytes": 4 * GIB,
    "kv_cache_bytes": GIB // 2,
    "recurrent_state_bytes": GIB // 4,
    "compute_bytes": GIB // 4,
    "output_bytes": 2**20,
    "projector_bytes": 0,
    "draft_bytes": 0,
    "overhead_bytes": 0,
    "total_bytes": 5 * GIB + 2**20,
    "headroom_bytes": 9 * GIB,
}
POOL = {"id": "ram", "kind": "ram", "capacity_bytes": 16 * GIB, "in_use_bytes": 2 * GIB, "total_bytes": 5 * GIB + 2**20}
MEMORY = {
    "weights_bytes": 4 * GIB,
    "kv_cache_bytes": 3 * GIB // 4,
    "compute_bytes": GIB // 4,
    "output_bytes": 2**20,
    "process_peak_bytes": 5 * GIB - 100 * 2**20,
    "gpu_peak_bytes": None,
    "basis": "the engine's load log",
}
DOCUMENT: dict[str, Any] = {
    "schema": 1,
    "machine": {"id": "here", "name": "A computer", "kind": "cpu", "origin": "detected"},
    "model": {"id": "model.gguf", "name": "Model 8B", "quantization": "Q4_K_M"},
    "plan": {"grade": "formula", "devices": [DEVICE], "pools": [POOL], "verdict": "fits", "reasons": ["It fits."]},
    "forecast": {"generate_tps": {"low": 8.0, "expected": 10.0, "high": 12.0}, "grade": "typical"},
    "measurement": {
        "generate_tps": {"median": 9.0, "low": 8.5, "high": 9.5},
        "prompt_tps": {"median": 120.0, "low": 110.0, "high": 125.0},
        "time_to_first_token_s": 3.5,
        "load_s": 1.5,
        "memory": MEMORY,
        "samples": [
            {"t_s": 0.0, "stage": "loading", "anonymous_bytes": 0, "file_bytes": 0, "available_bytes": 9 * GIB},
            {"t_s": 0.5, "stage": "loading", "anonymous_bytes": GIB, "file_bytes": 2 * GIB, "available_bytes": 8 * GIB},
            {"t_s": 1.0, "stage": "prompt", "anonymous_bytes": GIB, "file_bytes": 4 * GIB, "available_bytes": 8 * GIB},
            {"t_s": 9.0, "stage": "generation", "anonymous_bytes": GIB, "file_bytes": 4 * GIB, "available_bytes": 8 * GIB},
        ],
    },
    "verdict": "confirmed",
    "failures": [],
    "run": {"backend": "llama-cpp", "started_at": "2026-11-21T12:00:00Z", "seconds": 60.0, "repeats": 5},
}


def document(**changes: Any) -> dict[str, Any]:
    """The document with parts replaced: `run__busy=0.5` changes one field of a part."""
    found = dict(DOCUMENT)
    for name, value in changes.items():
        part, _, field = name.partition("__")
        found[part] = {**found[part], field: value} if field else value
    return found


def measurement(**changes: Any) -> Measurement:
    """The same, checked."""
    return Measurement.model_validate(document(**changes))
