"""A shared report on a page: what it says, the ways to pass it on, its deletion, other reports beside it, and the way in."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import streamlit as st
from pydantic import Field

from advisor.errors import HeadroomError, QuestionError
from advisor.figures.memory import key_of
from advisor.figures.verify import timeline, timeline_text
from advisor.question import Asked
from advisor.reports.comparison import MOST, in_words, side_by_side
from advisor.reports.render import markdown, sections
from advisor.reports.report import GRADES, HardwareReport
from advisor.reports.said import compared, headline, memory_line, title
from advisor.reports.store import Found, Kept, is_id, store
from advisor.reports.stored import canonical, parsed
from advisor.reports.summary import Summary
from advisor.settings import settings
from advisor.ui.chart import chart
from advisor.ui.inert import inert
from advisor.ui.linked_table import Link, linked_table
from advisor.ui.tables import Kind, legend, table
from advisor.units import format_number
from advisor.words import sentence

PAGE = "report"
_MADE = "report:made"
_MOST_MEGABYTES = 2


class ReportQuestion(Asked):
    """Which report, and which others beside it (ids, with commas between)."""

    id: Annotated[str, Field(max_length=300)] | None = None
    beside: Annotated[str, Field(max_length=300)] | None = None


def id_in(text: str) -> str:
    """The id in what a person pasted: a link, or the id itself."""
    return text.strip().rstrip("/").rpartition("/")[2].rpartition("=")[2].partition(".")[0]


def base_address() -> str:
    """The address of this site as its visitors know it."""
    if settings().base_url:
        return f"{settings().base_url}"
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme or 'http'}://{parts.netloc or st.context.headers.get('Host') or 'localhost'}"


def report_view(report: HardwareReport) -> None:
    """The report: its answer, predicted beside measured, the run over time, all facts with how each is known."""
    st.header(inert(title(report)), anchor=False)
    st.markdown(f"**{inert(headline(report))}**")
    if memory := memory_line(report):
        st.caption(f"Memory: {inert(memory)}. Made {report.made_at:%Y-%m-%d} with Headroom {inert(report.versions.headroom)}.")
    if report.note:
        st.markdown(f"> {inert(report.note)}")
    for failure in report.failures:
        st.error(inert(sentence(failure.message)))
    rows = compared(report)
    if rows and report.measurement is None:
        table(("", "Predicted"), [row[:2] for row in rows], key="report_predicted", stack=True)
    elif rows:
        kinds: list[Kind] = ["", "right", "right", "right"]
        table(("", "Predicted", "Measured", "Difference"), rows, key="report_compared", kinds=kinds, stack=True)
    figures = report.measurement
    if figures is not None and len(figures.samples) > 1:
        st.subheader("Memory over time", anchor=False)
        planned = None if report.plan is None else sum(pool.total_bytes for pool in report.plan.pools)
        lines = timeline(figures.samples, planned)
        legend(key_of(lines), key="report_legend")
        chart(lines, key="report_timeline", alt=timeline_text(figures.samples))
    for name, facts in sections(report):
        st.subheader(name, anchor=False)
        cells = [(fact.label, fact.value, fact.grade or "") for fact in facts]
        table(("", "", "How it is known"), cells, key=f"report_{name.lower()}", kinds=("", "", "faint"), stack=True)
    words = {report.grade_of(path) for path in report.grades}
    st.caption(inert(" ".join(f"{word.capitalize()}: {said}" for word, said in GRADES.items() if word in words)))


def ways_to_share(found: Found) -> None:
    """The link, and the report in the forms that other places take, each to be copied by a click."""
    link = f"{base_address()}/r/{found.id}"
    report = found.report
    tabs = st.tabs(["Link", "Markdown", "Badge", "Picture", "File"])
    with tabs[0]:
        st.code(link, language=None, wrap_lines=True)
        st.caption("A page that needs no Headroom to read; it prints on one sheet.")
        st.link_button("Open the page", link, icon=":material/open_in_new:")
    with tabs[1]:
        st.code(markdown(report, link=link), language=None, wrap_lines=True, height=220)
    with tabs[2]:
        st.code(f"[![Headroom]({link}.svg)]({link})", language=None, wrap_lines=True)
    with tabs[3]:
        # The browser asks for it when it is shown; drawing it takes a tenth of a second.
        st.image(f"{link}.png", width=520)
        st.link_button("Picture, 1200 x 630", f"{link}.png", icon=":material/image:")
    with tabs[4]:
        name = f"headroom-{found.id}.json"
        st.download_button("Report as JSON", canonical(report), name, "application/json", on_click="ignore")
        st.caption("`advisor report import FILE` takes it, and so does any page of reports.")
    if not settings().hosted:
        st.caption(
            "The report is kept on this computer, and its link works wherever this Headroom can be reached. To show it "
            "elsewhere take the picture, the Markdown or the file."
        )


def deletion(found: Found) -> bool:
    """Draw the way to delete the report; True where it was deleted in this run."""
    with st.popover("Delete", icon=":material/delete:", type="tertiary"):
        kept: Kept | None = st.session_state.get(_MADE)
        known = kept.token if kept and kept.id == found.id else ""
        token = st.text_input("Token that its maker got", value=known, type="password", key="report:token", max_chars=80)
        if st.button("Delete this report", key="report:delete", disabled=not token.strip()):
            if store().delete(found.id, token.strip()):
                st.session_state.pop(_MADE, None)
                return True
            st.warning("This is not the token of this report.")
    return False


def made_note(found: Found) -> None:
    """Right after a report was made here: its token, which is shown this once."""
    kept: Kept | None = st.session_state.get(_MADE)
    if kept is None or kept.id != found.id:
        return
    with st.container(border=True):
        st.markdown("**Kept.** This token deletes it; it is shown this once, so keep it.")
        st.code(kept.token, language=None)


def keep(report: HardwareReport, *, listed: bool) -> str:
    """Keep a report and remember its token for this visitor; the id. One that is kept already stays the only one."""
    known = store().same_as(report)
    if known is not None and not settings().hosted:
        return known
    kept = store().add(report, listed=listed, address=st.context.ip_address)
    st.session_state[_MADE] = kept
    return kept.id


def way_in() -> str | None:
    """Draw the field for a file or a paste; the id of the report that came in, else None."""
    file = st.file_uploader("A report as a file", type=["json"], key="report:file", max_upload_size=_MOST_MEGABYTES)
    text = st.text_area("Or paste it", key="report:paste", height=120, placeholder='{"schema_version": 1, ...')
    listed = st.checkbox(
        "Put it on the community's list",
        key="report:listed",
        help="Else only who has the link finds it. A report says nothing of whose machine it is.",
    )
    given = file.getvalue() if file is not None else text.strip()
    if not st.button("Take it in", key="report:take", disabled=not given):
        return None
    try:
        return keep(parsed(given), listed=listed)
    except HeadroomError as error:
        st.warning(inert(f"{error}"))
        return None


def kept_here(rows: Sequence[Summary]) -> None:
    """The reports of this computer's store as a table with links."""
    linked_table(
        ("Model", "Machine", "Measured", "Predicted", "Made", "Id"),
        [_kept_cells(row) for row in rows],
        key="kept",
        kinds=("", "", "right", "right", "faint", "faint"),
        find="Find a report",
        many="reports",
    )


