"""Servers: each by its documented answers, those that misbehave, and a real llama-server."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advisor.verify.backends import http
from advisor.verify.backends.servers import Server, identify
from advisor.verify.backends.wire import Wire
from advisor.verify.protocol import RunError, RunRequest, Teller, result_of
from tests.models.real_files import smollm2
from tests.verify.fake_server import (
    LM_STUDIO_PAGES,
    OLLAMA_PAGES,
    OPENAI_PAGES,
    STEP_S,
    VLLM_PAGES,
    SharedClock,
    completions,
    ollama,
    serving,
)
from tests.waiting import wall_clock

SHORT = {"budget_s": 5.0, "prompt_tokens": 64, "generated_tokens": 16}


def run(address: str, **fields):
    """The result of a run against this address."""
    told = io.StringIO()
    http.run(RunRequest("http", address, **{**SHORT, **fields}), Teller(told))
    last = json.loads(told.getvalue().splitlines()[-1])
    assert last["event"] == "result"
    return result_of(last["result"])


@pytest.fixture
def pause(monkeypatch):
    """Time as the worker reads it passes only by this."""
    clock = SharedClock()
    monkeypatch.setattr(http, "time", clock)
    return clock.pause


def failure(address: str, **fields) -> RunError:
    with pytest.raises(RunError) as caught:
        run(address, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        (OLLAMA_PAGES, Server("ollama", "0.12.6", ("llama3.2:latest", "qwen3:0.6b"), ("llama3.2:latest",), 4096)),
        (VLLM_PAGES, Server("vllm", "0.11.0", ("Qwen/Qwen3-8B",), ("Qwen/Qwen3-8B",), 40960)),
        (LM_STUDIO_PAGES, Server("lm-studio", None, ("qwen3-8b",), ("qwen3-8b",), 8192)),
        (OPENAI_PAGES, Server("openai", None, ("a-model",))),
    ],
)
def test_each_server_is_told_by_what_it_alone_answers(pages, expected):
    with serving(pages, {}) as (address, _):
        wire = Wire(f"{address}/v1/")
        assert identify(wire) == expected
        wire.close()


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"/api/version": []},
        {"/props": b"<html>"},
        {"/v1/models": {"data": "many"}},
        {"/v1/models": b"{" * 100_000},
        {"/v1/models": {"data": [{"id": 7}, "x", None]}},
        {"/api/ps": {"models": None}, "/api/version": {"version": 3}},
    ],
)
def test_what_is_no_server_of_models_is_said_to_be_none(pages):
    with serving(pages, {}) as (address, _):
        assert "no server of language models" in str(failure(address))


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("llama3.2", "llama3.2:latest"),
        ("ollama:qwen3:0.6b", "qwen3:0.6b"),
        ("Qwen3-0.6B", "qwen3:0.6b"),
        ("", "llama3.2:latest"),
    ],
)
def test_the_model_that_is_meant(asked, chosen):
    with serving(OLLAMA_PAGES, {}) as (address, _):
        wire = Wire(address)
        assert identify(wire).choose(asked) == chosen
        wire.close()


def test_a_name_that_means_several_models_is_asked_back():
    server = Server("ollama", None, ("a:1b", "a:2b", "b:1b"))
    with pytest.raises(RunError, match="name one of its models: a:1b, a:2b"):
        server.choose("a")
    with pytest.raises(RunError, match="has no model"):
        Server("lm-studio").choose("a")


def test_ollamas_own_figures_count(pause):
    with serving(OLLAMA_PAGES, {"/api/generate": ollama}, pause) as (address, asked):
        found = run(address, model="llama3.2")
    assert found.engine == "Ollama 0.12.6"
    assert found.load_s == 0.25
    assert all(trial.seconds == 0.004 for trial in found.prompt)
    assert all(trial.rate == pytest.approx(1 / STEP_S) for trial in found.generate)
    assert found.notes == []
    assert found.memory == {
        "process_peak_bytes": 500_000_000,
        "gpu_peak_bytes": 2_500_000_000,
        "basis": "what Ollama says of its memory (/api/ps)",
    }
    assert {path for path, _ in asked} == {"/api/generate"}
    prompts = [body["prompt"] for _, body in asked if body["options"]["num_predict"] == 1 and len(body["prompt"]) > 200]
    assert len({prompt[:40] for prompt in prompts}) == len(prompts), "a prompt that begins like another would be in a cache"


@pytest.mark.parametrize(("pages", "kind"), [(VLLM_PAGES, "vLLM 0.11.0"), (OPENAI_PAGES, "a server with OpenAI's API")])
def test_a_server_without_timings_is_timed_on_the_wire(pages, kind, pause):
    with serving(pages, {"/v1/completions": completions}, pause) as (address, asked):
        found = run(address)
    assert found.engine == kind
    assert all(trial.rate == pytest.approx(1 / STEP_S) for trial in found.generate)
    assert all(trial.tokens == 15 for trial in found.generate), "15 steps lie between 16 tokens"
    assert all(body.get("ignore_eos") is (True if "vLLM" in kind else None) for _, body in asked)


def test_lm_studios_own_figures_count(pause):
    """Its stats: docs "REST API v0", generation_time and time_to_first_token in seconds."""

    def answer(talk, body):
        spent = body["max_tokens"] * STEP_S * 1.05
        completions(talk, body, stats={"generation_time": spent, "time_to_first_token": 0.004, "tokens_per_second": 1})

    with serving(LM_STUDIO_PAGES, {"/v1/completions": answer}, pause) as (address, _):
        found = run(address)
    assert {trial.seconds for trial in found.generate} == {16 * STEP_S * 1.05}
    assert found.prompt[0].seconds == 0.004


def test_a_server_that_lies_about_its_times_is_timed_on_the_wire(pause):
    def liar(talk, body):
        count = body["options"]["num_predict"]
        talk.pause(STEP_S)
        talk.begin()
        for _ in range(count):
            talk.line({"response": " word", "done": False}, sse=False)
            talk.pause(STEP_S)
        lies = {"prompt_eval_count": 50, "prompt_eval_duration": -5, "eval_count": count, "eval_duration": 10}
        talk.line({"response": "", "done": True, **lies}, sse=False)

    with serving(OLLAMA_PAGES, {"/api/generate": liar}, pause) as (address, _):
        found = run(address, model="llama3.2")
    assert all(trial.rate == pytest.approx(1 / STEP_S) for trial in found.generate)
    assert found.notes == ["The server's own timings do not agree with its stream, so the stream was timed."]


def cut(talk, body):
    talk.begin()
    talk.line({"response": " word", "done": False}, sse=False)


def cut_in_a_line(talk, body):
    talk.begin()
    talk.wfile.write(b'{"response": " wo')


def nonsense(talk, body):
    talk.begin()
    talk.line("<html>busy</html>", sse=False)


def endless_line(talk, body):
    talk.begin()
    for _ in range(40):
        talk.wfile.write(b"x" * 65536)


def refuses(talk, body):
    talk.whole(500, {"error": "model requires more system memory (9.4 GiB) than is available (3.1 GiB)"})


def error_in_stream(talk, body):
    talk.begin()
    talk.line({"error": {"message": "CUDA error: out of memory"}}, sse=False)


def silent(talk, body):
    talk.begin()
    time.sleep(30)


def empty(talk, body):
    talk.begin()
    talk.line({"response": "", "done": True}, sse=False)


@wall_clock
@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (cut, "network", "broke off after 1 pieces"),
        (cut_in_a_line, "server", "no JSON object"),
        (nonsense, "server", 'no JSON object: "<html>busy</html>"'),
        (endless_line, "server", "a line without an end"),
        (refuses, "server", "status 500: model requires more system memory"),
        (error_in_stream, "server", "the server says: CUDA error: out of memory"),
        (silent, "time", "said nothing for 5 s"),
        (empty, "server", "without any text"),
    ],
)
def test_a_server_that_misbehaves_is_a_clear_result(answer, kind, said):
    start = time.monotonic()
    with serving(OLLAMA_PAGES, {"/api/generate": answer}) as (address, _):
        error = failure(address, model="llama3.2")
    assert (error.kind, time.monotonic() - start < 9) == (kind, True)
    assert said in str(error)


@wall_clock
def test_a_server_that_takes_connections_and_says_nothing(monkeypatch):
    monkeypatch.setattr("advisor.verify.backends.wire._INFO_S", 0.3)
    with serving({"/api/version": lambda talk: time.sleep(2)}, {}) as (address, _):
        assert failure(address).kind == "time"


def test_nobody_there():
    error = failure("http://127.0.0.1:9")
    assert (error.kind, "start the server" in str(error)) == ("network", True)


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "ftp://x", "http://", "http://me:secret@127.0.0.1:1"])
def test_what_is_no_address(address):
    with pytest.raises(RunError, match="not the address of a server"):
        Wire(address)


@pytest.mark.slow
def test_a_real_llama_server():
    """The llama-server of the xllamacpp wheel, on SmolLM2: its own timings, its own process's memory."""
    pytest.importorskip("xllamacpp")
    program = Path(__file__).with_name("llama_server.py")
    server = subprocess.Popen(
        [sys.executable, str(program), str(smollm2())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "GGML_NO_BACKTRACE": "1"},
    )
    try:
        address = next(line for line in server.stdout if line.startswith("http")).strip()
        found = run(address, budget_s=8.0)
    finally:
        server.kill()
        server.wait()
        server.stdin.close()
        server.stdout.close()
    assert found.engine.startswith("llama-server")
    assert found.notes == []
    assert len(found.generate) >= 1
    assert found.generate[0].tokens in (4, 8, 16)
    # Weights of 92 MiB, and less than the whole process ever holds.
    assert 92 << 20 < found.memory["process_peak_bytes"] < 800 << 20
