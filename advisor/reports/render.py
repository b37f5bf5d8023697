"""A report for those who do not have Headroom open: a page in HTML, Markdown, and a badge. Everything in it is escaped."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from advisor.reports.report import HardwareReport
from advisor.reports.said import Fact, compared, headline, machine_facts, memory_line, model_facts, settings_facts, title
from advisor.units import UnitSystem, format_number
from advisor.words import sentence

_FOLDER = Path(__file__).with_name("templates")
_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#!|~&@:$]|(?<=www)\.|(?<=^\d)\.|^[-+=])")
"""What Markdown would take for more than a letter. A dot or a dash matters only where a line or an address begins."""
_BADGE_NAME = "Headroom"
_LETTER_WIDTH = 6.4
"""Mean width of a letter at 11 px in Verdana and its kin, rounded up, in px."""


def report_page(id_: str, report: HardwareReport, *, link: str, listed: bool) -> str:
    """The report as a page of its own, in HTML without scripts. `link` is its address without an ending."""
    return (
        _templates()
        .get_template("report.html")
        .render(
            id=id_,
            report=report,
            link=link,
            listed=listed,
            title=title(report),
            headline=headline(report),
            memory=memory_line(report),
            compared=compared(report),
            sections=sections(report),
            failures=[sentence(failure.message) for failure in report.failures],
            style=Markup(_style()),  # noqa: S704 - our own file, not a stranger's text
        )
    )


def page_policy() -> str:
    """The Content-Security-Policy of `report_page`: nothing runs, and nothing is loaded but our icon, font and own style."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; font-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def sections(report: HardwareReport, system: UnitSystem = "GiB") -> list[tuple[str, list[Fact]]]:
    """The facts of a report under their headings."""
    return [
        ("Machine", machine_facts(report, system)),
        ("Model", model_facts(report, system)),
        ("Settings", settings_facts(report)),
    ]


def markdown(report: HardwareReport, *, link: str | None = None, system: UnitSystem = "GiB") -> str:
    """The report in Markdown, for a forum or an issue. What strangers wrote stays text."""
    lines = [f"## {_md(title(report))}", "", f"**{_md(headline(report))}**"]
    if memory := memory_line(report, system):
        lines += ["", f"Memory: {_md(memory)}"]
    if report.note:
        lines += ["", f"> {_md(report.note)}"]
    if rows := compared(report, system):
        columns = ("Predicted", "Measured", "Difference")[: None if report.measurement else 1]
        lines += ["", f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
        lines += [f"| {' | '.join(_md(cell) for cell in row[: 1 + len(columns)])} |" for row in rows]
    for name, facts in sections(report, system):
        lines += ["", f"### {name}", ""]
        lines += [f"- {_md(fact.label)}: {_md(fact.value)}{f' ({fact.grade})' if fact.grade else ''}" for fact in facts]
    if report.failures:
        lines += ["", "### What went wrong", "", *(f"- {_md(failure.message)}" for failure in report.failures)]
    made = f"Made {report.made_at:%Y-%m-%d} with Headroom {_md(report.versions.headroom)}"
    return "\n".join([*lines, "", f"{made}: {link}" if link else made, ""])


def badge_text(report: HardwareReport) -> str:
    """What a badge says: the measured speed, else the predicted one, else the verdict."""
    figures, predicted = report.measurement, report.forecast
    if figures is not None and figures.generate_tps is not None:
        return f"{format_number(figures.generate_tps.median)} tokens/s {'from slices' if report.by_slices else 'measured'}"
    if predicted is not None and predicted.generate_tps is not None:
        return f"~{format_number(predicted.generate_tps.expected)} tokens/s predicted"
    return (report.plan.verdict if report.plan else None) or "report"


def badge(report: HardwareReport) -> str:
    """A small SVG: "Headroom | 120 tokens/s measured"."""
    return _templates().get_template("badge.svg").render(_badge_sizes(badge_text(report)))


def _badge_sizes(text: str) -> dict[str, object]:
    left = round(len(_BADGE_NAME) * _LETTER_WIDTH) + 12
    right = round(len(text) * _LETTER_WIDTH) + 12
    return {"name": _BADGE_NAME, "text": text, "left": left, "right": right, "width": left + right}


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
    )


@cache
def _style() -> str:
    return (_FOLDER / "report.css").read_text(encoding="utf-8")


def _md(text: str) -> str:
    return _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split()))