def _kept_cells(row: Summary) -> tuple[str | Link, ...]:
    speeds = [f"{format_number(speed)} tokens/s" if speed else "" for speed in (row.generate_tps, row.generate_expected)]
    model = " ".join(filter(None, (row.model_name, row.quantization)))
    return Link(model, f"/report?id={row.id}"), row.machine_name, *speeds, f"{row.created_at:%Y-%m-%d}", row.id


def beside_it(found: Found, asked: str | None) -> str | None:
    """Draw other reports beside this one; the ids that are asked about, as the address holds them."""
    with st.expander("Compare with other reports", expanded=bool(asked)):
        text = st.text_input(
            "Links or ids of up to three others, with commas between", value=asked or "", key="report:beside", max_chars=300
        )
        ids = [id_ for id_ in dict.fromkeys(id_in(part) for part in text.split(",")) if is_id(id_)][: MOST - 1]
        others = [other for id_ in ids if (other := store().get(id_)) is not None]
        if text.strip() and not others:
            st.caption("There is no report with this link or id.")
        if others:
            reports = [found.report, *(other.report for other in others)]
            if said := in_words(reports):
                st.markdown(f"**{inert(said)}**")
            table(("What", *(title(report) for report in reports)), side_by_side(reports), key="report_beside", stack=True)
    return ",".join(other.id for other in others) or None


def found_report(question: ReportQuestion) -> Found:
    """The report of the question. Raises QuestionError with one sentence where there is none."""
    found = store().get(id_in(question.id or ""))
    if found is None:
        raise QuestionError("There is no report with this link. It may have been deleted by its maker.")
    return found
