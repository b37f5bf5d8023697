"""The way from an answer to a report: one popover, on every page that has an answer worth sharing."""

from collections.abc import Callable

import streamlit as st

from advisor.errors import HeadroomError
from advisor.paths import pages_folder
from advisor.reports.report import HardwareReport
from advisor.settings import settings
from advisor.ui.inert import inert
from advisor.ui.report_view import keep

_MOST_NOTE = 280


def share(make: Callable[..., HardwareReport], *, key: str) -> None:
    """Draw the popover; `make(note=...)` makes the report when it is asked for, and its page is opened."""
    with st.popover("Share as a report", icon=":material/ios_share:", type="tertiary"):
        where = "on this site" if settings().hosted else "on this computer, until you pass it on"
        st.caption(f"Machine, model, settings and numbers, without names, paths or addresses. It is kept {where}.")
        note = st.text_input("A note, if you like", key=f"{key}:note", max_chars=_MOST_NOTE)
        listed = st.checkbox(
            "Put it on the community's list",
            key=f"{key}:listed",
            help="The page Community shows measured speeds; forecasts are in its data only.",
        )
        if st.button("Make the report", key=f"{key}:share"):
            try:
                id_ = keep(make(note=note.strip()), listed=listed)
            except HeadroomError as error:
                st.warning(inert(f"{error}"))
                return
            st.switch_page(pages_folder() / "report.py", query_params={"id": id_})
