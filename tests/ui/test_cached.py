import threading

import pytest

from advisor.ui.cached import Kept


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
        go.wait(5)
        return 3

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(kept.get("a", slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(5)
    assert answers == [3, 3, 3, 3]
    assert len(asked) == 1


def test_the_oldest_are_forgotten():
    kept = Kept()
    for number in range(100):
        kept.get(str(number), lambda number=number: number)
    assert kept.get("0", lambda: "again") == "again"
    assert kept.get("99", lambda: "again") == 99
