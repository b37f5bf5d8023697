"""Figures of memory: what each memory holds against its capacity, and how the total grows with the context."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from advisor.figures.style import ACCENT, CHOSEN, COLOURS, IN_USE, LIMIT, LINES, TEXT, TRACK, Figure, axis, layout
from advisor.memory.curves import Curve
from advisor.memory.plan import MemoryPlan, Pool
from advisor.units import UnitSystem, format_size
from advisor.words import COMPONENTS, component_sizes, tokens

_UNITS = {"GiB": 2**30, "GB": 10**9}
_ROW = 64
_HALF_BAR = 0.24


def stacked_memory(plan: MemoryPlan, system: UnitSystem = "GiB") -> Figure:
    """One bar a memory on a track of its capacity: what other programs hold, then the components; the GPU's limit dotted."""
    return _stacks([_Row(plan, pool) for pool in plan.pools], system)


def stacks_side_by_side(a: MemoryPlan, b: MemoryPlan, system: UnitSystem = "GiB") -> Figure:
    """As `stacked_memory`, for two plans on one machine: for each memory the bar of A, and under it that of B."""
    ids = dict.fromkeys(pool.id for plan in (b, a) for pool in plan.pools)
    plans = {"A": a, "B": b}
    return _stacks(
        [_Row(plan, pool, name) for id_ in ids for name, plan in plans.items() for pool in plan.pools if pool.id == id_], system
    )


@dataclass(frozen=True)
class _Row:
    """One bar: what a plan holds of one memory; `name` tells plans apart."""

    plan: MemoryPlan
    pool: Pool
    name: str = ""


def _stacks(top_down: Sequence[_Row], system: UnitSystem) -> Figure:
    unit = _UNITS[system]
    rows = list(reversed(top_down))
    pools = [row.pool for row in rows]
    traces: list[dict[str, Any]] = []
    held = [pool.in_use_bytes or 0 for pool in pools]
    if any(held):
        traces.append(_bar("In use by other programs", IN_USE, held, unit, system))
    for component, label in COMPONENTS.items():
        sizes = [_pool_sizes(row.plan, row.pool)[component] for row in rows]
        if any(sizes):
            traces.append(_bar(label, COLOURS[component], sizes, unit, system))
    highest = max((max(row.pool.capacity_bytes or 0, _filled(row.plan, row.pool)) for row in rows), default=1) / unit
    shapes, notes = [], []
    marks = ["Capacity"] if any(pool.capacity_bytes for pool in pools) else []
    marks += ["Most that the GPU may take (dotted)"] if any(pool.gpu_limit_bytes for pool in pools) else []
    for index, pool in enumerate(pools):
        notes.append(_note(0, index, _caption(rows[index], system), "left"))
        if pool.capacity_bytes is not None:
            shapes.append(_track(pool.capacity_bytes / unit, index))
            shapes.append(_mark(pool.capacity_bytes / unit, index, "solid"))
        if pool.gpu_limit_bytes is not None:
            shapes.append(_mark(pool.gpu_limit_bytes / unit, index, "dot"))
    return {
        "data": traces,
        "layout": layout(
            height=_ROW * len(pools) + 44,
            barmode="stack",
            bargap=1 - 2 * _HALF_BAR,
            xaxis=axis(range=[0, highest * 1.02], ticksuffix=f" {system}", nticks=6),
            yaxis=axis(range=[-0.5, len(pools) - 0.28], showticklabels=False),
            shapes=shapes,
            annotations=notes,
            meta={"marks": marks},
        ),
    }


def memory_by_context(curves: Sequence[Curve], limit_bytes: int | None, chosen: int, system: UnitSystem = "GiB") -> Figure:
    """A line a quantization (the first is the one asked about), the limit, and a dot at the longest context that fits."""
    unit = _UNITS[system]
    colours = {curve.name: ACCENT if index == 0 else LINES[(index - 1) % len(LINES)] for index, curve in enumerate(curves)}
    traces: list[dict[str, Any]] = []
    for curve in sorted(curves, key=lambda curve: -max(curve.total_bytes)):
        width = 3 if curve.name == curves[0].name else 1.75
        line = _curve(curve, colours[curve.name], width, limit_bytes, unit, system)
        # The one that was asked for lies over those that are as large.
        traces.append(line | {"zorder": int(curve is curves[0])})
        if curve.longest is not None and limit_bytes is not None:
            traces.append(_dot(curve, colours[curve.name], unit))
    top = max((max(curve.total_bytes) for curve in curves), default=1) / unit
    lowest = min((min(curve.total_bytes) for curve in curves[:1]), default=0) / unit
    limit = None if limit_bytes is None else limit_bytes / unit
    highest = top * 1.05 if limit is None else max(min(max(top, limit) * 1.08, limit * 1.6), lowest * 1.15)
    shapes: list[dict[str, Any]] = [_line("x", chosen, CHOSEN, "solid")]
    # In the legend: beside its line the curves would cross it.
    marks = [] if limit is None else [f"{format_size(limit_bytes, system)} can be used (dashed)"]
    if limit is not None:
        shapes.append(_line("y", limit, LIMIT, "dash"))
    ticks = [tick for tick in (curves[0].contexts if curves else ()) if tick & (tick - 1) == 0 and tick >= 1024]
    return {
        "data": traces,
        "layout": layout(
            height=340,
            hovermode="x unified",
            xaxis=axis(grid=True, type="log", tickvals=ticks, ticktext=[tokens(tick) for tick in ticks], tickangle=0),
            yaxis=axis(grid=True, range=[0, highest], ticksuffix=f" {system}", nticks=6),
            shapes=shapes,
            meta={"marks": marks},
        ),
    }


