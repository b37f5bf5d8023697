"""The figure of errors: a row of lanes an architecture, a lane a backend, a dot for every number that a log printed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby
from math import copysign, inf, log10, sqrt
from typing import Any

from advisor.accuracy.published import Row
from advisor.accuracy.said import BACKENDS, device_name, error_text, run_line
from advisor.figures.style import GRID, TEXT, TRACK, Figure, axis, layout
from advisor.units import MIB

COLOURS: dict[str, str] = {
    "cuda": "#14857a",
    "vulkan": "#d08a3c",
    "rocm": "#b0564a",
    "metal": "#8b6fa8",
    "hexagon": "#9a8f2e",
    "cpu": "#5d7f9a",
    "cann": "#8b8f8d",
    "sycl": "#4f7a52",
}
_LINEAR = 0.001
"""Errors well under this (0.1 %) are drawn to scale, those above it by their logarithm."""
_BIN = 0.06
"""Dots nearer than this on the axis are drawn as one, larger by their number."""
_LANE, _ROW_GAP, _MARGIN = 15, 11, 34
_DOT, _LARGEST = 7.0, 15.0
_TICKS = (0.01, 0.1, 1.0, 10.0)
_NAMED = 3


def position(relative: float) -> float:
    """Where a relative error stands on the axis: linear about 0, logarithmic beyond 0.1 %, to both sides alike."""
    return copysign(log10(1 + min(abs(relative), _TICKS[-1]) / _LINEAR), relative)


def errors_by_architecture(rows: Sequence[Row]) -> Figure:
    """Every error of `rows`; architectures from the largest error down, backends with most dots first in each."""
    lanes = _lanes(rows)
    traces, heights = [], {}
    notes: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    top = 0.0
    for architecture, by_backend in lanes:
        start = top
        for backend, _ in by_backend:
            heights[architecture, backend] = -(top + _LANE / 2)
            top += _LANE
        count = sum(len(found) for _, found in by_backend)
        notes.append(_label(architecture, count, -(start + top) / 2))
        top += _ROW_GAP
        shapes.append(_rule(-(top - _ROW_GAP / 2)))
    for backend in _order([row.case.backend for row in rows], BACKENDS):
        found = [row for row in rows if row.case.backend == backend]
        traces.append(_dots(backend, found, heights))
    low, high = _reach(rows)
    return {
        "data": traces,
        "layout": layout(
            height=round(top) + _MARGIN,
            margin={"l": 110, "r": 10, "t": 4, "b": 30},
            hovermode="closest",
            xaxis=axis(
                grid=True,
                range=[low, high],
                tickvals=[position(tick) for tick in _shown(low, high)],
                ticktext=[_tick(tick) for tick in _shown(low, high)],
                zeroline=True,
                zerolinecolor=TEXT,
                zerolinewidth=1,
                tickangle=0,
            ),
            yaxis=axis(range=[-top, 0], showticklabels=False),
            shapes=[_within(0.01), *shapes[:-1]],
            annotations=notes,
        ),
    }


def key_of(rows: Iterable[Row]) -> list[tuple[str, str, str]]:
    """Name and colour of every backend shown, for the legend above the figure."""
    return [(BACKENDS[backend], COLOURS[backend], "area") for backend in _order([row.case.backend for row in rows], BACKENDS)]


def _lanes(rows: Sequence[Row]) -> list[tuple[str, list[tuple[str, list[Row]]]]]:
    """Rows by architecture and backend, in the order of drawing."""
    grouped: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        grouped[row.case.architecture or "unknown"][row.case.backend].append(row)

    def worst(by_backend: dict[str, list[Row]]) -> float:
        return max(abs(row.difference.relative) for found in by_backend.values() for row in found)

    ordered = sorted(grouped.items(), key=lambda each: (-worst(each[1]), each[0]))
    return [(name, sorted(by_backend.items(), key=lambda lane: (-len(lane[1]), lane[0]))) for name, by_backend in ordered]


def _order(names: Iterable[str], known: Iterable[str]) -> list[str]:
    present = set(names)
    return [name for name in known if name in present]


def _dots(backend: str, rows: Sequence[Row], heights: dict[tuple[str, str], float]) -> dict[str, Any]:
    by_lane: Callable[[Row], tuple[str, int]] = lambda row: (row.case.architecture or "unknown", _bin(row))  # noqa: E731
    x, y, sizes, texts = [], [], [], []
    for (architecture, _), members in groupby(sorted(rows, key=by_lane), key=by_lane):
        dots = list(members)
        x.append(round(sum(position(row.difference.relative) for row in dots) / len(dots), 4))
        y.append(heights[architecture, backend])
        sizes.append(round(min(_LARGEST, _DOT + 1.6 * (sqrt(len(dots)) - 1)), 1))
        texts.append(_hover(dots))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": BACKENDS[backend],
        "x": x,
        "y": y,
        "marker": {"color": COLOURS[backend], "size": sizes, "opacity": 0.9, "line": {"width": 0}},
        "customdata": texts,
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": False,
    }


def _bin(row: Row) -> int:
    return round(position(row.difference.relative) / _BIN)


def _hover(rows: Sequence[Row]) -> str:
    """What a dot stands for: the run with both numbers, or the first few of several."""
    lines = [_one(row) for row in rows[:_NAMED]]
    more = len(rows) - len(lines)
    return "<br>".join(lines) + (f"<br>and {more} more" if more else "")


def _one(row: Row) -> str:
    printed, predicted = row.difference.logged / MIB, row.difference.predicted / MIB
    what = f"{error_text(row.difference)}: {escape(run_line(row.case))}, {escape(device_name(row))}"
    return what if row.difference.exact else f"{what}<br>  {predicted:,.2f} MiB predicted, {printed:,.2f} printed"


def _reach(rows: Sequence[Row]) -> tuple[float, float]:
    """The ends of the axis: at least 1 % to both sides, and half a dot beyond the largest error."""
    errors = [row.difference.relative for row in rows]
    return position(min([-0.012, *errors])) - 0.14, position(max([0.012, *(e for e in errors if e != inf)])) + 0.14


def _shown(low: float, high: float) -> list[float]:
    ticks = [*(-tick for tick in reversed(_TICKS)), 0.0, *_TICKS]
    return [tick for tick in ticks if low <= position(tick) <= high]


def _tick(relative: float) -> str:
    if not relative:
        return "0"
    sign = "+" if relative > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(relative) * 100:.0f} %"


def _within(relative: float) -> dict[str, Any]:
    ends = {"x0": -position(relative), "x1": position(relative), "y0": 0, "y1": 1, "yref": "paper"}
    return {"type": "rect", "layer": "below", "fillcolor": TRACK, "line": {"width": 0}, **ends}


def _rule(y: float) -> dict[str, Any]:
    ends = {"x0": 0, "x1": 1, "xref": "paper", "y0": y, "y1": y}
    return {"type": "line", "layer": "below", "line": {"color": GRID, "width": 1}, **ends}


def _label(architecture: str, count: int, y: float) -> dict[str, Any]:
    place = {"x": 0, "xref": "paper", "xanchor": "right", "xshift": -8, "y": y, "yanchor": "middle", "align": "right"}
    text = f"{escape(architecture)}  {count}"
    return {"text": text, "showarrow": False, "font": {"size": 12, "color": TEXT}, **place}
