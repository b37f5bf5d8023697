"""The speed of a plan on a page: generation, prompt and first word with their ranges, and the figure against the depth."""

import streamlit as st

from advisor.accuracy.speed import Test, speed_errors
from advisor.estimate import Estimate
from advisor.figures.speed import key_of, speed_by_depth
from advisor.speed.forecast import Range
from advisor.ui.cached import Answer
from advisor.ui.chart import Charts
from advisor.ui.inert import inert
from advisor.ui.tables import Kind, Number, legend, numbers, table
from advisor.units import format_number
from advisor.words import felt, seconds, speeds_text

_DOWNLOAD_BITS_S = 100e6
_TESTS: dict[Test, str] = {"generate": "Generation", "prompt": "Reading a prompt"}
_GRADES = {
    "typical": "By bytes, bandwidth and arithmetic, with factors fitted on public measurements. The range holds 80 % of cases.",
    "measured": "The forecast, corrected by a run on this very machine.",
}


def speed_view(answer: Answer, charts: Charts) -> None:
    """The block of a model's page; a sentence where the speed is not known. Nothing without a machine.

    The figure is left to `charts`.
    """
    result = answer.result
    speed, machine = result.speed, result.machine
    if machine is None:
        return
    st.subheader("Speed", anchor=False)
    if speed is None or speed.generate_tps is None:
        st.caption("Not known: nobody has told the bandwidth of this machine's memory. It can be given with the machine.")
        return
    if result.verdict is not None and result.verdict.verdict == "no":
        st.caption("It does not fit as it stands. These would be its speeds if the memory that is missing were there.")
    grade, title = speed.known_by, _GRADES[speed.grade]
    first = speed.time_to_first_token_s
    numbers(
        [
            Number(
                "Generation", f"{format_number(speed.generate_tps.expected)} tokens/s", _range(speed.generate_tps, grade), title
            ),
            Number("Reading a prompt", _rate(speed.prompt_tps), _range(speed.prompt_tps, grade), title),
            Number(
                f"First word after {speed.prompt_tokens:,} tokens",
                "unknown" if first is None else seconds(first.expected),
                "" if first is None else f"{seconds(first.low)} to {seconds(first.high)}",
                title,
            ),
            Number("Download", _download(result), "at 100 Mbit/s", "Size of the file over the speed of the line."),
        ],
        key="speed",
    )
    st.caption(inert(" ".join((f"{felt(speed.generate_tps.expected).capitalize()}.", *speed.basis))))
    st.caption("Generation slows down as the context fills: each token reads all keys and values before it.")
    legend(key_of(), key="speed_legend")
    charts.add(speed_by_depth(answer.speeds, result.plan.settings.depth), key="speed_by_depth", alt=speeds_text(answer.speeds))


def _rate(rate: Range | None) -> str:
    return "unknown" if rate is None else f"{format_number(rate.expected)} tokens/s"


def _range(rate: Range | None, grade: str) -> str:
    return "" if rate is None else f"{format_number(rate.low)} to {format_number(rate.high)}, {grade}"


def _download(result: Estimate) -> str:
    size = result.model.file_bytes
    return "unknown" if size is None else seconds(8 * size / _DOWNLOAD_BITS_S)


def speed_accuracy() -> None:
    """How far forecasts of speed are from public measurements, by kind of run; part of the accuracy page."""
    known = speed_errors()
    st.subheader("Speed", anchor=False)
    st.caption(
        f"{known.forecast:,} of {known.rows:,} public measurements, each forecast without any measurement of its machine, and "
        "again without any of its family of models. Errors are of the forecast, in per cent of what was measured. The rule "
        "beside is that of most calculators: bandwidth over the size of the file."
    )
    kinds: list[Kind] = ["", "right", "right", "right", "right", "right"]
    for test, title in _TESTS.items():
        by_family = {line.name: line for line in known.tables[test]["family"]}
        rows = []
        for line in known.tables[test]["machine"]:
            other = by_family.get(line.name)
            peer = "" if line.peer_median is None else _per_cent(line.peer_median)
            family = f"{_per_cent(other.median)}, {_per_cent(other.p90)}" if other else ""
            cells = (f"{_per_cent(line.median)}, {_per_cent(line.p90)}", family, _per_cent(line.held), peer)
            rows.append((line.name[0].upper() + line.name[1:], f"{line.rows:,}", *cells))
        columns = (title, "Runs", "New machine: median, 90 %", "New family: median, 90 %", "In the range", "Bandwidth / size")
        table(columns, rows, key=f"speed_errors_{test}", kinds=kinds)


def _per_cent(share: float) -> str:
    return f"{100 * share:.0f} %"
