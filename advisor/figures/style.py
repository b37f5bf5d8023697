"""One look for all figures: colours by component, axes without titles, no toolbar. Values work on light and dark grounds."""

from typing import Any

COLOURS: dict[str, str] = {
    "weights": "#14857a",
    "kv_cache": "#d08a3c",
    "recurrent_state": "#a86f5c",
    "compute": "#7aa8a2",
    "output": "#5d7f9a",
    "projector": "#8b6fa8",
    "draft": "#b5a642",
    "overhead": "#8b8f8d",
}
IN_USE = "rgba(139,143,141,.55)"
TRACK = "rgba(139,143,141,.14)"
LIMIT = "#c2410c"
TEXT = "#757d7a"
"""Grey that is read on both grounds alike (contrast at least 4.2)."""
TICKS = {"size": 12, "color": TEXT}
GRID = "rgba(139,143,141,.22)"
CHOSEN = "rgba(139,143,141,.6)"
ACCENT = "#14857a"
LINES = ("#d08a3c", "#5d7f9a", "#a86f5c", "#8b6fa8", "#7aa8a2", "#b5a642", "#8b8f8d")
"""For lines beside the one that was asked about, which has the accent."""

CONFIG: dict[str, Any] = {"displayModeBar": False, "responsive": True}
"""For `st.plotly_chart(config=)`: no toolbar."""

Figure = dict[str, Any]
"""A Plotly figure as plain data: {"data": [...], "layout": {...}}."""


def axis(*, grid: bool = False, **more: Any) -> dict[str, Any]:
    """An axis as all figures have them: quiet ticks, no title, no line at zero, no zoom; `grid` draws its lines."""
    return {"tickfont": TICKS, "showgrid": grid, "gridcolor": GRID, "zeroline": False, "fixedrange": True, **more}


def layout(*, height: int, **more: Any) -> dict[str, Any]:
    """The layout that every figure shares: no legend (`key_of` is drawn beside it), no ground of its own, no wasted margin."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"namelength": -1},
        **more,
    }
