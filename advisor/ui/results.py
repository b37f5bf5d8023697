"""The list of models of the landing page, as a browser component: filtered and opened without asking the server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

_FILES = Path(__file__).parent / "components"

_results = st.components.v2.component(
    "headroom_results",
    html=(_FILES / "results.html").read_text(encoding="utf-8"),
    css=(_FILES / "results.css").read_text(encoding="utf-8"),
    js=(_FILES / "results.js").read_text(encoding="utf-8"),
)


def results(rows: Sequence[dict[str, Any]], *, first: int = 25, key: str = "results") -> str | None:
    """Draw the rows (`words.result_row`); the id of the row whose model was asked for in this run, else None."""
    return _results(key=key, data={"rows": list(rows), "first": first}, on_chosen_change=lambda: None).chosen
