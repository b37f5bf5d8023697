"""Many questions a process: one answer a line, wrong lines answered in their place, whatever they hold."""

import json
from collections.abc import Iterator
from io import BytesIO

import pytest

from advisor.question_lines import FEW, MAX_LINE_BYTES, answer_line, answer_requests, request_lines
from tests.waiting import until

GOOD = b'{"model": "gemma-3-270m", "context": 4096}'


def answers(text: bytes) -> list[dict]:
    found = list(answer_requests(request_lines(BytesIO(text))))
    assert all("\n" not in line for line in found)
    return [json.loads(line) for line in found]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (b"model: llama", "is not JSON"),
        (b'{"model": "llama-3.1-8b"', "is not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"17", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", '"model" is missing'),
        (b'{"model": "gemma-3-270m", "context": NaN}', "NaN is no JSON number"),
        (b'{"model": "gemma-3-270m", "context": -Infinity}', "no JSON number"),
        (b'{"model": "gemma-3-270m", "context": 1e999}', "context"),
        (b'{"model": "gemma-3-270m", "context": ' + b"9" * 5000 + b"}", "far too long"),
        (b'{"model": "gemma-3-270m", "context": true}', "not true or false"),
        (b'{"model": "gemma-3-270m", "contxt": 8192}', 'no option "contxt"'),
        (b'{"model": "gemma-3-270m", "model": "llama-3.1-8b"}', "more than once"),
        (b'{"model": "\xff\xfe"}', "UTF-8"),
        (b'{"model": "\\ud800"}', "model"),
        (b'{"model": "x\\u0000y"}', "x\N{REPLACEMENT CHARACTER}y"),
        (b"[" * 50_000, "nested too deeply"),
        (b'{"model": ' * 4000, "nested too deeply"),
        (b'{"model": "' + b"x" * MAX_LINE_BYTES + b'"}', "longer than"),
        (b'{"model": "gemma-3-270m", "runtime": "vllm", "quant": "Q4_K_M"}', "GGUF"),
        (b'{"model": "./no-such.gguf"}', "is not there"),
        (b'{"model": "gemma-3-270m", "machine": "abacus"}', "abacus"),
        (b'{"model": "gemma-3-270m", "tensor_split": [1, 1, 1], "gpus": 2}', "split"),
        (b'{"model": "gemma-3-270m", "memory_gib": 1e-300}', ""),
    ],
)
def test_a_wrong_line_is_answered_in_its_place(line: bytes, part: str) -> None:
    first, wrong, last = answers(b"\n".join((GOOD, line, GOOD)) + b"\n")
    assert first == last
    assert first["settings"]["context"] == 4096
    if part:
        assert list(wrong) == ["error"]
        assert part in wrong["error"]
        assert len(wrong["error"]) < 700


def test_a_line_of_ten_megabytes_costs_no_more_than_its_start() -> None:
    kept = list(request_lines(BytesIO(GOOD + b"\n" + b"x" * 10_000_000 + b"\n" + GOOD)))
    assert [len(line) for line in kept] == [len(GOOD), MAX_LINE_BYTES + 1, len(GOOD)]


def test_empty_lines_are_skipped_and_line_ends_and_marks_do_not_matter() -> None:
    assert len(answers(b"\xef\xbb\xbf" + GOOD + b"\r\n\r\n   \n\t\n" + GOOD)) == 2
    assert answers(b"") == []


def test_keys_are_the_options_and_null_means_the_default() -> None:
    question = {
        "model": "gemma-3-270m",
        "quant": "q8_0",
        "unified_kv": False,
        "slots": 2,
        "flash_attention": "on",
        "gpu_layers": 3,
    }
    question |= {"tensor_split": [3, 1], "gpus": 2, "build": None, "machine": None}
    (found,) = answers(json.dumps(question).encode())
    settings = found["settings"]
    assert found["model"]["quantization"] == "Q8_0"
    assert (settings["unified_kv"], settings["slots"], settings["gpu_layers"], settings["tensor_split"]) == (
        False,
        2,
        3,
        [3.0, 1.0],
    )


def test_the_order_of_questions_changes_no_answer() -> None:
    lines = [
        json.dumps({"model": model, "machine": machine, "context": context})
        for model in ("qwen3-0.6b", "gemma-3-1b", "smollm2-135m")
        for machine in ("rtx-3060-12gb", "m2-8", None)
        for context in (2048, 16384)
    ]
    forward, backward = list(answer_requests(lines)), list(answer_requests(reversed(lines)))
    assert forward == backward[::-1]


def test_many_questions_are_answered_in_order_by_several_processes() -> None:
    asked = [
        json.dumps({"model": model, "context": context})
        for context in range(512, 512 * 21, 512)
        for model in ("gemma-3-270m", "nope", "llama-3.1-8b")
    ]
    alone = [answer_line(line.encode()) for line in asked]
    assert len(asked) > FEW
    assert list(answer_requests(asked, processes=2)) == alone
    assert list(answer_requests(asked, processes=1)) == alone


def test_a_reader_that_waits_is_answered_while_others_work() -> None:
    """The next question is asked only after the last answer has come, also once several processes are at work."""
    answered: list[str] = []

    def asked() -> Iterator[bytes]:
        for number in range(FEW + 4):
            until(lambda number=number: len(answered) == number)
            yield b'{"model": "gemma-3-270m"}'

    for answer in answer_requests(asked(), processes=2):
        answered.append(answer)
    assert len(answered) == FEW + 4
