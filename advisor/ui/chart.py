"""A figure on a page. Ours are plain data made by `advisor.figures`, and are sent as they are.

Plotly's own classes would check every value of every figure again in each run of a page: measured on the Model page, half of
the processor time of a rerun. The tests of the figures let Plotly check them instead.
"""

import time

import streamlit as st
from plotly.basedatatypes import BaseFigure
from streamlit.delta_generator import DeltaGenerator

from advisor.figures.style import CONFIG, Figure

READ_FIRST_S = 0.08
"""How long it takes until an answer that was sent is on the screen: 60 ms in a browser beside the server."""
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

    def draw(self) -> None:
        """Draw what was added."""
        waiting, self._waiting = self._waiting or [], None
        for place, figure, key, alt in waiting:
            with place:
                chart(figure, key=key, alt=alt)


def let_be_read(seconds: float = READ_FIRST_S) -> None:
    """Leave the browser to what was sent so far.

    A run whose visitor has asked for the next one meanwhile ends here, as it does wherever its state is read.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_S))
        st.session_state.get("headroom:read")
