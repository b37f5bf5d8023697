"""The engine's answer takes the formula's place when it is there, and never keeps a page waiting."""

import threading

import pytest
import streamlit as st

from advisor.engine.status import EngineStatus
from advisor.errors import EngineFailedError
from advisor.estimate import estimate_for as real
from advisor.models.resolve import resolve_model
from advisor.question import Question
from advisor.ui import engine_grade

QUESTION = Question(model="gemma-3-270m", context=4096)


@pytest.fixture
def state(monkeypatch):
    """A visit's state, and an engine that is installed."""
    kept: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", kept)
    monkeypatch.setattr(engine_grade, "engine_status", lambda: EngineStatus("installed"))
    return kept


def answering(monkeypatch, engine):
    """Let `engine` answer questions of grade engine, and the formula all others."""

    def answer(question, *rest):
        return engine() if question.grade == "engine" else real(question, *rest)

    monkeypatch.setattr(engine_grade, "estimate_for", answer)


def test_a_quick_engine_answers_in_the_formulas_place(state, monkeypatch):
    model = resolve_model(QUESTION.model)
    exact = real(QUESTION, model, None)
    answering(monkeypatch, lambda: exact)
    assert engine_grade.best_known(QUESTION, model, None).result is exact


def test_a_slow_engine_is_waited_for_by_no_one_and_asked_once(state, monkeypatch):
    model, release, asked = resolve_model(QUESTION.model), threading.Event(), []
    exact = real(QUESTION, model, None)

    def slow():
        asked.append(1)
        release.wait(30)
        return exact

    answering(monkeypatch, slow)
    first = engine_grade.best_known(QUESTION, model, None)
    assert first.pending
    assert first.result.plan.grade == "formula"
    assert engine_grade.best_known(QUESTION, model, None).pending
    release.set()
    state["headroom:engine"].answer.result(timeout=30)
    assert engine_grade.best_known(QUESTION, model, None).result is exact
    assert len(asked) == 1


def test_an_engine_that_fails_leaves_the_formula_and_says_why(state, monkeypatch):
    def failing():
        raise EngineFailedError("the engine ended unexpectedly")

    answering(monkeypatch, failing)
    model = resolve_model(QUESTION.model)
    known = engine_grade.best_known(QUESTION, model, None)
    assert known.complaint == "the engine ended unexpectedly"
    assert known.result.plan.grade == "formula"


@pytest.mark.parametrize("question", [QUESTION, QUESTION.model_copy(update={"build": "b6060"})])
def test_without_the_engine_or_for_another_build_the_formula_answers(state, monkeypatch, question):
    if question.build is None:
        monkeypatch.setattr(engine_grade, "engine_status", lambda: EngineStatus("building"))
    answering(monkeypatch, lambda: pytest.fail("the engine was asked"))
    known = engine_grade.best_known(question, resolve_model(question.model), None)
    assert (known.result.plan.grade, known.pending, known.complaint) == ("formula", False, None)


@pytest.mark.engine
def test_the_real_engine_answers(state):
    model = resolve_model(QUESTION.model)
    engine_grade.best_known(QUESTION, model, None)
    state["headroom:engine"].answer.result(timeout=60)
    assert engine_grade.best_known(QUESTION, model, None).result.plan.grade == "engine"
