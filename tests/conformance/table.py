"""The conformance table: per architecture, how far the formula's device totals are from the engine's."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.conformance.comparison import Comparison

KEY = "conformance"
_HEAD = "".join(
    f"{name:>{width}}" for name, width in (("cases", 23), ("totals", 8), ("median", 10), ("p95", 10), ("worst", 10))
)
_HEAD += f"{'KV exact':>11}{'weights':>10}{'refused':>9}"


def percentile(errors: Sequence[float], share: float) -> float:
    """The error that `share` of `errors` do not exceed; 0 where there are none."""
    ordered = sorted(map(abs, errors))
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def row(architecture: str, found: Sequence[Comparison]) -> dict[str, Any]:
    """What the table needs of one model's comparisons, as plain values."""
    answered = [one for one in found if one.refused is None]
    refused = [one for one in found if one.refused is not None]
    return {
        "architecture": architecture,
        "cases": len(found),
        "errors": [error for one in answered for error in one.errors],
        "backends": [one.backend for one in answered for _ in one.errors],
        "answered": len(answered),
        "kv_exact": sum(one.caches_exact for one in answered),
        "weights_exact": sum(one.weights_exact for one in answered),
        "refused": len(refused),
        "same_refusal": sum(one.same_refusal for one in refused),
    }


def table(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The lines to print, the last one for all together."""
    merged: dict[str, dict[str, Any]] = {}
    for one in rows:
        for name in (one["architecture"], "all"):
            into = merged.setdefault(name, {key: [] if isinstance(value, list) else 0 for key, value in one.items()})
            for key, value in one.items():
                into[key] = name if key == "architecture" else into[key] + value
    yield f"architecture{_HEAD[12:]}"
    for name in sorted(merged, key=lambda name: (name == "all", name)):
        yield _line(merged[name])


def _line(one: dict[str, Any]) -> str:
    errors = one["errors"]
    figures = (percentile(errors, 0.5), percentile(errors, 0.95), percentile(errors, 1.0))
    return (
        f"{one['architecture']:17}{one['cases']:6}{len(errors):8}"
        + "".join(f"{100 * figure:8.3f} %" for figure in figures)
        + f"{one['kv_exact']:5}/{one['answered']:<4}{one['weights_exact']:4}/{one['answered']:<4}"
        + f"{one['same_refusal']:4}/{one['refused']:<4}"
    )


def by_backend(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The lines to print of one table: architectures down, backends across, the last line for all together."""
    found: dict[str, dict[str, list[float]]] = {}
    for one in rows:
        for backend, error in zip(one["backends"], one["errors"], strict=True):
            for name in (one["architecture"], "all"):
                found.setdefault(name, {}).setdefault(backend, []).append(error)
    backends = sorted(found.get("all", ()))
    yield f"{'architecture':17}" + "".join(f"{backend:>22}" for backend in backends)
    for name in sorted(found, key=lambda name: (name == "all", name)):
        yield f"{name:17}" + "".join(_cell(found[name].get(backend, [])) for backend in backends)


def _cell(errors: Sequence[float]) -> str:
    if not errors:
        return " " * 22
    return f"{100 * percentile(errors, 0.95):10.3f}/{100 * percentile(errors, 1.0):6.3f}{len(errors):5d}"
