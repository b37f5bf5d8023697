"""Prints how far the engine's own plans are from public load logs, beside the formula's, and the models of peers.toml.

    python benchmarks/engine_accuracy.py [--all] [--json] [--write]

Each case is planned by the engine on GPUs that are not there. Components of which the log's build has other rules than the
engine are left out, for the formula too.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.accuracy.by_engine import evaluate_by_engine
from advisor.accuracy.cases import load_cases
from advisor.accuracy.compare import CaseResult, Difference
from advisor.accuracy.evaluate import evaluate
from advisor.accuracy.publish import as_text, entry, planned_models
from advisor.accuracy.published import peers_table
from advisor.engine.layout import engine_plan
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from advisor.units import MIB

CASES = Path(__file__).parent.parent / "advisor" / "accuracy" / "data" / "memory_cases.jsonl"
COMPONENTS = ("weights", "kv_cache", "recurrent_state", "compute", "output", "total")
ERRORS = CASES.with_name("errors.json")
CONTEXTS = (8192, 32768)
UNDER = 0.02
"""GPU compute buffers that are more than this under their log are listed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Plan the cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="print every number of every case")
    parser.add_argument("--json", action="store_true", help="print the engine's differences as JSON")
    parser.add_argument("--write", action="store_true", help="store the engine's differences with those that ship")
    options = parser.parse_args(arguments)
    records = load_cases(CASES)
    pairs = [(evaluate_by_engine(record), evaluate(record)) for record in records]
    if options.write:
        before = {case["id"]: case for case in json.loads(ERRORS.read_text(encoding="utf-8"))["cases"]}
        entries = [
            entry(record, engine, grade="engine", before=before.get(engine.id))
            for record, (engine, _) in zip(records, pairs, strict=True)
        ]
        ERRORS.write_text(as_text(entries, planned_models()), encoding="utf-8", newline="\n")
    if options.json:
        print(json.dumps([asdict(engine) | {"excluded": dict(engine.excluded)} for engine, _ in pairs], indent=1))
        return 0
    if options.all:
        for engine, formula in pairs:
            _print_case(engine, formula)
    _print_left_out([engine for engine, _ in pairs])
    _print_summary(pairs)
    _print_under([engine for engine, _ in pairs])
    _print_planned()
    return 0


def _both(engine: CaseResult, formula: CaseResult) -> Iterator[tuple[Difference, Difference | None]]:
    """The engine's numbers, each with the formula's for the same line of the log."""
    theirs = {(row.device, row.component): row for row in formula.differences}
    for row in engine.differences:
        yield row, theirs.get((row.device, row.component))


def _print_case(engine: CaseResult, formula: CaseResult) -> None:
    print(engine.id)
    for row, theirs in _both(engine, formula):
        beside = _percent(theirs) if theirs else ""
        print(f"    {row.device:9} {row.component:16} {row.logged / MIB:12.2f} {_percent(row):>10} {beside:>10}")


def _percent(row: Difference) -> str:
    return "exact" if row.exact else "new" if not row.logged else f"{100 * row.relative:+.2f} %"


def _print_left_out(results: Sequence[CaseResult]) -> None:
    print("not planned by the engine")
    for result in results:
        if not result.differences:
            print(f"    {result.id}: {'; '.join(dict.fromkeys(result.excluded.values()))}")


def _print_summary(pairs: Sequence[tuple[CaseResult, CaseResult]]) -> None:
    print(f"\ncases with anything to compare: {sum(bool(engine.differences) for engine, _ in pairs)} of {len(pairs)}")
    print(f"{'component':18}{'numbers':>8}   engine: exact, median, p95, worst        formula: exact, median, p95, worst")
    for component in COMPONENTS:
        for kind in ("gpu", "host"):
            rows = [
                both
                for pair in pairs
                for both in _both(*pair)
                if both[0].component == component and both[0].kind == kind and both[1] is not None and both[0].logged
            ]
            if rows:
                engine, formula = _spread([row for row, _ in rows]), _spread([row for _, row in rows if row is not None])
                print(f"{component + ' ' + kind:24}{len(rows):6}   {engine:42} {formula}")


def _spread(rows: Sequence[Difference]) -> str:
    errors = sorted(0.0 if row.exact else abs(row.relative) for row in rows)
    shares = (errors[len(errors) // 2], errors[min(int(0.95 * len(errors)), len(errors) - 1)], errors[-1])
    return f"{sum(row.exact for row in rows):4}" + "".join(f"{100 * share:9.2f} %" for share in shares)


def _print_under(results: Sequence[CaseResult]) -> None:
    print(f"\ncompute buffers of GPUs more than {UNDER:.0%} under their log")
    for result in results:
        for row in result.differences:
            if row.component == "compute" and row.kind == "gpu" and row.logged and row.relative < -UNDER:
                print(
                    f"    {result.id} {row.device}: {row.predicted / MIB:.2f} for {row.logged / MIB:.2f} MiB ({_percent(row)})"
                )


def _print_planned() -> None:
    """The models of peers.toml on the CPU with one slot: weights, cache and compute buffer in MiB."""
    print("\nmodels of peers.toml, CPU, 1 slot: weights / KV / compute in MiB, total in GiB and its error")
    for row in peers_table()["model"]:
        model = catalogue().find(row["id"]).quantized(row["quantization"])
        for context in CONTEXTS:
            settings = resolve({"context": context, "slots": 1, "gpu_layers": 0}, model, has_gpu=False)
            wanted = (row["weights_mib"], row["kv_mib"][str(context)], row["compute_mib"][str(context)])
            for grade, plan in (
                ("engine", engine_plan(model, None, settings)),
                ("formula", plan_memory(model, None, settings)),
            ):
                host = plan.host
                found = (host.weights_bytes, host.kv_cache_bytes, host.compute_bytes)
                figures = " / ".join(f"{size / MIB:10.2f} ({told:g})" for size, told in zip(found, wanted, strict=True))
                error = sum(found) / MIB / sum(wanted) - 1
                print(
                    f"    {row['id']:32} {context:6} {grade:8} {figures}  {sum(found) / MIB / 1024:8.2f} {100 * error:+.3f} %"
                )


if __name__ == "__main__":
    sys.exit(main())
