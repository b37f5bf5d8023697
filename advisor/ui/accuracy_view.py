"""What the accuracy page is made of: its question in the address, the figures, the cases, the other programs, the limits."""

from collections.abc import Sequence
from typing import Annotated, Literal

import streamlit as st
from pydantic import BeforeValidator

from advisor.accuracy.compare import spread
from advisor.accuracy.published import Grade, PlannedModel, Published, PublishedCase, Row, limits, peers
from advisor.accuracy.said import (
    BACKENDS,
    COMPONENTS,
    at_most,
    build_name,
    device_name,
    error_text,
    figure_text,
    run_line,
)
from advisor.errors import QuestionError
from advisor.figures.accuracy import errors_by_architecture, key_of
from advisor.question import Asked
from advisor.ui.chart import chart
from advisor.ui.inert import inert
from advisor.ui.linked_table import Kind as LinkedKind
from advisor.ui.linked_table import Link, linked_table
from advisor.ui.state import Opened, open_question, publish, seed
from advisor.ui.tables import Kind, Number, legend, numbers, table
from advisor.units import MIB
from advisor.words import tokens

_MINUS = "\N{MINUS SIGN}"
PAGE = "accuracy"
_ALL = "all"
_TOO_LOW = -0.01


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


class AccuracyQuestion(Asked):
    """Which errors are asked about; no backend means all of them."""

    component: Annotated[
        Literal["total", "weights", "kv_cache", "recurrent_state", "compute", "output"], BeforeValidator(_lower)
    ] = "total"
    backend: (
        Annotated[Literal["cuda", "vulkan", "rocm", "metal", "hexagon", "cpu", "cann", "sycl"], BeforeValidator(_lower)] | None
    ) = None
    grade: Annotated[Grade, BeforeValidator(_lower)] = "formula"


def open_accuracy(known: Published) -> Opened[AccuracyQuestion]:
    """The question of this run; one that no log can answer gives the default and a sentence."""
    opened = open_question(PAGE, AccuracyQuestion, AccuracyQuestion())
    try:
        _answerable(opened.question, known)
    except QuestionError as error:
        return Opened(AccuracyQuestion(), fresh=True, complaint=f"The address was not understood: {error}.")
    return opened


def _answerable(question: AccuracyQuestion, known: Published) -> None:
    """Raises QuestionError where no log has the question's backend or was compared with its grade."""
    if question.backend not in (None, *known.backends):
        raise QuestionError(f"there is no log of {question.backend}; there are {', '.join(known.backends)}", field="backend")
    if question.grade not in known.grades:
        raise QuestionError(f'no log was compared with plans of the grade "{question.grade}" yet', field="grade")


def choose(opened: Opened[AccuracyQuestion], known: Published) -> AccuracyQuestion:
    """Draw what can be chosen, put it into the address, and return it. The grade is asked for once there are two."""
    asked = opened.question
    component = st.pills(
        "Component",
        list(COMPONENTS),
        format_func=COMPONENTS.__getitem__,
        key=seed(opened, "accuracy:component", asked.component),
        required=True,
    )
    backend = st.pills(
        "Backend",
        [_ALL, *known.backends],
        format_func=lambda name: BACKENDS.get(name, "All"),
        key=seed(opened, "accuracy:backend", asked.backend or _ALL),
        required=True,
    )
    grade: str | None = "formula"
    if len(known.grades) > 1:
        grade = st.pills("Predicted by", list(known.grades), key=seed(opened, "accuracy:grade", asked.grade), required=True)
    question = AccuracyQuestion.parse({"component": component, "backend": None if backend == _ALL else backend, "grade": grade})
    publish(PAGE, question)
    return question


def compared_said(known: Published, rows: Sequence[Row], question: AccuracyQuestion) -> str:
    """What was compared with what, in two sentences."""
    logs = {row.case.id for row in rows}
    scaled = sum(row.case.comparisons[question.grade].scaled for row in rows)
    said = (
        f"{len(logs)} of {len(known.cases)} load logs. Each run is rebuilt from the model, the quantization and the settings "
        "that its log names, never from the sizes it prints, and every device is compared by itself."
    )
    if scaled and question.component in ("total", "weights"):
        said += f" For {scaled} numbers no plain recipe gives the file's printed size, so the weights were scaled to that size."
    return said


