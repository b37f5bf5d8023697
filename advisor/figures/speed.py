"""The figure of speed: how fast text is generated as the context fills, with the range that holds most cases."""

from collections.abc import Sequence
from typing import Any

from advisor.figures.style import ACCENT, CHOSEN, Figure, axis, layout
from advisor.speed.forecast import SpeedAtDepth
from advisor.units import format_number
from advisor.words import tokens

_BAND = "rgba(20,133,122,.16)"
"""The accent, thin enough to read through."""


def speed_by_depth(points: Sequence[SpeedAtDepth], chosen: int) -> Figure:
    """A line of tokens a second against the tokens in the context, its 80 % range as a band, the chosen depth dotted."""
    depths = [point.depth for point in points]
    expected = [point.generate_tps.expected for point in points]
    ticks = [depth for depth in depths if depth == 0 or depth >= depths[-1] / 8]
    return {
        "data": [
            _edge(depths, [point.generate_tps.high for point in points], fill=None),
            _edge(depths, [point.generate_tps.low for point in points], fill="tonexty"),
            {
                "type": "scatter",
                "mode": "lines",
                "name": "Generation",
                "x": depths,
                "y": expected,
                "line": {"color": ACCENT, "width": 2.5, "shape": "spline"},
                "customdata": [
                    f"{format_number(point.generate_tps.expected)} tokens/s ({format_number(point.generate_tps.low)} to "
                    f"{format_number(point.generate_tps.high)}) at {tokens(point.depth)}"
                    for point in points
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
        ],
        "layout": layout(
            height=230,
            xaxis=axis(tickvals=ticks, ticktext=[tokens(depth) for depth in ticks]),
            yaxis=axis(grid=True, rangemode="tozero", ticksuffix=" t/s", nticks=5),
            shapes=[_mark(chosen)] if chosen else [],
        ),
    }


def key_of() -> list[tuple[str, str, str]]:
    """(name, colour, kind) of what the figure draws."""
    return [("Expected", ACCENT, "line"), ("80 % of cases", _BAND, "fill")]


def _edge(depths: list[int], values: list[float], *, fill: str | None) -> dict[str, Any]:
    edge = {"type": "scatter", "mode": "lines", "x": depths, "y": values, "line": {"width": 0, "shape": "spline"}}
    filled = {} if fill is None else {"fill": fill, "fillcolor": _BAND}
    return edge | filled | {"hoverinfo": "skip", "showlegend": False}


def _mark(depth: int) -> dict[str, Any]:
    line = {"color": CHOSEN, "width": 1.5, "dash": "dot"}
    return {"type": "line", "x0": depth, "x1": depth, "y0": 0, "y1": 1, "yref": "paper", "line": line}
