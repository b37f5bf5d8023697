"""Figures are drawn after all that is read, and not at all where the visitor has asked for something else meanwhile."""

from contextlib import nullcontext

import pytest
import streamlit as st

from advisor.ui import chart as drawing
from advisor.ui.chart import Charts

FIGURE = {"data": [], "layout": {}}


class AnotherRunError(BaseException):
    """What Streamlit ends a run with."""


class Ended(dict):
    """The state of a run whose visitor has asked for the next one."""

    def get(self, *_):
        raise AnotherRunError


@pytest.fixture
def drawn(monkeypatch):
    """The keys of what was drawn, in order."""
    keys = []
    monkeypatch.setattr(drawing, "chart", lambda figure, *, key, alt: keys.append(key))
    monkeypatch.setattr(st, "container", nullcontext)
    monkeypatch.setattr(st, "session_state", {})
    return keys


def test_nothing_is_drawn_before_the_rest_and_all_of_it_after(drawn, monkeypatch):
    rested = []
    monkeypatch.setattr(drawing.time, "sleep", lambda seconds: rested.append((seconds, list(drawn))))
    charts = Charts()
    charts.add(FIGURE, key="stack", alt="")
    charts.add(FIGURE, key="curves", alt="")
    assert drawn == []
    charts.draw(after_s=0.03)
    assert drawn == ["stack", "curves"]
    assert rested
    assert all(seconds <= 0.03 and before == [] for seconds, before in rested)


def test_what_is_drawn_again_alone_waits_for_nothing(drawn):
    charts = Charts()
    charts.draw(after_s=0)
    charts.add(FIGURE, key="stack", alt="")
    assert drawn == ["stack"]


def test_a_run_that_is_over_draws_no_figure(drawn, monkeypatch):
    monkeypatch.setattr(st, "session_state", Ended())
    charts = Charts()
    charts.add(FIGURE, key="stack", alt="")
    with pytest.raises(AnotherRunError):
        charts.draw(after_s=60)
    assert drawn == []