def accuracy_numbers(rows: Sequence[Row], grade: Grade) -> None:
    """Four figures: exact, 95 %, too little by more than 1 %, the worst."""
    errors = spread(row.difference for row in rows)
    exact = sum(row.difference.exact for row in rows)
    low = sum(row.difference.relative < _TOO_LOW for row in rows)
    worst = rows[0].difference
    most = Number("Largest error", error_text(worst), f"{worst.error / MIB:+,.0f} MiB".replace("-", _MINUS))
    numbers(
        [
            Number("To the last digit", f"{exact} of {len(rows)}", grade, "Predicted as the log prints it."),
            Number("95 % are within", at_most(errors.p95), grade, "Of the absolute errors, in per cent of what was printed."),
            Number(
                "More than 1 % too little",
                f"{low} of {len(rows)}",
                grade,
                "The errors that matter most: a model is said to fit and does not.",
            ),
            Number("Largest error", "none", grade) if worst.exact else most,
        ],
        key="figures",
    )


def accuracy_figure(rows: Sequence[Row]) -> None:
    """The errors by architecture and backend, with the legend above."""
    st.subheader("Errors by architecture", anchor=False)
    st.caption(
        "Right of 0: more was predicted than llama.cpp printed. The grey band is 1 % to both sides; beyond 0.1 % the axis is "
        "logarithmic. A larger dot is several logs; beside each name, how many numbers there are."
    )
    legend(key_of(rows), key="accuracy_legend")
    chart(errors_by_architecture(rows), key="errors", alt=figure_text(rows))


def cases_table(rows: Sequence[Row]) -> None:
    """Every number with its error and a link to the log, the worst first."""
    st.subheader("Every number, the worst first", anchor=False)
    columns = ("Model and run", "Architecture", "Backend", "Device", "Build or date", "Printed", "Predicted", "Error", "Log")
    kinds: tuple[LinkedKind, ...] = ("", "", "", "", "faint", "right", "right", "right", "")
    linked_table(
        columns,
        [_case_cells(row) for row in rows],
        key="cases",
        kinds=kinds,
        find="Find a case: qwen3, cuda, b9010",
        many="numbers",
    )


def _case_cells(row: Row) -> tuple[str | Link, ...]:
    case, difference = row.case, row.difference
    return (
        run_line(case),
        case.architecture or "unknown",
        BACKENDS[case.backend],
        device_name(row),
        build_name(case),
        f"{difference.logged / MIB:,.2f} MiB",
        f"{difference.predicted / MIB:,.2f} MiB",
        error_text(difference),
        Link(case.source, case.url),
    )


def not_compared(left_out: Sequence[tuple[PublishedCase, str, str]]) -> None:
    """What was left out and the log's line that makes it impossible to compare."""
    with st.expander(f"What was not counted, and why ({len(left_out)})"):
        st.caption("Whatever a log does not say enough about to predict it. The words in quotes are the log's own.")
        rows = [(run_line(case), _left_out(name), why, Link(case.source, case.url)) for case, name, why in left_out]
        kinds: tuple[LinkedKind, ...] = ("", "", "wide", "")
        linked_table(
            ("Model and run", "Left out", "Why", "Log"), rows, key="left_out", kinds=kinds, find="Find a case", many="cases"
        )


def _left_out(name: str) -> str:
    kind, _, rest = name.partition(" ")
    if rest:
        return f"{COMPONENTS[rest]} in {'system memory' if kind == 'host' else 'GPU memory'}"
    return COMPONENTS.get(name, "All of it")


def beside_others(planned: Sequence[PlannedModel]) -> None:
    """Our error beside those of other programs, for the models that the engine itself planned."""
    st.subheader("Beside other programs", anchor=False)
    st.caption(
        "Total that each program shows for six models, in per cent off what llama.cpp plans for them without weights: on the "
        "processor, one slot, KV cache in f16. The others were run or read in autumn 2026."
    )
    names = list(dict.fromkeys(row.model for row in planned))
    kinds: list[Kind] = ["right" if column else "" for column in range(len(names) + 1)]
    for context in sorted({row.context for row in planned}):
        ours = [f"{100 * row.error:+.1f}" for row in planned if row.context == context]
        rows = [("Headroom", *ours), *((peer.name, *peer.errors[context]) for peer in peers())]
        shown = [(name, *(_per_cent(error) for error in errors)) for name, *errors in rows]
        table((f"At {tokens(context)} tokens", *names), shown, key=f"others_{context}", kinds=kinds)


def _per_cent(error: str) -> str:
    """ "+2.4" as "+2.4 %"; a difference that rounds to nothing has no sign."""
    if not error:
        return "no answer"
    return f"{error} %".replace("-", _MINUS) if float(error) else "0.0 %"


def limits_list() -> None:
    """Where the numbers are known to be off, and what they do not cover."""
    st.subheader("What these numbers do not cover", anchor=False)
    st.markdown("\n".join(f"- {inert(limit.text)}" for limit in limits()))
