"""The engine's answer takes the formula's place when it is there, never keeps a page waiting, and leaves it where it fails."""

import threading
from dataclasses import replace

import pytest
import streamlit as st

from advisor.engine.status import EngineStatus
from advisor.errors import EngineFailedError, EngineRefusedError
from advisor.estimate import estimate_for as real
from advisor.models.resolve import resolve_model
from advisor.question import Question
from advisor.ui import engine_grade
from advisor.ui.cached import BY_ENGINE
from advisor.ui.engine_grade import BestKnown

QUESTION = Question(model="gemma-3-270m", context=4096)
MODEL = resolve_model(QUESTION.model)
FORMULA = real(QUESTION, MODEL, None)


@pytest.fixture
def visit(monkeypatch):
    """A visit's state, with an engine that is installed."""
    BY_ENGINE.clear()
    kept: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", kept)
    monkeypatch.setattr(engine_grade, "engine_status", lambda: EngineStatus("installed"))
    yield kept
    BY_ENGINE.clear()


def ask(question=QUESTION):
    return engine_grade.ask_engine(question, MODEL, None, (), FORMULA)


def answering(monkeypatch, engine):
    """Let `engine` answer in the engine's place."""
    monkeypatch.setattr(engine_grade, "estimate_for", lambda *_: engine())


def test_a_quick_engine_answers_in_the_formulas_place(visit, monkeypatch):
    exact = real(QUESTION.model_copy(update={"context": 8192}), MODEL, None)
    answering(monkeypatch, lambda: exact)
    answer = ask()
    answer.wait(10)
    assert answer.now() == BestKnown(exact, FORMULA)


def test_a_slow_engine_is_waited_for_by_no_one_and_asked_once(visit, monkeypatch):
    release, asked = threading.Event(), []

    def slow():
        asked.append(1)
        release.wait(30)
        return FORMULA

    answering(monkeypatch, slow)
    assert ask().now() == BestKnown(FORMULA, FORMULA, pending=True)
    answer = ask()
    assert answer.now().pending
    release.set()
    answer.wait(30)
    assert not answer.now().pending
    assert len(asked) == 1


def test_another_question_takes_the_place_of_one_that_waits(visit, monkeypatch):
    release, asked = threading.Event(), []

    def slow(question, *_):
        asked.append(question.context)
        release.wait(30)
        return FORMULA

    monkeypatch.setattr(engine_grade, "estimate_for", slow)
    for context in (512, 1024, 2048, 4096, 8192):
        last = ask(QUESTION.model_copy(update={"context": context}))
    release.set()
    last.wait(30)
    assert last.now().result is FORMULA
    assert asked[-1] == 8192
    assert len(asked) <= 3


def test_an_engine_that_breaks_down_leaves_the_formula_says_why_and_is_asked_again(visit, monkeypatch):
    def killed():
        raise EngineFailedError("the engine's process was killed from outside (SIGKILL); ask for --grade formula")

    answering(monkeypatch, killed)
    answer = ask()
    answer.wait(10)
    assert answer.now() == BestKnown(FORMULA, FORMULA, why_not="the engine's process was killed from outside (SIGKILL)")
    answering(monkeypatch, lambda: FORMULA)
    again = ask()
    again.wait(10)
    assert again.now() == BestKnown(FORMULA, FORMULA)


def test_what_the_engine_refuses_is_said_and_not_asked_again(visit, monkeypatch):
    asked = []

    def refusing():
        asked.append(1)
        raise EngineRefusedError("llama.cpp refuses this: it does not load this model")

    answering(monkeypatch, refusing)
    ask().wait(10)
    assert ask().now().why_not == "llama.cpp refuses this: it does not load this model"
    assert len(asked) == 1


def test_a_fault_of_ours_costs_no_figure(visit, monkeypatch, caplog):
    answering(monkeypatch, lambda: 1 // 0)
    answer = ask()
    answer.wait(10)
    assert answer.now() == BestKnown(FORMULA, FORMULA, why_not="the engine's answer could not be used")
    assert "ZeroDivisionError" in caplog.text


def test_what_the_engine_once_said_of_the_catalogue_is_not_asked_again(visit, monkeypatch):
    asked = []

    def plan(question, *_):
        asked.append(question.context)
        return FORMULA

    monkeypatch.setattr(engine_grade, "estimate_for", plan)
    for context in (4096, 8192, 4096):
        ask(QUESTION.model_copy(update={"context": context})).wait(10)
    assert asked == [4096, 8192]
    file = replace(MODEL, source="/models/file.gguf")
    for context in (4096, 8192, 4096):
        engine_grade.ask_engine(QUESTION.model_copy(update={"context": context}), file, None, (), FORMULA).wait(10)
    assert asked == [4096, 8192, 4096, 8192, 4096]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (EngineStatus("building", step="compiling", percent=40), "the engine is being built in the background"),
        (EngineStatus("absent"), "the engine is not installed"),
        (EngineStatus("no compiler", reason="there is no C++ compiler"), "there is no C++ compiler"),
    ],
)
def test_without_the_engine_the_formula_answers_and_says_why(visit, monkeypatch, status, said):
    monkeypatch.setattr(engine_grade, "engine_status", lambda: status)
    answering(monkeypatch, lambda: pytest.fail("the engine was asked"))
    known = ask().now()
    assert (known.result, known.pending) == (FORMULA, False)
    assert said in known.why_not


@pytest.mark.engine
def test_the_real_engine_answers(visit):
    answer = ask()
    answer.wait(60)
    assert answer.now().result.plan.grade == "engine"


@pytest.mark.engine
def test_a_build_that_the_engine_is_not_stays_with_the_formula(visit):
    answer = ask(QUESTION.model_copy(update={"build": "b6060"}))
    answer.wait(60)
    assert answer.now().why_not == "the engine plans as build 2026-10-15 does, not as b6060"
