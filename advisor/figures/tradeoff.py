"""Quality against speed: each model in the file that suits it best, the chosen one marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from typing import Any

from advisor.advice.ranking import Weighed
from advisor.figures.style import ACCENT, TEXT, TICKS, Figure, axis, layout
from advisor.units import format_number, format_size

_GREY = "rgba(139,143,141,.75)"
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_LABELLED, _TRIED = 4, 12
_NARROW, _TALL = 560, 324
"""Pixels that dots lie in, of a figure on a tablet."""
_LETTER, _LINE, _DOT, _AWAY = 6.6, 14, 5, 15
"""Pixels: a letter of a name and its line, half a dot, and from a dot to the middle of its name."""
_SYMBOLS = {"fits": "circle", "tight": "circle-open", "partial": "diamond"}
_WORDS = {"fits": "fits whole", "tight": "fits only just", "partial": "in part in system memory"}


Box = tuple[tuple[float, float], tuple[float, float]]
"""The ends of both axes: of the logarithm of tokens a second, and of scores."""


@dataclass(frozen=True)
class Point:
    """One model of the figure."""

    one: Weighed
    said: str
    """Why it is chosen, or why not."""


def tradeoff(points: Sequence[Point], chosen: str | None, *, wished_tps: float, least_tps: float) -> Figure:
    """The figure: tokens a second to the right, score upwards. Models without a score or a known speed are not in it.

    `chosen` is the id of the model that is recommended.
    """
    shown = [point for point in points if point.one.tps is not None and _score(point) is not None]
    others = [point for point in shown if point.one.option.model.id != chosen]
    best = [point for point in shown if point.one.option.model.id == chosen]
    traces = [_dots(others, _GREY, 10), _dots(best, ACCENT, 15)]
    rates = [point.one.tps or 1.0 for point in shown] or [1.0, 100.0]
    low, high = min(*rates, least_tps) / 1.25, max(*rates, wished_tps) * 1.6
    scores = [_score(point) or 0.0 for point in shown] or [0.0, 100.0]
    room = max((max(scores) - min(scores)) * 0.1, 2.0)
    box = (log10(low), log10(high)), (min(scores) - room, max(scores) + room)
    return {
        "data": [trace for trace in traces if trace["x"]],
        "layout": layout(
            height=380,
            margin={"l": 44, "r": 12, "t": 12, "b": 44},
            hovermode="closest",
            xaxis=axis(
                grid=True,
                type="log",
                range=list(box[0]),
                tickvals=[tick for tick in _TICKS if low <= tick <= high],
                title={"text": "tokens/s", "font": TICKS},
            ),
            yaxis=axis(grid=True, range=list(box[1]), title={"text": "score", "font": TICKS}),
            shapes=[_line(least_tps, "dot"), _line(wished_tps, "dash")],
            annotations=[_note(wished_tps, "wished"), _note(least_tps, "least"), *_names(best, others, box)],
        ),
    }


def tradeoff_text(points: Sequence[Point], chosen: str | None) -> str:
    """What the figure shows, for those who cannot see it."""
    shown = [point for point in points if point.one.tps is not None and _score(point) is not None]
    shown.sort(key=lambda point: point.one.option.model.id != chosen)
    said = [
        f"{point.one.option.model.name} {point.one.option.quantization}: score {_score(point):.0f}, "
        f"{format_number(point.one.tps or 0)} tokens/s"
        for point in shown
    ]
    return f"Quality against speed, the chosen model first. {'; '.join(said)}."


def _score(point: Point) -> float | None:
    quality = point.one.option.quality
    return None if quality is None else quality.score


def _dots(points: Sequence[Point], colour: str, size: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [point.one.tps for point in points],
        "y": [_score(point) for point in points],
        "marker": {
            "size": size,
            "color": colour,
            "symbol": [_SYMBOLS.get(point.one.option.verdict.verdict, "x") for point in points],
            "line": {"width": 2, "color": colour},
        },
        "text": [_hover(point) for point in points],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover(point: Point) -> str:
    option = point.one.option
    where = _WORDS.get(option.verdict.verdict, option.verdict.verdict)
    lines = [
        f"<b>{escape(option.model.name)}</b> {escape(option.quantization)}, {format_size(option.file_bytes)}",
        f"score {_score(point):.0f}, {format_number(point.one.tps or 0)} tokens/s, {where}",
        *_wrapped(point.said),
    ]
    return "<br>".join(lines)


def _wrapped(text: str, width: int = 60) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [escape(line) for line in lines if line]


def _names(best: Sequence[Point], others: Sequence[Point], box: Box) -> list[dict[str, Any]]:
    """Names at the dots that come first, each where it lies on no dot and no other name; the others have theirs on hover.

    The chosen one always has its name.
    """
    dots = [_place(point, box) for point in (*best, *others)]
    placed: list[_Rectangle] = []
    notes: list[dict[str, Any]] = []
    for point in [*best, *sorted(others, key=lambda point: -point.one.worth)[:_TRIED]]:
        name = point.one.option.model.name
        spots = [_Rectangle.of(name, _place(point, box), up=up) for up in (True, False)]
        free = [spot for spot in spots if not spot.hits(dots, placed)]
        if len(notes) == _LABELLED or not (free or point in best):
            continue
        spot = (free or spots)[0]
        placed.append(spot)
        notes.append(
            {
                "x": log10(point.one.tps or 1.0),
                "y": _score(point) or 0.0,
                "text": escape(name),
                "showarrow": False,
                "yshift": _AWAY if spot.up else -_AWAY,
                "font": {"size": 12, "color": ACCENT if point in best else TEXT},
            }
        )
    return notes


@dataclass(frozen=True)
class _Rectangle:
    """Where a name would stand, in pixels of a narrow figure: what is free there is free in a wider one."""

    x: float
    y: float
    half: float
    up: bool

    @classmethod
    def of(cls, name: str, dot: tuple[float, float], *, up: bool) -> "_Rectangle":
        return cls(dot[0], dot[1] + (_AWAY if up else -_AWAY), len(name) * _LETTER / 2, up)

    def hits(self, dots: Sequence[tuple[float, float]], names: Sequence["_Rectangle"]) -> bool:
        """True where a dot or another name lies under it. Its own dot is far enough."""
        over = any(abs(x - self.x) < self.half + _DOT and abs(y - self.y) < _LINE / 2 + _DOT for x, y in dots)
        return over or any(
            abs(other.x - self.x) < self.half + other.half + _DOT and abs(other.y - self.y) < _LINE for other in names
        )


def _place(point: Point, box: Box) -> tuple[float, float]:
    """Where a dot stands in the figure, in pixels."""
    (left, right), (low, high) = box
    x, y = log10(point.one.tps or 1.0), _score(point) or 0.0
    return _NARROW * (x - left) / (right - left), _TALL * (y - low) / (high - low)


def _line(tps: float, dash: str) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": tps,
        "x1": tps,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "layer": "below",
        "line": {"color": _GREY, "width": 1, "dash": dash},
    }


def _note(tps: float, text: str) -> dict[str, Any]:
    return {
        "x": log10(tps),
        "y": 0,
        "yref": "paper",
        "text": text,
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "bottom",
        "xshift": 3,
        "font": {"size": 11, "color": TEXT},
    }