def key_of(figure: Figure) -> list[tuple[str, str, str]]:
    """Name, colour and kind ("area" or "line") of each trace and mark, for a legend beside the figure.

    Plotly's own legend overlaps the figure on a phone.
    """
    named = [trace for trace in figure["data"] if trace.get("mode") != "markers"]
    traces = [(trace["name"], (trace.get("marker") or trace["line"])["color"], "area") for trace in named]
    return [*traces, *((mark, LIMIT, "line") for mark in figure["layout"].get("meta", {}).get("marks", ()))]


def pool_name(plan: MemoryPlan, pool: Pool) -> str:
    """How a memory is called beside its bar: by its device (numbered where there are several), or "Unified memory"."""
    if pool.kind == "unified":
        return "Unified memory"
    if pool.kind == "ram":
        return "System memory"
    cards = [other.id for other in plan.pools if other.kind == "vram"]
    name = next((device.name for device in plan.devices if device.pool == pool.id), pool.id)
    name = name.removeprefix("NVIDIA GeForce ")
    return f"GPU {cards.index(pool.id) + 1}: {name}" if len(cards) > 1 else name


def _caption(row: _Row, system: UnitSystem) -> str:
    pool = row.pool
    room = "" if pool.capacity_bytes is None else f" of {format_size(pool.capacity_bytes, system)}"
    name = " · ".join(filter(None, (row.name, pool_name(row.plan, pool))))
    return f"<b>{escape(name)}</b>  {format_size(pool.total_bytes, system)}{room}"


def _filled(plan: MemoryPlan, pool: Pool) -> int:
    return (pool.in_use_bytes or 0) + sum(_pool_sizes(plan, pool).values())


def _pool_sizes(plan: MemoryPlan, pool: Pool) -> dict[str, int]:
    """Bytes by component in one memory. File pages that host and GPU have both mapped count once, as in the pool's total."""
    rows = [component_sizes(device) for device in plan.devices if device.pool == pool.id]
    sizes = {name: sum(row[name] for row in rows) for name in COMPONENTS}
    sizes["weights"] -= sum(sizes.values()) - pool.total_bytes
    return sizes


def _bar(label: str, colour: str, sizes: list[int], unit: int, system: UnitSystem) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": label,
        "y": list(range(len(sizes))),
        "x": [size / unit for size in sizes],
        "marker": {"color": colour},
        "customdata": [format_size(size, system) for size in sizes],
        "hovertemplate": f"{label}: %{{customdata}}<extra></extra>",
        "showlegend": False,
    }


def _curve(curve: Curve, colour: str, width: float, limit_bytes: int | None, unit: int, system: UnitSystem) -> dict[str, Any]:
    reach = "" if limit_bytes is None else ": does not fit" if curve.longest is None else f": fits to {tokens(curve.longest)}"
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{curve.name}{reach}",
        "legendgroup": curve.name,
        "x": list(curve.contexts),
        "y": [size / unit for size in curve.total_bytes],
        "line": {"color": colour, "width": width},
        "hovertemplate": f"{curve.name}: %{{y:.2f}} {system}<extra></extra>",
        "showlegend": False,
    }


def _dot(curve: Curve, colour: str, unit: int) -> dict[str, Any]:
    size = curve.total_bytes[curve.contexts.index(curve.longest)] if curve.longest is not None else 0
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{curve.name}, longest that fits",
        "legendgroup": curve.name,
        "showlegend": False,
        "x": [curve.longest],
        "y": [size / unit],
        "marker": {"color": colour, "size": 9},
        "hoverinfo": "skip",
    }


def _track(value: float, row: int) -> dict[str, Any]:
    corners = {"x0": 0, "x1": value, "y0": row - _HALF_BAR, "y1": row + _HALF_BAR}
    return {"type": "rect", "layer": "below", "fillcolor": TRACK, "line": {"width": 0}, **corners}


def _mark(value: float, row: int, dash: str) -> dict[str, Any]:
    line = {"color": LIMIT, "width": 2, "dash": dash}
    return {"type": "line", "x0": value, "x1": value, "y0": row - _HALF_BAR - 0.06, "y1": row + _HALF_BAR + 0.06, "line": line}


def _note(value: float, row: int, text: str, anchor: str) -> dict[str, Any]:
    place = {"x": value, "y": row + _HALF_BAR + 0.04, "xanchor": anchor, "yanchor": "bottom", "align": anchor}
    return {"text": text, "showarrow": False, "font": {"size": 13, "color": TEXT}, **place}


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
