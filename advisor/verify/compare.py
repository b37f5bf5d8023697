"""Predicted beside measured: a row a figure, each with its error, and the same in words."""

from dataclasses import dataclass, replace
from typing import Literal

from advisor.units import MIB, UnitSystem, format_size
from advisor.verify.measurement import Figures, Forecast, Measurement, Outcome, Plan, Range, Spread, Stage
from advisor.verify.progress import Progress
from advisor.verify.slices import FORECAST_ERROR

NEAR = 0.05
"""A total that is no further from the plan than this confirms it."""
_SMALL = 16 * MIB
"""Differences below this are of allocators and of the program's own, not of the plan."""
STAGE_WORDS: dict[Stage, str] = {
    "queued": "Waiting for its turn",
    "checking": "Checking free memory",
    "downloading": "Downloading the file",
    "loading": "Loading the model",
    "warming": "Warming up",
    "prompt": "Processing prompts",
    "generation": "Generating",
    "first token": "Waiting for first tokens",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. Sizes in bytes, speeds in tokens a second, times in seconds."""

    name: str
    kind: Literal["size", "rate", "time"]
    predicted: float | None
    measured: float
    predicted_range: tuple[float, float] | None = None
    measured_range: tuple[float, float] | None = None
    error_band: tuple[float, float] | None = None
    """Of what slices say: where the whole model is expected to come out."""

    @property
    def error(self) -> float | None:
        """How far the prediction was off, as a share of what was measured: +0.05 is 5 % too much."""
        return None if self.predicted is None or self.measured <= 0 else self.predicted / self.measured - 1

    @property
    def in_range(self) -> bool | None:
        """Whether what was measured lies in the range that was predicted; None where none was."""
        if self.predicted_range is None:
            return None
        return self.predicted_range[0] <= self.measured <= self.predicted_range[1]

    def said(self, system: UnitSystem = "GiB") -> str:
        """A sentence: "Weights: used 4.9 GiB, we said 4.8 GiB, 2% too little"."""
        measured = self.shown(self.measured, system)
        if self.predicted is None:
            return f"{self.name}: {measured}, and we had no forecast."
        verb = "used" if self.kind == "size" else "was"
        return f"{self.name}: {verb} {measured}, we said {self.predicted_shown(system)}, {self.words}."

    def measured_shown(self, system: UnitSystem = "GiB") -> str:
        """What was measured; of a forecast by slices with its range."""
        said = self.shown(self.measured, system)
        return f"{said} ({self._between(self.error_band, system)})" if self.error_band else said

    def predicted_shown(self, system: UnitSystem = "GiB") -> str:
        """What was predicted, with its range."""
        if self.predicted is None:
            return "unknown"
        said = self.shown(self.predicted, system)
        if self.predicted_range is None:
            return said
        return f"{said} ({self._between(self.predicted_range, system)})"

    def _between(self, ends: tuple[float, float], system: UnitSystem) -> str:
        return " to ".join(self.shown(value, system).removesuffix(" tokens/s").removesuffix(" s") for value in ends)

    @property
    def words(self) -> str:
        """How far the prediction was off: "2% too little"; of a speed also whether it was within its range."""
        if self.error is None:
            return ""
        if abs(self.error) < 0.005:
            return "the same"
        if self.error > 1:
            said = f"{self.error + 1:.3g} times what it was"
        else:
            said = f"{abs(self.error):.0%} too {'much' if self.error > 0 else 'little'}"
        return f"{said}, within the range" if self.in_range else said

    def shown(self, value: float, system: UnitSystem = "GiB") -> str:
        """A value of this figure for reading."""
        if self.kind == "size":
            return format_size(round(value), system)
        if self.kind == "time":
            return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
        return f"{value:.2f} tokens/s" if value < 10 else f"{value:,.0f} tokens/s" if value >= 100 else f"{value:.1f} tokens/s"


def compare(measurement: Measurement) -> tuple[Row, ...]:
    """The figures that were measured, memory first, each beside its prediction."""
    figures = measurement.measurement
    if figures is None:
        return ()
    rows = (*memory_rows(measurement.plan, figures), *speed_rows(measurement.forecast, figures))
    if not measurement.by_slices:
        return rows
    return tuple(replace(row, error_band=error_band(*row.measured_range)) if row.measured_range else row for row in rows)


def error_band(low: float, high: float) -> tuple[float, float]:
    """Where the whole model's speed is expected, by the slowest and the fastest of what its slices said."""
    return low * (1 - FORECAST_ERROR), high * (1 + FORECAST_ERROR)


def memory_rows(plan: Plan | None, figures: Figures) -> tuple[Row, ...]:
    """Weights, caches, compute and output buffers of all devices together, and what the machine gave in all.

    The total is of memory that was really touched: buffers are reserved for the longest batch and the whole context.
    """
    held = figures.memory
    rows = []
    for name, fields, measured in (
        ("Weights", ("weights_bytes",), held.weights_bytes),
        ("KV cache", ("kv_cache_bytes", "recurrent_state_bytes"), held.kv_cache_bytes),
        ("Compute buffers", ("compute_bytes",), held.compute_bytes),
        ("Output buffer", ("output_bytes",), held.output_bytes),
    ):
        if measured is not None:
            planned = None if plan is None else sum(getattr(device, field) for device in plan.devices for field in fields)
            rows.append(Row(name, "size", planned, measured))
    total = total_bytes(figures)
    if total is not None:
        planned = None if plan is None else sum(pool.total_bytes for pool in plan.pools)
        rows.append(Row("Memory in all", "size", planned, total))
    return tuple(rows)


def total_bytes(figures: Figures) -> int | None:
    """The most that the run held, of system memory and of GPUs with memory of their own; None where nobody looked."""
    held = figures.memory
    known = [size for size in (held.process_peak_bytes, held.gpu_peak_bytes) if size is not None]
    return sum(known) if known else None


def speed_rows(found: Forecast | None, figures: Figures) -> tuple[Row, ...]:
    """Generation, prompt processing and the time to the first token."""
    rows = []
    forecast = found or Forecast()
    for name, spread, range_ in (
        ("Generation", figures.generate_tps, forecast.generate_tps),
        ("Reading a prompt", figures.prompt_tps, forecast.prompt_tps),
    ):
        if spread is not None:
            rows.append(_speed_row(name, spread, range_))
    if figures.time_to_first_token_s is not None:
        expected = forecast.time_to_first_token_s
        rows.append(
            Row(
                "First word after",
                "time",
                expected.expected if expected else None,
                figures.time_to_first_token_s,
                (expected.low, expected.high) if expected else None,
            )
        )
    return tuple(rows)


def outcome(plan: Plan | None, figures: Figures) -> Outcome:
    """Whether the run confirms the plan of its memory: every part of it near, and no more in all than was planned."""
    rows = [row for row in memory_rows(plan, figures) if row.predicted is not None]
    if not rows:
        return "measured"
    parts = [row for row in rows if row.name != "Memory in all"]
    near = all(abs(row.measured - (row.predicted or 0)) <= max(_SMALL, NEAR * row.measured) for row in parts)
    total = next((row for row in rows if row.name == "Memory in all"), None)
    held = total is None or total.measured <= (total.predicted or 0) * (1 + NEAR) + _SMALL
    return "confirmed" if near and held else "corrected"


def headline(measurement: Measurement) -> str:
    """The run in one sentence."""
    name = f"{measurement.model.name} {measurement.model.quantization or ''}".strip()
    if measurement.verdict == "cancelled":
        return f"The run of {name} was cancelled"
    if measurement.verdict == "failed" or measurement.measurement is None:
        return f"{name} did not run here"
    figures = measurement.measurement
    if measurement.by_slices and figures.generate_tps is not None:
        low, high = error_band(figures.generate_tps.low, figures.generate_tps.high)
        speed = f"{_rate(figures.generate_tps.median)} tokens a second ({_rate(low)} to {_rate(high)})"
        return f"Forecast from a slice: {name} writes {speed}"
    total = next((row for row in memory_rows(measurement.plan, figures) if row.name == "Memory in all"), None)
    said = []
    if total is not None:
        planned = "" if total.predicted is None else f" (we said {format_size(round(total.predicted))})"
        said.append(f"used {format_size(round(total.measured))}{planned}")
    if figures.generate_tps is not None:
        said.append(f"wrote {_rate(figures.generate_tps.median)} tokens a second")
    return f"{name} {' and '.join(said)}" if said else f"{name} ran"


def _rate(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _speed_row(name: str, spread: Spread, range_: Range | None) -> Row:
    expected = range_.expected if range_ else None
    low_high = (range_.low, range_.high) if range_ else None
    return Row(name, "rate", expected, spread.median, low_high, (spread.low, spread.high))


def stage_words(progress: Progress) -> str:
    """Where a run is, in a few words."""
    if progress.stage == "queued" and progress.ahead:
        return f"Waiting for {progress.ahead[0]}" + (f" and {len(progress.ahead) - 1} more" if progress.ahead[1:] else "")
    return STAGE_WORDS[progress.stage]


def left_words(left_s: float | None) -> str:
    """The time left, in a few words."""
    return "" if left_s is None else f"about {max(1, round(left_s))} s left"
