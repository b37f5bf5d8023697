"""Which process gets which question, and what becomes of the questions of one that has ended."""

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from advisor import question_workers
from advisor.question_lines import answer_line, answer_requests
from advisor.question_workers import FEW, MODEL_KNOWN, Workers


class Held:
    """A process that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.open: list[Future[str]] = []

    def submit(self, answer: Callable[[bytes], str], line: bytes) -> Future[str]:
        self.asked.append(line)
        self.open.append(Future())
        return self.open[-1]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> tuple[Workers, Held, Held]:
    workers = Workers(2, answer_line)
    held = Held(), Held()
    monkeypatch.setattr(workers, "_pools", list(held))
    return workers, *held


def question(model: str) -> bytes:
    return json.dumps({"model": model, "context": 4096}).encode()


def test_a_question_goes_where_fewest_wait(two: tuple[Workers, Held, Held]) -> None:
    workers, first, second = two
    for name in "abcd":
        workers.ask(question(name))
    assert (len(first.asked), len(second.asked)) == (2, 2)
    for answer in second.open:
        answer.set_result("")
    for name in "ef":
        workers.ask(question(name))
    assert (len(first.asked), len(second.asked)) == (2, 4)


def test_a_model_stays_where_it_is_known_until_too_many_wait_there(two: tuple[Workers, Held, Held]) -> None:
    workers, first, second = two
    for _ in range(MODEL_KNOWN + 2):
        workers.ask(question("a"))
    assert (len(first.asked), len(second.asked)) == (MODEL_KNOWN + 1, 1)


def test_what_is_known_of_a_process_has_an_end(two: tuple[Workers, Held, Held], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line without a model was kept whole, and every name, for as long as questions came."""
    workers, first, second = two
    monkeypatch.setattr(question_workers, "_MOST_KNOWN", 3)
    for name in "abcdefghijkl":
        workers.ask(question(name))
        workers.ask(b'{"context": ' + name.encode() * 1000 + b"}")
        for answer in (*first.open, *second.open):
            if not answer.done():
                answer.set_result("")
    assert [list(known) for known in workers._known] == [[b"j", b"k", b"l"], []]


def test_questions_of_a_process_that_was_ended_are_answered_all_the_same() -> None:
    asked = [question(model) for _ in range(20) for model in ("gemma-3-270m", "smollm2-135m", "nope")]

    def lines() -> Iterator[bytes]:
        for number, line in enumerate(asked):
            if number == FEW + 30:
                for child in multiprocessing.active_children():
                    child.kill()
            yield line

    assert list(answer_requests(lines(), processes=2)) == [answer_line(line) for line in asked]
