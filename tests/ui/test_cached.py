import threading
from dataclasses import replace

import pytest

from advisor.machines.library import find_machine
from advisor.models.library import catalogue
from advisor.question import Question
from advisor.ui.cached import ANSWERS, Kept, answer_on


def test_the_same_question_is_answered_once():
    kept, asked = Kept(), []
    for _ in range(3):
        assert kept.get("a", lambda: asked.append(1) or 7) == 7
    assert len(asked) == 1


def test_a_failure_is_not_kept():
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 / 0)
    assert kept.get("a", lambda: 2) == 2


def test_two_at_once_wait_for_one_answer():
    kept, asked, go = Kept(), [], threading.Event()

    def slow():
        asked.append(1)
        go.wait(60)
        return 3

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(kept.get("a", slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(60)
    assert answers == [3, 3, 3, 3]
    assert len(asked) == 1


def test_the_oldest_are_forgotten():
    kept = Kept()
    for number in range(100):
        kept.get(str(number), lambda number=number: number)
    assert kept.get("0", lambda: "again") == "again"
    assert kept.get("99", lambda: "again") == 99


def test_as_many_are_kept_as_was_said():
    kept = Kept(2)
    for name in "abc":
        kept.get(name, lambda name=name: name)
    assert kept.get("c", lambda: "again") == "c"
    assert kept.get("a", lambda: "again") == "again"


def asked(**fields):
    question = Question(model="qwen3-0.6b", machine="rtx-3060-12gb", **fields)
    return answer_on(question, catalogue().find("qwen3-0.6b").quantized("Q4_K_M"), find_machine("rtx-3060-12gb"), ())


@pytest.fixture
def no_answers():
    ANSWERS.clear()
    yield
    ANSWERS.clear()


def test_an_answer_is_worked_out_once_for_all_visitors(no_answers):
    first = asked(context=4096)
    assert asked(context=4096) is first
    assert asked(context=8192) is not first
    assert first.result.plan.settings.context == 4096
    assert [speed.depth for speed in first.speeds][-1] == 4096


def test_of_a_file_nothing_is_kept(no_answers):
    model = catalogue().find("qwen3-0.6b").quantized("Q4_K_M")
    file = replace(model, source="/models/a.gguf")
    question, machine = Question(model="/models/a.gguf", machine="rtx-3060-12gb", context=4096), find_machine("rtx-3060-12gb")
    assert answer_on(question, file, machine, ()) is not answer_on(question, file, machine, ())


def test_what_is_said_beside_belongs_to_the_answer(no_answers):
    model, machine = catalogue().find("qwen3-0.6b").quantized("Q4_K_M"), find_machine("rtx-3060-12gb")
    question = Question(model="qwen3-0.6b", machine="rtx-3060-12gb", context=4096)
    assert "Two GPUs." in answer_on(question, model, machine, ("Two GPUs.",)).result.assumptions
    assert "Two GPUs." not in answer_on(question, model, machine, ()).result.assumptions
