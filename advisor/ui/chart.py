"""A figure on a page. Ours are plain data made by `advisor.figures`, and are sent as they are.

Plotly's own classes would check every value of every figure again in each run of a page: measured on the Model page, half of
the processor time of a rerun. The tests of the figures let Plotly check them instead.
"""

import time

import streamlit as st
from plotly.basedatatypes import BaseFigure
from streamlit.delta_generator import DeltaGenerator

from advisor.figures.style import CONFIG, Figure

FOLLOW_S = 0.06
"""How long figures wait for the answer to be on the screen: a browser beside the server takes 40 ms."""
_SLICE_S = 0.01


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
    st.plotly_chart(_Checked(figure), config=CONFIG, key=key, alt=alt)


class Charts:
    """Figures that are drawn after all that is read; each has its place where it is added.

    Streamlit makes a figure anew whenever it changes. That holds the browser for 50 ms and more, and what was sent with it is
    not seen before.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[DeltaGenerator, Figure, str, str]] | None = []

    def add(self, figure: Figure, *, key: str, alt: str) -> None:
        """As `chart`, by the next `draw`; at once where that has been: a fragment is then drawn again alone."""
        if self._waiting is None:
            chart(figure, key=key, alt=alt)
        else:
            self._waiting.append((st.container(), figure, key, alt))

    def draw(self, *, after_s: float) -> None:
        """Draw what was added, when the browser has had `after_s` seconds for what was sent before."""
        waiting, self._waiting = self._waiting or [], None
        _rest(after_s)
        for place, figure, key, alt in waiting:
            with place:
                chart(figure, key=key, alt=alt)


def _rest(seconds: float) -> None:
    """Do nothing for a while. A run whose visitor has asked for the next one ends here: so it does where its state is read."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_S))
        st.session_state.get("headroom:rest")
