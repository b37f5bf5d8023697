"""Figures of memory: what each memory holds against its capacity, and how the total grows with the context."""

from collections.abc import Sequence
from typing import Any

from advisor.figures.style import COLOURS, GRID, IN_USE, LIMIT, LINES, Figure, layout
from advisor.memory.curves import Curve
from advisor.memory.plan import MemoryPlan, Pool
from advisor.units import UnitSystem, format_size
from advisor.words import COMPONENTS, component_sizes, tokens

_UNITS = {"GiB": 2**30, "GB": 10**9}
_ROW = 62


def stacked_memory(plan: MemoryPlan, system: UnitSystem = "GiB") -> Figure:
    """One bar a memory: its components, what other programs hold, and lines at its capacity and at the GPU's limit."""
    unit = _UNITS[system]
    pools = list(reversed(plan.pools))
    names = [pool_name(plan, pool) for pool in pools]
    traces: list[dict[str, Any]] = []
    held = [pool.in_use_bytes or 0 for pool in pools]
    if any(held):
        traces.append(_bar("In use by other programs", IN_USE, names, held, unit, system))
    for component, label in COMPONENTS.items():
        sizes = [_pool_sizes(plan, pool)[component] for pool in pools]
        if any(sizes):
            traces.append(_bar(label, COLOURS[component], names, sizes, unit, system))
    highest = max((max(pool.capacity_bytes or 0, (pool.in_use_bytes or 0) + pool.total_bytes) for pool in pools), default=1) / unit
    shapes, notes = [], []
    for index, pool in enumerate(pools):
        for limit, name, dash in ((pool.capacity_bytes, "capacity", "solid"), (pool.gpu_limit_bytes, "GPU limit", "dot")):
            if limit is not None:
                shapes.append(_mark(limit / unit, index, dash))
                notes.append(_note(limit / unit, index, f"{name} {format_size(limit, system)}"))
    return {
        "data": traces,
        "layout": layout(
            height=_ROW * len(pools) + 96,
            unit=system,
            highest=highest,
            barmode="stack",
            bargap=0.45,
            xaxis={"range": [0, highest * 1.08], "ticksuffix": f" {system}", "nticks": 6, "gridcolor": GRID, "zeroline": False, "fixedrange": True},
            yaxis={"fixedrange": True, "automargin": True},
            shapes=shapes,
            annotations=notes,
        ),
    }


def memory_by_context(curves: Sequence[Curve], limit_bytes: int | None, chosen: int, system: UnitSystem = "GiB") -> Figure:
    """A line a quantization, the limit as a horizontal line, and a mark at the longest context that fits."""
    unit = _UNITS[system]
    traces: list[dict[str, Any]] = []
    for index, curve in enumerate(curves):
        colour = LINES[index % len(LINES)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": curve.name,
                "x": list(curve.contexts),
                "y": [size / unit for size in curve.total_bytes],
                "line": {"color": colour, "width": 2},
                "hovertemplate": f"{curve.name}: %{{y:.2f}} {system}<extra></extra>",
            }
        )
    top = max((max(curve.total_bytes) for curve in curves), default=1) / unit
    lowest = min((min(curve.total_bytes) for curve in curves), default=0) / unit
    limit = None if limit_bytes is None else limit_bytes / unit
    highest = min(max(top, limit or 0) * 1.05, (limit or top) * 1.6) if limit else top * 1.05
    ticks = list(curves[0].contexts) if curves else []
    shapes: list[dict[str, Any]] = [_line("x", chosen, GRID, "solid")]
    notes: list[dict[str, Any]] = []
    if limit is not None:
        shapes.append(_line("y", limit, LIMIT, "dash"))
        notes.append(
            {"xref": "paper", "x": 0, "y": limit, "text": f"limit {format_size(limit_bytes, system)}", "showarrow": False, "xanchor": "left", "yanchor": "bottom"}
        )
    return {
        "data": traces,
        "layout": layout(
            height=340,
            unit=system,
            highest=max(highest, lowest * 1.05),
            hovermode="x unified",
            xaxis={
                "type": "log",
                "tickvals": [tick for tick in ticks if tick & (tick - 1) == 0],
                "ticktext": [tokens(tick) for tick in ticks if tick & (tick - 1) == 0],
                "gridcolor": GRID,
                "fixedrange": True,
            },
            yaxis={"range": [0, max(highest, lowest * 1.05)], "ticksuffix": f" {system}", "nticks": 6, "gridcolor": GRID, "zeroline": False, "fixedrange": True},
            shapes=shapes,
            annotations=notes,
        ),
    }


def pool_name(plan: MemoryPlan, pool: Pool) -> str:
    """How a memory is called beside its bar: by its device, or "Unified memory"."""
    if pool.kind == "unified":
        return "Unified memory"
    devices = [device.name for device in plan.devices if device.pool == pool.id]
    return "System memory" if pool.kind == "ram" else devices[0] if devices else pool.id


def _pool_sizes(plan: MemoryPlan, pool: Pool) -> dict[str, int]:
    rows = [component_sizes(device) for device in plan.devices if device.pool == pool.id]
    return {name: sum(row[name] for row in rows) for name in COMPONENTS}


def _bar(label: str, colour: str, names: list[str], sizes: list[int], unit: int, system: UnitSystem) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": label,
        "y": names,
        "x": [size / unit for size in sizes],
        "marker": {"color": colour},
        "customdata": [format_size(size, system) for size in sizes],
        "hovertemplate": f"{label}: %{{customdata}}<extra></extra>",
    }


def _mark(value: float, row: int, dash: str) -> dict[str, Any]:
    line = {"color": LIMIT, "width": 2, "dash": dash}
    return {"type": "line", "x0": value, "x1": value, "y0": row - 0.42, "y1": row + 0.42, "line": line}


def _note(value: float, row: int, text: str) -> dict[str, Any]:
    return {"x": value, "y": row + 0.46, "text": text, "showarrow": False, "xanchor": "right", "yanchor": "middle", "font": {"size": 11}}


def _line(axis: str, value: float, colour: str, dash: str) -> dict[str, Any]:
    other = "y" if axis == "x" else "x"
    return {
        "type": "line",
        f"{axis}0": value,
        f"{axis}1": value,
        f"{axis}ref": axis,
        f"{other}0": 0,
        f"{other}1": 1,
        f"{other}ref": "paper",
        "line": {"color": colour, "width": 1.5, "dash": dash},
    }
