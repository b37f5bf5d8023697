"""Answers in the background: what a page gets of them, whatever became of them."""

import threading

from anyio.from_thread import start_blocking_portal

from advisor import serve
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


def test_what_nobody_will_see_is_left_when_the_server_ends(monkeypatch):
    """Ctrl-C waited until all that visitors had ever asked for was worked out."""
    begun, release, worked_out = threading.Event(), threading.Event(), []

    def answered(question, *_, **__):
        begun.set()
        release.wait(60)
        worked_out.append(question.context)

    monkeypatch.setattr(later_module, "fit_on", answered)
    kept = Later()
    coming = [kept.fit(FitQuestion(context=context), find_machine("rtx-3060-12gb"), ()) for context in (1024, 2048, 4096)]
    assert begun.wait(60)

    async def served():
        async with serve._announced("an address", None)(None):
            monkeypatch.setattr(later_module, "later", lambda: kept)

    monkeypatch.setattr(serve, "_warm_up", lambda _: None)
    with start_blocking_portal() as loop:
        loop.call(served)
    release.set()
    coming[0].result(60)
    assert [answer.cancelled() for answer in coming] == [False, True, True]
    assert worked_out == [1024]
