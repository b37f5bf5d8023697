"""Answers in the background: what a page gets of them, whatever became of them."""

import threading

from advisor.machines.library import find_machine
from advisor.question import FitQuestion
from advisor.ui import later as later_module
from advisor.ui.later import Later, answer_of


def test_an_answer_that_was_forgotten_is_asked_again(monkeypatch):
    """While a page was drawn, more than are kept were asked: it took a forgotten answer for one that is there, and broke."""
    release, machine = threading.Event(), find_machine("rtx-3060-12gb")

    def answered(question, *_, **__):
        release.wait(60)
        return question.context

    monkeypatch.setattr(later_module, "fit_on", answered)
    monkeypatch.setattr(later_module, "_MOST_KEPT", 2)
    later = Later()
    first, second, *_ = (later.fit(FitQuestion(context=context), machine, ()) for context in (1024, 2048, 4096, 8192))
    assert second.cancelled()
    assert answer_of(first) is answer_of(second) is None
    release.set()
    assert first.result(60) == answer_of(first) == 1024
    assert later.fit(FitQuestion(context=2048), machine, ()).result(60) == 2048
