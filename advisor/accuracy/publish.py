"""What ships of the comparison with public load logs: results as the entries of `data/errors.json`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from advisor.accuracy.cases import parse_case
from advisor.accuracy.compare import CaseResult
from advisor.accuracy.published import Grade, PlannedModel, backend_of_log, peers_table, source_of
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from advisor.units import MIB

CONTEXTS = (8192, 32768)


def entry(
    record: Mapping[str, Any], result: CaseResult, *, grade: Grade = "formula", before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One case as it ships. Comparisons of another grade are taken over from `before`, the entry as it was."""
    case = parse_case(record)
    source, url = source_of(case.source)
    named = case.name if case.name not in (None, "n/a") else case.id
    compared = {name: data for name, data in (before or {}).get("comparisons", {}).items() if name != grade}
    return {
        "id": case.id,
        "model": named,
        "quantization": case.quantization or record.get("ftype"),
        "context": case.run.get("n_ctx"),
        "architecture": case.architecture,
        "backend": backend_of_log(case.gpus),
        "build": case.printed_build,
        "date": case.date,
        "source": source,
        "url": url,
        "comparisons": compared | {grade: comparison(result)},
    }


def comparison(result: CaseResult) -> dict[str, Any]:
    """The result's numbers in whole bytes, each as the fields of `compare.Difference`."""
    rows = [
        [row.device, row.kind, row.component, round(row.logged), round(row.predicted), round(row.rounding)]
        for row in result.differences
    ]
    return {"rules": result.rules, "scaled": result.scaled, "differences": rows, "excluded": dict(result.excluded)}


def planned_models() -> tuple[PlannedModel, ...]:
    """Our total beside the engine's for every model and context of `data/peers.toml`: weights, cache and compute buffer."""
    found = []
    for row in peers_table()["model"]:
        model = catalogue().find(row["id"]).quantized(row["quantization"])
        for context in CONTEXTS:
            settings = resolve({"context": context, "slots": 1, "gpu_layers": 0}, model, has_gpu=False)
            host = plan_memory(model, None, settings).host
            engine = row["weights_mib"] + row["kv_mib"][str(context)] + row["compute_mib"][str(context)]
            ours = host.weights_bytes + host.kv_cache_bytes + host.compute_bytes
            found.append(PlannedModel(row["id"], context, ours, engine * MIB))
    return tuple(found)


def as_text(entries: Iterable[Mapping[str, Any]], planned: Sequence[PlannedModel]) -> str:
    """The file's text: one case a line, so that a change shows which cases it touches."""
    cases = ",\n".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in entries)
    models = ",\n".join(json.dumps(asdict(row), separators=(",", ":")) for row in planned)
    return f'{{"cases":[\n{cases}\n],\n"planned":[\n{models}\n]}}\n'
