"""Many questions at once: one JSON object a line in, one JSON answer a line out, in the same order.

Lines with nothing but white space are skipped. Any other line gets exactly one answer; a wrong one answers {"error": ".."} in
its place and the rest go on.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NoReturn

from advisor.errors import HeadroomError, QuestionError
from advisor.estimate import estimate
from advisor.question import Question

MAX_LINE_BYTES = 64 * 1024
"""Longest question that is read; the longest sensible one is a few thousand bytes."""
_PIECE = 2**20


def request_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of `stream` as they come, without their ends; of one that is longer than any question, only the start."""
    while line := stream.readline(MAX_LINE_BYTES + 1):
        kept = line
        while line and not line.endswith(b"\n") and len(kept) > MAX_LINE_BYTES:
            line = stream.readline(_PIECE)
        yield kept.rstrip(b"\r\n")


def answer_requests(lines: Iterable[bytes | str]) -> Iterator[str]:
    """One JSON answer a line for one JSON question a line; a byte order mark before the first is taken off."""
    for number, line in enumerate(lines):
        raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        raw = raw.removeprefix(b"\xef\xbb\xbf") if number == 0 else raw
        if raw.strip():
            yield json.dumps(_answer(raw))


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
