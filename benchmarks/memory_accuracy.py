"""Prints how far the memory formulas are from public load logs: every case with its differences, then the summary.

    python benchmarks/memory_accuracy.py [--cases FILE] [--json] [--all] [--worst N] [--write]

Each case is rebuilt from hyperparameters, quantization and run settings; the sizes that the log prints are only compared with.
`--write` puts the differences of the shipped cases into `advisor/accuracy/data/errors.json`, which the accuracy page shows.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.accuracy.cases import load_cases
from advisor.accuracy.compare import CaseResult, Difference, Spread, Summary, summarize
from advisor.accuracy.evaluate import evaluate
from advisor.accuracy.publish import as_text, entry, planned_models
from advisor.units import MIB

DATA = Path(__file__).resolve().parent.parent / "advisor" / "accuracy" / "data"
CASES = DATA / "memory_cases.jsonl"
ERRORS = DATA / "errors.json"
_SHORT = {
    "weights": "weights",
    "kv_cache": "KV",
    "recurrent_state": "RS",
    "compute": "compute",
    "output": "output",
    "total": "total",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate the cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=CASES, help="a file of load logs, one JSON object a line")
    parser.add_argument("--json", action="store_true", help="print all differences as JSON")
    parser.add_argument("--all", action="store_true", help="print every device of every case, also what is exact")
    parser.add_argument("--worst", type=int, default=15, help="how many of the largest errors to list by component")
    parser.add_argument("--write", action="store_true", help="write the shipped file of errors, and print the summary")
    options = parser.parse_args(arguments)
    if options.write and options.cases != CASES:
        parser.error("--write is for the shipped cases, without --cases")
    results = [evaluate(record) for record in load_cases(options.cases)]
    summary = summarize(results)
    if options.write:
        _write(results)
        _print_summary(summary)
        return 0
    if options.json:
        print(json.dumps({"summary": asdict(summary), "cases": [_as_json(result) for result in results]}, indent=1))
        return 0
    for result in results:
        _print_case(result, every=options.all)
    for component in ("weights", "compute", "output", "total"):
        _print_worst(results, component, options.worst)
    _print_exclusions(results)
    _print_summary(summary)
    return 0


def _write(results: Sequence[CaseResult]) -> None:
    before: dict[str, Any] = {}
    if ERRORS.exists():
        before = {case["id"]: case for case in json.loads(ERRORS.read_text(encoding="utf-8"))["cases"]}
    records = load_cases(CASES)
    entries = [entry(record, result, before=before.get(result.id)) for record, result in zip(records, results, strict=True)]
    ERRORS.write_text(as_text(entries, planned_models()), encoding="utf-8", newline="\n")


def _as_json(result: CaseResult) -> dict[str, Any]:
    rows = [asdict(row) | {"relative": row.relative if row.logged else None, "exact": row.exact} for row in result.differences]
    return asdict(result) | {"differences": rows, "excluded": dict(result.excluded), "counted": result.counted}


def _print_case(result: CaseResult, *, every: bool) -> None:
    marks = (
        ("" if result.mainline else " [fork]")
        + (" [scaled]" if result.scaled else "")
        + ("" if result.counted else " [partly]")
    )
    print(f"{result.id}{marks}  rules of {result.rules}")
    devices = dict.fromkeys(row.device for row in result.differences)
    for device in devices:
        rows = [row for row in result.differences if row.device == device]
        if not every:
            print(f"    {device:9}" + "  ".join(_brief(row) for row in rows))
            continue
        for row in rows:
            print(
                f"    {device:9} {_SHORT[row.component]:8} {row.predicted / MIB:12.2f} {row.logged / MIB:12.2f}"
                f" {_percent(row):>9}"
            )
    for remark in result.remarks:
        print(f"    ({remark})")


def _brief(row: Difference) -> str:
    return f"{_SHORT[row.component]} " + ("=" if row.exact else f"{row.error / MIB:+.2f} ({_percent(row)})")


def _percent(row: Difference) -> str:
    return "exact" if row.exact else "new" if not row.logged else f"{100 * row.relative:+.2f} %"


def _print_worst(results: Sequence[CaseResult], component: str, count: int) -> None:
    rows = [(abs(row.relative), result, row) for result in results for row in result.of(component)]
    rows.sort(key=lambda each: -each[0])
    print(f"\nlargest errors, {component}")
    for error, result, row in rows[:count]:
        if error:
            print(
                f"    {_percent(row):>9} {row.predicted / MIB:11.2f} for {row.logged / MIB:11.2f} MiB"
                f"  {row.device:9} {result.id}"
            )


def _print_exclusions(results: Sequence[CaseResult]) -> None:
    print("\nnot compared")
    for result in results:
        for name, reason in result.excluded.items():
            print(f"    {result.id}: {name}: {reason}")


def _print_summary(summary: Summary) -> None:
    print(f"\ncases {summary.cases}, counted whole {summary.counted}")
    print(
        f"KV cache exact         {summary.kv_exact} of {summary.kv_cases} mainline cases"
        + "".join(f"\n    not {x}" for x in summary.kv_wrong)
    )
    print(f"recurrent state exact  {summary.rs_exact} of {summary.rs_cases}")
    print(f"weights within 0.5 %   {summary.weights_right} of {summary.weights_devices} devices")
    print(f"  scaled to the size   {summary.scaled_right} of {summary.scaled_devices} devices")
    for name in ("compute", "output", "gpu_total", "host_total", "total"):
        print(f"{name.replace('_', ' '):22} {_spread(getattr(summary, name))}")


def _spread(spread: Spread) -> str:
    shares = (spread.median, spread.p90, spread.p95, spread.worst)
    text = ", ".join(
        f"{name} {100 * share:.2f} %" for name, share in zip(("median", "p90", "p95", "worst"), shares, strict=True)
    )
    return f"{spread.count:4} compared: {text}"


if __name__ == "__main__":
    sys.exit(main())
