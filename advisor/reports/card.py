"""The picture of a shared report, 1200 by 630 pixels: what link previews show. Drawn by Pillow with the font we ship."""

import io
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from advisor.paths import static_folder
from advisor.reports.report import HardwareReport
from advisor.reports.said import memory_line
from advisor.units import format_number, format_size

SIZE = (1200, 630)
_EDGE = 72
_GROUND, _TEXT, _FAINT, _ACCENT, _TRACK, _WARM = "#fcfcfb", "#1b1f1e", "#5f6764", "#0f766e", "#e3e7e5", "#d08a3c"
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_BAR = 22


def card(report: HardwareReport) -> bytes:
    """The PNG of a report."""
    image = Image.new("RGB", SIZE, _GROUND)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIZE[0], 10), fill=_ACCENT)
    _logo(draw)
    model = " ".join(filter(None, (report.model.name, report.model.quantization)))
    y = _lines(draw, 138, model, most=2, size=58, weight=680, colour=_TEXT)
    count = len(report.machine.gpus)
    many = f"{count}x " if count > 1 and not report.machine.name.startswith(f"{count}x") else ""
    _lines(draw, y + 6, f"{many}{report.machine.name}", most=1, size=36, weight=450, colour=_FAINT)
    _answer(draw, report)
    _memory(draw, report)
    made = f"Headroom {report.versions.headroom} · {report.made_at:%Y-%m-%d}"
    draw.text((SIZE[0] - _EDGE, 62), made, font=_font(24, 450), fill=_FAINT, anchor="rt")
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _answer(draw: ImageDraw.ImageDraw, report: HardwareReport) -> None:
    """The large number, and small beside it what was predicted."""
    figures, predicted = report.measurement, report.forecast
    expected = predicted.generate_tps if predicted else None
    verdicts = {"fits": "Fits", "tight": "Fits, but only just", "partial": "Runs in part", "no": "Does not fit"}
    if figures is not None and figures.generate_tps is not None:
        large, unit = format_number(figures.generate_tps.median), "tokens/s"
        small = [
            "forecast from slices" if report.by_slices else "measured",
            f"predicted: {format_number(expected.expected)}" if expected else "",
        ]
    elif report.failures:
        large, unit, small = "Failed", "", [report.failures[0].kind]
    elif expected is not None:
        large, unit = f"~{format_number(expected.expected)}", "tokens/s"
        small = ["predicted, not measured", f"{format_number(expected.low)} to {format_number(expected.high)}"]
    else:
        large, unit, small = verdicts.get((report.plan and report.plan.verdict) or "", "Planned"), "", ["not measured"]
    size = 128 if unit else 84
    base = 452
    draw.text((_EDGE - 4, base), large, font=_font(size, 700), fill=_ACCENT, anchor="ls")
    x = _EDGE + draw.textlength(large, font=_font(size, 700)) + 22
    if unit:
        draw.text((x, base), unit, font=_font(44, 560), fill=_TEXT, anchor="ls")
        x += draw.textlength(unit, font=_font(44, 560)) + 34
    shown = [line for line in small if line]
    for index, line in enumerate(shown):
        y = base - 46 * (len(shown) - 1 - index)
        draw.text((x, y), _cut(draw, line, _font(32, 450), SIZE[0] - _EDGE - x), font=_font(32, 450), fill=_FAINT, anchor="ls")


def _memory(draw: ImageDraw.ImageDraw, report: HardwareReport) -> None:
    """A bar of what the plan takes, weights and the rest, against what there is."""
    plan = report.plan
    if plan is None:
        return
    pools = [pool for pool in plan.pools if pool.kind != "ram"] or list(plan.pools)
    names = {pool.id for pool in pools}
    weights = sum(device.weights_bytes for device in plan.devices if device.pool in names)
    total = sum(pool.total_bytes for pool in pools)
    room = sum(pool.capacity_bytes or 0 for pool in pools) if all(pool.capacity_bytes for pool in pools) else 0
    scale = max(room, total, 1)
    left, right, top = _EDGE, SIZE[0] - _EDGE, 510
    whole = right - left
    draw.rounded_rectangle((left, top, right, top + _BAR), radius=6, fill=_TRACK)
    taken = left + max(12, whole * total // scale)
    draw.rounded_rectangle((left, top, min(taken, right), top + _BAR), radius=6, fill=_WARM)
    edge = left + max(12, whole * min(weights, total) // scale)
    draw.rounded_rectangle((left, top, min(edge, right), top + _BAR), radius=6, fill=_ACCENT)
    said = f"{memory_line(report)}, {format_size(min(weights, total))} of it weights"
    draw.text((left, top + _BAR + 18), _cut(draw, said, _font(28, 450), whole), font=_font(28, 450), fill=_FAINT, anchor="lt")


def _logo(draw: ImageDraw.ImageDraw) -> None:
    """As static/icon.svg has it, one and a half times as large, with the name."""
    x, y, scale = _EDGE, 50, 1.5

    def box(left: float, top: float, width: float, height: float, colour: str, radius: float) -> None:
        corners = (x + left * scale, y + top * scale, x + (left + width) * scale, y + (top + height) * scale)
        draw.rounded_rectangle(corners, radius=radius * scale, fill=colour)

    box(0, 0, 32, 32, _ACCENT, 7)
    box(7, 6, 18, 2, "#c3dddb", 1)
    box(9, 12, 14, 4, "#d9984f", 1)
    box(9, 17, 14, 9, "#ffffff", 1)
    draw.text((x + 62, y + 24), "Headroom", font=_font(32, 640), fill=_TEXT, anchor="lm")


def _lines(draw: ImageDraw.ImageDraw, y: float, text: str, *, most: int, size: int, weight: int, colour: str) -> float:
    """Draw `text` in at most so many lines; the height at which the next line begins."""
    width, words = SIZE[0] - 2 * _EDGE, text.split()
    font = _font(size, weight)
    lines: list[str] = []
    while words and len(lines) < most:
        count = len(words)
        while count > 1 and draw.textlength(" ".join(words[:count]), font=font) > width:
            count -= 1
        last = len(lines) == most - 1
        lines.append(_cut(draw, " ".join(words if last else words[:count]), font, width))
        words = words[count:]
    for line in lines:
        draw.text((_EDGE, y), line, font=font, fill=colour, anchor="lt")
        y += size * 1.22
    return y


def _cut(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """`text`, with an ellipsis where it is too wide."""
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + _ELLIPSIS, font=font) > width:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS


@lru_cache(maxsize=32)
def _font(size: int, weight: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(static_folder() / "inter.woff2"), size)
    font.set_variation_by_axes([weight])
    return font
