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
IN_USE = "rgba(139,143,141,.35)"
LIMIT = "#c2410c"
GRID = "rgba(139,143,141,.25)"
LINES = ("#14857a", "#d08a3c", "#5d7f9a", "#a86f5c", "#8b6fa8", "#7aa8a2", "#b5a642", "#8b8f8d")

CONFIG: dict[str, Any] = {"displayModeBar": False, "responsive": True}
"""For `st.plotly_chart(config=)`: no toolbar."""

Figure = dict[str, Any]
"""A Plotly figure as plain data: {"data": [...], "layout": {...}}."""


def layout(*, height: int, unit: str, highest: float, **more: Any) -> dict[str, Any]:
    """The layout that every figure shares; `highest` fixes the value axis, so that figures do not jump while a slider moves."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 8},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "traceorder": "normal"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"namelength": -1},
        **more,
        "meta": {"unit": unit, "highest": highest},
    }
