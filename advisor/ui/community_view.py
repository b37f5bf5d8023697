"""Measured speeds of many on a page: the question in the address, figures, a table that can be searched, exports."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import streamlit as st
from pydantic import Field

from advisor.figures.community import measured_by_predicted, speeds_by_machine, speeds_text
from advisor.figures.style import ACCENT, LIMIT
from advisor.question import Asked
from advisor.reports.community import Marked, filtered, machines_of, marked, models_of
from advisor.reports.exporting import MEDIA, exported
from advisor.reports.store import store
from advisor.settings import settings
from advisor.ui.chart import chart
from advisor.ui.linked_table import Kind, Link, linked_table
from advisor.ui.state import Opened, publish, seed
from advisor.ui.tables import legend
from advisor.units import format_number

PAGE = "community"
_ALL = "all"
_MOST_ROWS = 400
_FRESH_S = 30


class CommunityQuestion(Asked):
    """Whose speeds; None means all."""

    machine: Annotated[str, Field(max_length=160)] | None = None
    model: Annotated[str, Field(max_length=160)] | None = None


@st.cache_data(ttl=_FRESH_S, max_entries=1, show_spinner=False)
def measured() -> list[Marked]:
    """Every report that measured a speed, with its doubt; hosted only those that their makers put on the list."""
    return marked(store().summaries(listed_only=settings().hosted))


def choose(opened: Opened[CommunityQuestion], rows: Sequence[Marked]) -> CommunityQuestion:
    """Draw the two choices and put them into the address."""
    machines, models = machines_of(rows), models_of(rows)
    left, right = st.columns(2)
    machine = _choice(left, "Machine", opened, "community:machine", machines, opened.question.machine)
    model = _choice(right, "Model", opened, "community:model", models, opened.question.model)
    question = CommunityQuestion(machine=machine, model=model)
    publish(PAGE, question)
    return question


def not_there(opened: Opened[CommunityQuestion], rows: Sequence[Marked]) -> list[str]:
    """A sentence for what an address asks about and no report is of."""
    asked = ((opened.question.machine, machines_of(rows)), (opened.question.model, models_of(rows)))
    return [f'No report is of "{name}". Shown instead: all.' for name, known in asked if name and name not in known]


def _choice(
    place: st.delta_generator.DeltaGenerator,
    label: str,
    opened: Opened[CommunityQuestion],
    key: str,
    names: dict[str, str],
    asked: str | None,
) -> str | None:
    if st.session_state.get(key, _ALL) not in names:
        st.session_state.pop(key, None)
    seed(opened, key, asked if asked in names else _ALL)
    chosen = place.selectbox(label, [_ALL, *names], format_func=lambda id_: names.get(id_, "All"), key=key)
    return None if chosen == _ALL else chosen


def figures(rows: Sequence[Marked], question: CommunityQuestion) -> None:
    """Measured beside predicted, and the speeds by machine."""
    shown = filtered(rows, machine=question.machine, model=question.model)
    legend([("sound", ACCENT, "dot"), ("stands out", LIMIT, "dot")], key="community_legend")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Measured against predicted", anchor=False)
        st.caption("On the line the prediction was right; between the dotted lines it was within a quarter.")
        chart(measured_by_predicted(shown), key="community_predicted", alt=speeds_text(shown))
    with right:
        st.subheader("Speed by machine", anchor=False)
        st.caption("Tokens a second of generation, a dot a report.")
        chart(speeds_by_machine(shown), key="community_machines", alt=speeds_text(shown))


def speeds_table(rows: Sequence[Marked]) -> None:
    """The reports as a table with links, newest first."""
    kinds: tuple[Kind, ...] = ("", "", "right", "right", "right", "faint", "wide")
    linked_table(
        ("Model", "Machine", "Measured", "Predicted", "Difference", "Made", ""),
        [_cells(entry) for entry in rows[:_MOST_ROWS]],
        key="community_table",
        kinds=kinds,
        find="Find: qwen3, 4090, Q4_K_M",
        many="reports",
    )
    if len(rows) > _MOST_ROWS:
        st.caption(f"The newest {_MOST_ROWS} of {len(rows)}; the files below hold all.")


def _cells(entry: Marked) -> tuple[str | Link, ...]:
    row = entry.row
    model = " ".join(filter(None, (row.model_name, row.quantization)))
    count = f"{row.gpus}x " if row.gpus > 1 else ""
    speed, expected = row.generate_tps or 0.0, row.generate_expected
    return (
        Link(model, f"/report?id={row.id}"),
        f"{count}{row.machine_name}",
        f"{format_number(speed)} tokens/s",
        f"{format_number(expected)} tokens/s" if expected else "unknown",
        f"{100 * (speed / expected - 1):+.0f} %".replace("-", "\N{MINUS SIGN}") if expected else "",
        f"{row.created_at:%Y-%m-%d}",
        entry.doubt or "",
    )


def exports() -> None:
    """The whole list as files, made when they are asked for."""
    row = st.container(horizontal=True)
    for ending, media in MEDIA.items():
        row.download_button(
            f"All as {'CSV' if ending == 'csv' else 'Parquet'}",
            partial(_whole, ending),
            f"headroom-reports.{ending}",
            media,
            icon=":material/download:",
            on_click="ignore",
            key=f"community:{ending}",
        )


def _whole(ending: str) -> bytes:
    return exported(store().summaries(listed_only=settings().hosted), ending)
