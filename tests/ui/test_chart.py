"""Figures are drawn after all that is read, and not at all where the visitor has asked for something else meanwhile."""

import time
from contextlib import nullcontext

import pytest
import streamlit as st

from advisor.ui import chart as drawing
from advisor.ui.chart import Charts, let_be_read

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


def test_figures_are_drawn_when_all_else_is(drawn):
    charts = Charts()
    charts.add(FIGURE, key="stack", alt="")
    charts.add(FIGURE, key="curves", alt="")
    assert drawn == []
    charts.draw()
    assert drawn == ["stack", "curves"]


def test_what_is_drawn_again_alone_waits_for_nothing(drawn):
    charts = Charts()
    charts.draw()
    charts.add(FIGURE, key="stack", alt="")
    assert drawn == ["stack"]


def test_the_answer_has_its_time(drawn):
    began = time.monotonic()
    let_be_read(0.05)
    assert 0.05 <= time.monotonic() - began < 5


def test_who_asks_for_something_else_meanwhile_does_not_wait(drawn, monkeypatch):
    monkeypatch.setattr(st, "session_state", Ended())
    began = time.monotonic()
    with pytest.raises(AnotherRunError):
        let_be_read(60)
    assert time.monotonic() - began < 30
