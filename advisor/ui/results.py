"""The list of models of the landing page, as a browser component: filtered and opened without asking the server."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from advisor.result_row import PARTS
from advisor.ui.component_files import component_files

_results = st.components.v2.component("headroom_results", **component_files("results"))


def results(rows: Sequence[dict[str, Any]], *, first: int = 25, key: str = "results") -> str | None:
    """Draw the rows (`advisor.result_row.result_row`); the address of the model that was asked for in this run, else None."""
    data = {"rows": tuple(rows), "first": first, "legend": tuple(PARTS.items())}
    chosen = _results(key=key, data=data, on_chosen_change=lambda: None).chosen
    known = {row["href"] for row in rows}
    return chosen if isinstance(chosen, str) and chosen in known else None
