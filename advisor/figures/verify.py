"""The figure of a run: what it held in memory over time, stage by stage, against what was planned."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from advisor.figures.style import COLOURS, LIMIT, TEXT, TRACK, Figure, axis, layout
from advisor.units import UnitSystem, format_size
from advisor.verify.compare import STAGE_WORDS
from advisor.verify.measurement import Sample

_UNITS = {"GiB": 2**30, "GB": 10**9}
_SMALL_UNITS = {"GiB": ("MiB", 2**20), "GB": ("MB", 10**6)}
_PARTS = (
    ("file_bytes", "Pages of the file", COLOURS["weights"]),
    ("anonymous_bytes", "The run's own memory", COLOURS["kv_cache"]),
    ("gpu_bytes", "GPU memory", COLOURS["output"]),
)
_LINE = 0.08
_NARROW = 0.09
"""A stage that takes less than this share of the time has no room for its name."""


def timeline(samples: Sequence[Sample], planned_bytes: int | None, system: UnitSystem = "GiB") -> Figure:
    """Memory of the run, stacked, over seconds; stages as alternating grounds; what was planned as a dashed line."""
    start = samples[0].t_s if samples else 0.0
    seconds = [round(sample.t_s - start, 2) for sample in samples]
    known = [part for part in _PARTS if any(getattr(sample, part[0]) for sample in samples)]
    highest = max([sum(getattr(sample, name) or 0 for name, _, _ in known) for sample in samples], default=0)
    highest = max(highest, planned_bytes or 0, 1)
    suffix, unit = (system, _UNITS[system]) if highest >= _UNITS[system] else _SMALL_UNITS[system]
    traces = [_area(name, label, colour, samples, seconds, unit, system) for name, label, colour in known]
    shapes, notes = _stages(samples, start)
    if planned_bytes is not None:
        shapes.append(_planned(planned_bytes / unit))
    return {
        "data": traces,
        "layout": layout(
            height=300,
            hovermode="x unified",
            xaxis=axis(ticksuffix=" s", nticks=8),
            yaxis=axis(grid=True, range=[0, highest / unit * 1.3], ticksuffix=f" {suffix}", nticks=5),
            shapes=shapes,
            annotations=notes,
            meta={"marks": [] if planned_bytes is None else ["Planned in all (dashed)"]},
        ),
    }


def timeline_text(samples: Sequence[Sample], system: UnitSystem = "GiB") -> str:
    """What the figure shows, for those who cannot see it."""
    said = []
    for stage, found in groupby(samples, key=lambda sample: sample.stage):
        group = list(found)
        held = [sum(getattr(sample, name) or 0 for name, _, _ in _PARTS) for sample in group]
        said.append(f"{STAGE_WORDS[stage]} from {group[0].t_s:.0f} s: up to {format_size(max(held), system)}")
    return "Memory of the run over time. " + ". ".join(said) + "."


def _area(
    name: str, label: str, colour: str, samples: Sequence[Sample], seconds: list[float], unit: int, system: UnitSystem
) -> dict[str, Any]:
    sizes = [getattr(sample, name) or 0 for sample in samples]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": label,
        "x": seconds,
        "y": [size / unit for size in sizes],
        "stackgroup": "held",
        "line": {"color": colour, "width": 1},
        "customdata": [format_size(size, system) for size in sizes],
        "hovertemplate": f"{label}: %{{customdata}}<extra></extra>",
        "showlegend": False,
    }


def _stages(samples: Sequence[Sample], start: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A ground for every second stage, and the names of those with room for them."""
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    if not samples:
        return shapes, notes
    whole = max(samples[-1].t_s - start, 0.001)
    groups = [(stage, [sample.t_s - start for sample in found]) for stage, found in groupby(samples, key=lambda one: one.stage)]
    for index, (stage, times) in enumerate(groups):
        end = groups[index + 1][1][0] if index + 1 < len(groups) else times[-1]
        corners = {"x0": times[0], "x1": end, "y0": 0, "y1": 1, "yref": "paper"}
        if index % 2:
            shapes.append({"type": "rect", "layer": "below", "fillcolor": TRACK, "line": {"width": 0}, **corners})
        if (end - times[0]) / whole >= _NARROW:
            # On a phone neighbours would run into each other in one line.
            height = 1 - _LINE * (len(notes) % 2)
            place = {"x": (times[0] + end) / 2, "y": height, "yref": "paper", "xanchor": "center", "yanchor": "top"}
            notes.append({"text": stage, "showarrow": False, "font": {"size": 12, "color": TEXT}, **place})
    return shapes, notes


def _planned(value: float) -> dict[str, Any]:
    line = {"color": LIMIT, "width": 1.5, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value, "line": line}
