"""Measured speeds of many: beside what was predicted, and by machine."""

from collections.abc import Sequence

from advisor.figures.style import ACCENT, CHOSEN, LIMIT, TICKS, Figure, axis, layout
from advisor.reports.community import Marked
from advisor.units import format_number

_MOST_MACHINES = 24
_BAND = 1.25
_TICK_VALUES = [step * 10**power for power in range(-1, 5) for step in (1, 2, 5)]
_TICK_TEXTS = [f"{value:g} t/s" for value in _TICK_VALUES]


def measured_by_predicted(rows: Sequence[Marked]) -> Figure:
    """A dot a report, on logarithmic axes; on the line what was measured is what was predicted."""
    known = [entry for entry in rows if entry.row.generate_expected and entry.row.generate_tps]
    values = [value for entry in known for value in (entry.row.generate_expected, entry.row.generate_tps) if value]
    low, high = (min(values) * 0.8, max(values) * 1.25) if values else (1.0, 100.0)
    lines = [
        {"x": [low, high], "y": [low, high], "width": 1.5, "dash": "solid"},
        {"x": [low, high], "y": [low * _BAND, high * _BAND], "width": 1, "dash": "dot"},
        {"x": [low, high], "y": [low / _BAND, high / _BAND], "width": 1, "dash": "dot"},
    ]
    traces = [
        {
            "type": "scatter", "mode": "lines", "x": line["x"], "y": line["y"], "hoverinfo": "skip",
            "line": {"color": CHOSEN, "width": line["width"], "dash": line["dash"]},
        }
        for line in lines
    ]  # fmt: skip
    for doubtful, colour, symbol in ((False, ACCENT, "circle"), (True, LIMIT, "x")):
        chosen = [entry for entry in known if (entry.doubt is not None) == doubtful]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [entry.row.generate_expected for entry in chosen],
                "y": [entry.row.generate_tps for entry in chosen],
                "text": [
                    _plain(f"{entry.row.model_name} {entry.row.quantization or ''}, {entry.row.machine_name}")
                    for entry in chosen
                ],
                "hovertemplate": "%{text}<br>predicted %{x:.3g}, measured %{y:.3g} tokens/s<extra></extra>",
                "marker": {"color": colour, "size": 8, "symbol": symbol, "opacity": 0.8},
            }
        )
    both = axis(grid=True, type="log", tickvals=_TICK_VALUES, ticktext=_TICK_TEXTS, fixedrange=False)
    return {
        "data": traces,
        "layout": layout(height=380, xaxis=both | {"title": {"text": "predicted", "font": TICKS}}, yaxis=both),
    }


def speeds_by_machine(rows: Sequence[Marked]) -> Figure:
    """A line a machine, fastest first, with a dot for each report on it."""
    by: dict[str, list[Marked]] = {}
    for entry in rows:
        by.setdefault(entry.row.machine_name, []).append(entry)
    ordered = sorted(by.items(), key=lambda item: -max(entry.row.generate_tps or 0 for entry in item[1]))[:_MOST_MACHINES]
    names = [_plain(name) for name, _ in ordered]
    traces = []
    for doubtful, colour, symbol in ((False, ACCENT, "circle"), (True, LIMIT, "x")):
        dots = [
            (name, entry.row)
            for name, (_, entries) in zip(names, ordered, strict=True)
            for entry in entries
            if (entry.doubt is not None) == doubtful
        ]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [row.generate_tps for _, row in dots],
                "y": [name for name, _ in dots],
                "text": [_plain(f"{row.model_name} {row.quantization or ''}") for _, row in dots],
                "hovertemplate": "%{text}<br>%{x:.3g} tokens/s on %{y}<extra></extra>",
                "marker": {"color": colour, "size": 9, "symbol": symbol, "opacity": 0.75},
            }
        )
    speeds = axis(grid=True, rangemode="tozero", ticksuffix=" t/s", nticks=4, fixedrange=False)
    machines = axis(grid=True, type="category", categoryarray=names[::-1], automargin=True, fixedrange=False)
    return {"data": traces, "layout": layout(height=90 + 26 * max(1, len(names)), xaxis=speeds, yaxis=machines)}


def speeds_text(rows: Sequence[Marked]) -> str:
    """What the figures show, for those who cannot see them."""
    known = [entry.row for entry in rows if entry.row.generate_expected and entry.row.generate_tps]
    if not known:
        return "Measured speeds by machine."
    ratios = sorted((row.generate_tps or 0) / (row.generate_expected or 1) for row in known)
    middle = ratios[len(ratios) // 2]
    return f"{len(known)} measured speeds; the middle one is {format_number(middle)} times what was predicted."


def _plain(text: str) -> str:
    """Plotly takes some tags in texts for formatting; names of strangers have none."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
