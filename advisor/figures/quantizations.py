"""Figure of a model's files: a bar for the size of each, and beside it what it is expected to lose."""

from collections.abc import Sequence
from typing import Any

from advisor.advice.file_choice import FileChoice
from advisor.figures.style import ACCENT, TEXT, Figure, axis, layout
from advisor.quality_words import loss_range
from advisor.units import UnitSystem, format_size

_UNITS = {"GiB": 2**30, "GB": 10**9}
_ROW = 25
_OTHERS = "rgba(139,143,141,.5)"


def size_and_loss(files: Sequence[FileChoice], chosen: str | None, system: UnitSystem = "GiB") -> Figure:
    """Bars of size on the left; on the right points of expected loss with their 80 % range, logarithmic. Largest on top."""
    rows = list(reversed(files))
    colours = [ACCENT if row.quantization == chosen else _OTHERS for row in rows]
    named = [row.quantization for row in rows]
    sizes = [row.file_bytes / _UNITS[system] for row in rows]
    losses = [row.loss.kld if row.loss else None for row in rows]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": sizes,
                "y": named,
                "marker": {"color": colours},
                "text": [format_size(row.file_bytes, system) for row in rows],
                "textposition": "outside",
                "constraintext": "none",
                "textfont": {"size": 11},
                "cliponaxis": False,
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "x": losses,
                "y": named,
                "xaxis": "x2",
                "marker": {"color": colours, "size": 9},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [row.loss.kld_high - row.loss.kld if row.loss else 0 for row in rows],
                    "arrayminus": [row.loss.kld - row.loss.kld_low if row.loss else 0 for row in rows],
                    "color": _OTHERS,
                    "thickness": 1.5,
                    "width": 0,
                },
                "customdata": [loss_range(row.loss) for row in rows],
                "hovertemplate": "%{y}: %{customdata}<extra></extra>",
            },
        ],
        "layout": layout(
            height=_ROW * len(rows) + 60,
            margin={"l": 8, "r": 12, "t": 28, "b": 8},
            bargap=0.3,
            xaxis=axis(domain=[0, 0.55], showticklabels=False, range=[0, max(sizes, default=1) * 1.3]),
            xaxis2=axis(
                grid=True,
                domain=[0.62, 1],
                type="log",
                range=[-3.3, 0.7],
                tickvals=[0.001, 0.01, 0.1, 1],
                ticktext=[".001", ".01", ".1", "1"],
                tickangle=0,
            ),
            yaxis=axis(automargin=True, ticksuffix=" "),
            annotations=[_head("File size", 0), _head("Expected loss (KLD)", 0.62)],
        ),
    }


def _head(text: str, x: float) -> dict[str, Any]:
    """What one half of the figure shows, above it."""
    place = {"x": x, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 12, "color": TEXT}, **place}
