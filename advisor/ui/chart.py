"""A figure on a page. Ours are plain data made by `advisor.figures`, and are sent as they are.

Plotly's own classes would check every value of every figure again in each run of a page: measured on the Model page, half of
the processor time of a rerun. The tests of the figures let Plotly check them instead.
"""

from functools import cache
from typing import Any

import streamlit as st
from plotly.basedatatypes import BaseFigure

from advisor.figures.style import CONFIG, Figure


class _Checked(BaseFigure):  # type: ignore[misc]
    """What Streamlit takes for a figure that Plotly has checked already."""

    def __init__(self, figure: Figure) -> None:
        object.__setattr__(self, "_figure", figure)

    def to_dict(self) -> Figure:
        """The figure as it was given."""
        figure: Figure = object.__getattribute__(self, "_figure")
        return figure


def chart(figure: Figure, *, key: str, alt: str) -> None:
    """Draw `figure`; `alt` says what it shows to those who cannot see it."""
    themed = {**figure, "layout": {**figure["layout"], "template": _template()}}
    st.plotly_chart(_Checked(themed), config=CONFIG, key=key, alt=alt)


@cache
def _template() -> Any:
    """Streamlit's theme for Plotly, which it would put into every figure; the browser needs it there."""
    import plotly.graph_objects

    return plotly.graph_objects.Figure().to_dict()["layout"].get("template", {})
