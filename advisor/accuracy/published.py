"""The comparison with public load logs as it ships: evaluated beforehand, only read when it is shown. `published()`.

`data/errors.json` is written by `python benchmarks/memory_accuracy.py --write` from `data/memory_cases.jsonl`; a test holds it
to a fresh evaluation.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from advisor.accuracy.compare import Difference

Grade = Literal["formula", "engine"]
GRADES: tuple[Grade, ...] = ("formula", "engine")

_DATA = files("advisor.accuracy") / "data"
_BACKENDS = {
    "CUDA": "cuda",
    "Vulkan": "vulkan",
    "ROCm": "rocm",
    "MTL": "metal",
    "Metal": "metal",
    "HTP": "hexagon",
    "CANN": "cann",
    "SYCL": "sycl",
}
"""What names of devices in logs begin with, and the backend."""


@dataclass(frozen=True)
class Comparison:
    """One log beside one kind of prediction, as in `compare.CaseResult`."""

    rules: str
    scaled: bool
    differences: tuple[Difference, ...]
    excluded: Mapping[str, str]


@dataclass(frozen=True)
class PublishedCase:
    """One public load log with its comparisons by grade. None is what the log does not say."""

    id: str
    model: str
    quantization: str | None
    context: int | None
    architecture: str | None
    backend: str
    build: str | None
    """As the log prints it."""
    date: str | None
    source: str
    url: str | None
    """Where the log can be read; None where its repository is not known."""
    comparisons: Mapping[Grade, Comparison]


@dataclass(frozen=True, slots=True)
class Row:
    """One number of one log beside its prediction."""

    case: PublishedCase
    difference: Difference


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """One of the models that the engine planned, at one context: our total and the engine's, in bytes."""

    model: str
    context: int
    ours: int
    engine: int

    @property
    def error(self) -> float:
        """Ours over the engine's, less one."""
        return self.ours / self.engine - 1


@dataclass(frozen=True)
class Peer:
    """Another program's errors on the planned models, in per cent as text by context; "" where it has no answer."""

    name: str
    errors: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True)
class Limit:
    """Where a prediction is known to be off, in words, and which numbers show it."""

    text: str
    cases: tuple[str, ...]
    component: str | None
    kind: str | None
    least: float
    most: float
    """The errors of those numbers lie between these, in per cent."""


@dataclass(frozen=True)
class Published:
    """Everything that the accuracy page shows."""

    cases: tuple[PublishedCase, ...]
    planned: tuple[PlannedModel, ...]

    def rows(self, component: str, *, backend: str | None = None, grade: Grade = "formula") -> tuple[Row, ...]:
        """Every number of one component, of one backend's logs or of all, the largest relative error first."""
        found = [
            Row(case, difference)
            for case in self.cases
            if backend in (None, case.backend) and grade in case.comparisons
            for difference in case.comparisons[grade].differences
            if difference.component == component
        ]
        return tuple(sorted(found, key=lambda row: -abs(row.difference.relative)))

    def excluded(self, *, grade: Grade = "formula") -> tuple[tuple[PublishedCase, str, str], ...]:
        """What could not be compared: the case, the component (or "case") and the log's line that makes it so."""
        compared = (case for case in self.cases if grade in case.comparisons)
        return tuple((case, name, why) for case in compared for name, why in case.comparisons[grade].excluded.items())

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends of the logs, the one with most logs first."""
        names = [case.backend for case in self.cases]
        return tuple(sorted(set(names), key=lambda name: (-names.count(name), name)))

    @property
    def grades(self) -> tuple[Grade, ...]:
        """The kinds of prediction that any log was compared with."""
        return tuple(grade for grade in GRADES if any(grade in case.comparisons for case in self.cases))


@cache
def published() -> Published:
    """The shipped comparison."""
    data = json.loads((_DATA / "errors.json").read_text(encoding="utf-8"))
    cases = tuple(_case(entry) for entry in data["cases"])
    return Published(cases, tuple(PlannedModel(**row) for row in data["planned"]))


@cache
def peers() -> tuple[Peer, ...]:
    """The other programs, as `data/peers.toml` lists them."""
    table = peers_table()
    return tuple(
        Peer(row["name"], {context: tuple(row[f"at_{context}"]) for context in (8192, 32768)}) for row in table["peer"]
    )


def peers_table() -> dict[str, Any]:
    """`data/peers.toml`: models planned by the engine, and the errors of other programs on them."""
    return tomllib.loads((_DATA / "peers.toml").read_text(encoding="utf-8"))


@cache
def limits() -> tuple[Limit, ...]:
    """Where predictions are known to be off, as `data/limits.toml` lists it."""
    rows = tomllib.loads((_DATA / "limits.toml").read_text(encoding="utf-8"))["limit"]
    return tuple(
        Limit(
            " ".join(row["text"].split()),
            tuple(row.get("cases", ())),
            row.get("component"),
            row.get("kind"),
            *row.get("per_cent", (0, 0)),
        )
        for row in rows
    )


def backend_of_log(devices: Iterable[str]) -> str:
    """The backend of a log by the names of its devices; "cpu" without a GPU."""
    found = [kind for name in devices for start, kind in _BACKENDS.items() if name.startswith(start)]
    return found[0] if found else "cpu"


def source_of(text: str) -> tuple[str, str | None]:
    """Name and address in a case's source: "owner/name (https://...)"; None where the log has no address."""
    match = re.fullmatch(r"(.+?) \((https://[^()\s]+)\)", text)
    return (match[1], match[2]) if match else (text, None)


def _case(entry: Mapping[str, Any]) -> PublishedCase:
    fields = {name: value for name, value in entry.items() if name != "comparisons"}
    compared: dict[Grade, Comparison] = {
        grade: Comparison(
            data["rules"],
            data["scaled"],
            tuple(Difference(*row) for row in data["differences"]),
            data["excluded"],
        )
        for grade, data in entry["comparisons"].items()
    }
    return PublishedCase(**fields, comparisons=compared)
