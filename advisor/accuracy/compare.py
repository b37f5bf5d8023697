"""Predicted against logged sizes: differences by device and component, and their summary. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Literal

from advisor.accuracy.logged import COMPONENTS, Component, LoggedSizes

WEIGHTS_WITHIN = 0.005
"""Relative error that counts as right for weights."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One predicted number beside the logged one, in bytes."""

    device: str
    kind: Literal["gpu", "host"]
    component: Component | Literal["total"]
    logged: float
    predicted: float
    rounding: float

    @property
    def error(self) -> float:
        """Predicted less logged."""
        return self.predicted - self.logged

    @property
    def relative(self) -> float:
        """Error as a share of what was logged; 0 inside the printed rounding, infinite where nothing was logged."""
        if self.exact:
            return 0.0
        return self.error / self.logged if self.logged else inf

    @property
    def exact(self) -> bool:
        """True where the prediction would have been printed as the log has it."""
        return abs(self.error) <= self.rounding + 1


@dataclass(frozen=True)
class CaseResult:
    """One case compared: its differences, and what could not be compared with the reason."""

    id: str
    rules: str
    """The build or date whose rules applied."""
    differences: tuple[Difference, ...]
    excluded: Mapping[str, str]
    """Component (or "case") and the log line that makes a comparison impossible."""
    scaled: bool
    """True where the weights are those of a plain recipe scaled to the printed file size."""
    mainline: bool
    remarks: tuple[str, ...] = ()

    def of(self, component: str) -> tuple[Difference, ...]:
        """The differences of one component, or of the device totals ("total")."""
        return tuple(each for each in self.differences if each.component == component)

    @property
    def counted(self) -> bool:
        """True where cache, weights and compute buffers were all compared, on one kind of device at least."""
        compared = {each.component for each in self.differences}
        return {"weights", "compute", "total"} <= compared and not {"case", "weights", "compute"} & self.excluded.keys()


def differences(
    logged: LoggedSizes,
    predicted: Sequence[Mapping[Component, float]],
    *,
    without: Iterable[str] = (),
    sum_only: Iterable[str] = (),
) -> tuple[Difference, ...]:
    """Logged against predicted sizes, device by device in the same order.

    Components in `without` are left out ("weights", or "host weights" for one kind of device), and so are totals that would
    need them. Those in `sum_only` are compared as the sum of all GPUs, where the log does not say how they were shared out.
    """
    left_out, summed = set(without), set(sum_only)
    rows: list[Difference] = []
    components = [name for name in COMPONENTS if name in logged.listed and name not in left_out]
    for device, sizes in zip(logged.devices, predicted, strict=True):
        for name in components:
            printed, ours = device.sizes.get(name, 0.0), sizes.get(name, 0.0)
            if (printed or ours) and f"{device.kind} {name}" not in left_out:
                rows.append(Difference(device.name, device.kind, name, printed, ours, device.rounding.get(name, 0.0)))
    by_gpu = [row for row in rows if row.kind == "gpu" and row.component in summed]
    rows = [row for row in rows if row not in by_gpu]
    rows += [_sum([row for row in by_gpu if row.component == name], name) for name in components if name in summed]
    if "weights" in components and "compute" in components:
        rows += _totals([row for row in rows if not any(each.startswith(f"{row.kind} ") for each in left_out)])
    return tuple(rows)


def _totals(rows: Sequence[Difference]) -> list[Difference]:
    names = dict.fromkeys(row.device for row in rows)
    if "all GPUs" in names:
        by_kind = [[row for row in rows if row.kind == kind] for kind in ("gpu", "host")]
        return [_sum(members, "total") for members in by_kind if members]
    return [_sum([row for row in rows if row.device == name], "total") for name in names]


def _sum(rows: Sequence[Difference], component: Component | Literal["total"]) -> Difference:
    names = {row.device for row in rows}
    return Difference(
        names.pop() if len(names) == 1 else "all GPUs",
        rows[0].kind,
        component,
        sum(row.logged for row in rows),
        sum(row.predicted for row in rows),
        sum(row.rounding for row in rows),
    )


@dataclass(frozen=True)
class Spread:
    """Absolute relative errors of many comparisons."""

    count: int
    median: float
    p90: float
    p95: float
    worst: float


@dataclass(frozen=True)
class Summary:
    """All cases together."""

    cases: int
    counted: int
    kv_cases: int
    kv_exact: int
    kv_wrong: tuple[str, ...]
    rs_cases: int
    rs_exact: int
    weights_devices: int
    weights_right: int
    scaled_devices: int
    scaled_right: int
    compute: Spread
    output: Spread
    gpu_total: Spread
    host_total: Spread
    total: Spread


def summarize(results: Sequence[CaseResult]) -> Summary:
    """The figures that the accuracy page and the benchmark print. Partial cases count where they have the component."""
    kv = [result for result in results if result.mainline and result.of("kv_cache")]
    rs = [result for result in results if result.mainline and result.of("recurrent_state")]
    plain = [row for result in results if not result.scaled for row in result.of("weights")]
    scaled = [row for result in results if result.scaled for row in result.of("weights")]
    totals = [row for result in results for row in result.of("total")]
    return Summary(
        cases=len(results),
        counted=sum(result.counted for result in results),
        kv_cases=len(kv),
        kv_exact=sum(all(row.exact for row in result.of("kv_cache")) for result in kv),
        kv_wrong=tuple(result.id for result in kv if not all(row.exact for row in result.of("kv_cache"))),
        rs_cases=len(rs),
        rs_exact=sum(all(row.exact for row in result.of("recurrent_state")) for result in rs),
        weights_devices=len(plain),
        weights_right=sum(abs(row.relative) <= WEIGHTS_WITHIN for row in plain),
        scaled_devices=len(scaled),
        scaled_right=sum(abs(row.relative) <= WEIGHTS_WITHIN for row in scaled),
        compute=spread(row for result in results for row in result.of("compute")),
        output=spread(row for result in results for row in result.of("output")),
        gpu_total=spread(row for row in totals if row.kind == "gpu"),
        host_total=spread(row for row in totals if row.kind == "host"),
        total=spread(totals),
    )


def spread(rows: Iterable[Difference]) -> Spread:
    """Median and upper percentiles of the absolute relative errors (nearest rank: a value that occurred); zeros without any."""
    errors = sorted(abs(row.relative) for row in rows)
    if not errors:
        return Spread(0, 0.0, 0.0, 0.0, 0.0)
    return Spread(len(errors), _rank(errors, 0.5), _rank(errors, 0.9), _rank(errors, 0.95), errors[-1])


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
