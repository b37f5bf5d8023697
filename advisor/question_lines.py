"""Many questions at once: one JSON object a line in, one JSON answer a line out, in the same order.

Lines with nothing but white space are skipped. Any other line gets exactly one answer; a wrong one answers {"error": ".."} in
its place and the rest go on.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from queue import Queue
from threading import Thread
from typing import Any, BinaryIO, NoReturn

from advisor.engine.recipe import usable_cores
from advisor.errors import HeadroomError, QuestionError
from advisor.estimate import estimate
from advisor.question import Question
from advisor.question_workers import FEW, MOST_PROCESSES, Workers

MAX_LINE_BYTES = 64 * 1024
"""Longest question that is read; the longest sensible one is a few thousand bytes."""
AHEAD = 100
"""Questions that are read before their turn comes: enough to keep all processes busy, and so few that the next one goes to
the process that was quickest until then."""
_PIECE = 2**20


def request_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of `stream` as they come, without their ends; of one that is longer than any question, only the start."""
    while line := stream.readline(MAX_LINE_BYTES + 1):
        kept = line
        while line and not line.endswith(b"\n") and len(kept) > MAX_LINE_BYTES:
            line = stream.readline(_PIECE)
        yield kept.rstrip(b"\r\n")


def answer_requests(lines: Iterable[bytes | str], *, processes: int | None = None) -> Iterator[str]:
    """One JSON answer a line for one JSON question a line; a byte order mark before the first is taken off.

    Answers come in the order of the questions and as soon as they are known. After `FEW` questions `processes` work side by
    side (None: one a core), the questions of one model mostly in the same process, which has laid it out before.
    """
    asked = _questions(lines)
    for line in islice(asked, FEW):
        yield answer_line(line)
    count = min(processes or usable_cores(), MOST_PROCESSES)
    first = next(asked, None)
    if first is None:
        return
    others = _chained(first, asked)
    if count == 1:
        yield from map(answer_line, others)
        return
    workers = Workers(count, answer_line)
    starting = Thread(target=workers.start, name="workers", daemon=True)
    starting.start()
    for line in others:
        yield answer_line(line)
        if not starting.is_alive():
            break
    yield from _side_by_side(others, workers)


def answer_line(line: bytes) -> str:
    """The answer to one line, as JSON."""
    return json.dumps(_answer(line))


def _questions(lines: Iterable[bytes | str]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        raw = raw.removeprefix(b"\xef\xbb\xbf") if number == 0 else raw
        if raw.strip():
            yield raw


def _chained(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _side_by_side(lines: Iterator[bytes], workers: Workers) -> Iterator[str]:
    """Answers in order, worked out by `workers` while a thread reads on: who waits is answered at once."""
    waiting: Queue[tuple[bytes, Future[str]] | None] = Queue(AHEAD)

    def read() -> None:
        try:
            for line in lines:
                waiting.put((line, workers.ask(line)))
        except RuntimeError:  # the workers were shut down while a line was read: nobody waits for its answer
            return
        finally:
            waiting.put(None)

    Thread(target=read, name="questions", daemon=True).start()
    try:
        while (next_one := waiting.get()) is not None:
            line, answer = next_one
            try:
                yield answer.result()
            except (OSError, RuntimeError):  # the process was ended from outside (BrokenProcessPool is a RuntimeError)
                yield answer_line(line)
    finally:
        workers.stop()


def _answer(line: bytes) -> dict[str, Any]:
    try:
        return estimate(Question.parse(_fields(line))).to_json()
    except HeadroomError as error:
        return {"error": " ".join(str(error).split())}
    except Exception as error:  # noqa: BLE001 - one question that trips a bug must not take the others with it
        return {"error": f"this question met a fault in Headroom ({type(error).__name__}); please report it"}


def _fields(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise QuestionError(f"the line is longer than {MAX_LINE_BYTES} bytes; a question is much shorter")
    try:
        fields = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except UnicodeDecodeError:
        raise QuestionError("the line is not text in UTF-8; write JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        raise QuestionError(f"the line is not JSON: {error.msg.lower()} at character {error.pos + 1}") from None
    except QuestionError:
        raise
    except RecursionError:
        raise QuestionError("the line is nested too deeply; a question is one JSON object") from None
    except ValueError:  # a whole number of more digits than Python reads
        raise QuestionError("the line holds a number that is far too long") from None
    if not isinstance(fields, dict):
        raise QuestionError('the line is not a JSON object; write one such as {"model": "llama-3.1-8b"}')
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise QuestionError(f"the line is not JSON: {name} is no JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise QuestionError(f'"{repeated[:60]}" stands in the line more than once; write it once')
    return fields
