"""Servers as their documentation has them, and servers that misbehave, on a port of this computer."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

Pages = dict[str, Any]
Answer = Callable[["Talk", dict[str, Any]], None]


class Talk(BaseHTTPRequestHandler):
    """One request. `pages` are answers to GET, `answers` to POST."""

    pages: ClassVar[Pages] = {}
    answers: ClassVar[dict[str, Answer]] = {}
    asked: ClassVar[list[tuple[str, dict[str, Any]]]] = []
    pause: ClassVar[Callable[[float], None]] = staticmethod(time.sleep)
    """What a server does between two tokens."""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page = self.pages.get(self.path)
        if callable(page):
            page(self)
            return
        self.whole(404 if page is None else 200, {"error": "not found"} if page is None else page)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, body))
        answer = self.answers.get(self.path)
        if answer is None:
            self.whole(404, {"error": {"message": "no such route"}})
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            answer(self, body)

    def whole(self, status: int, value: Any) -> None:
        """A whole answer."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def begin(self) -> None:
        """The head of a stream that ends with the connection."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def line(self, value: Any, *, sse: bool = True) -> None:
        """One event, at once."""
        text = value if isinstance(value, str) else json.dumps(value)
        self.wfile.write(f"data: {text}\n\n".encode() if sse else f"{text}\n".encode())
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(
    pages: Pages, answers: dict[str, Answer], pause: Callable[[float], None] = time.sleep
) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """The address of such a server, and what it was asked by POST."""
    asked: list[tuple[str, dict[str, Any]]] = []
    handler = type("Here", (Talk,), {"pages": pages, "answers": answers, "asked": asked, "pause": staticmethod(pause)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


STEP_S = 0.004
"""Between two tokens of these servers."""


class SharedClock:
    """A clock that a client reads at each event, and that a server moves on only when the client has read it since.

    However busy the machine is, a token takes as long as the server says. An answer begins with a pause, for the prompt.
    """

    def __init__(self) -> None:
        self._now, self._reads, self._seen = 0.0, 0, 0
        self._changed = threading.Condition()

    def perf_counter(self) -> float:
        """The client's look at it, in seconds."""
        with self._changed:
            self._reads += 1
            self._changed.notify_all()
            return self._now

    def pause(self, seconds: float) -> None:
        """The server's pause."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._reads > self._seen, timeout=20)
            self._seen, self._now = self._reads, self._now + seconds


# --- Ollama: docs/api.md, "Generate a completion", "List Local Models", "List Running Models", "Version" ---

OLLAMA_PAGES: Pages = {
    "/api/version": {"version": "0.12.6"},
    "/api/tags": {
        "models": [
            {"name": "llama3.2:latest", "model": "llama3.2:latest", "size": 2019393189, "details": {"format": "gguf"}},
            {"name": "qwen3:0.6b", "model": "qwen3:0.6b", "size": 522653767, "details": {"format": "gguf"}},
        ]
    },
    "/api/ps": {
        "models": [
            {"name": "llama3.2:latest", "size": 3_000_000_000, "size_vram": 2_500_000_000, "context_length": 4096},
        ]
    },
}


def ollama(talk: Talk, body: dict[str, Any]) -> None:
    """A completion with Ollama's own figures, in nanoseconds."""
    count, prompt = body["options"]["num_predict"], len(body["prompt"].split())
    talk.pause(STEP_S)
    talk.begin()
    for _ in range(count):
        talk.line({"model": body["model"], "response": " word", "done": False}, sse=False)
        talk.pause(STEP_S)
    figures = {
        "total_duration": 1,
        "load_duration": 250_000_000,
        "prompt_eval_count": prompt,
        "prompt_eval_duration": 4_000_000,
    }
    figures |= {"eval_count": count, "eval_duration": round(count * STEP_S * 1e9)}
    talk.line({"model": body["model"], "response": "", "done": True, "done_reason": "stop", **figures}, sse=False)


# --- OpenAI's completions, as vLLM and LM Studio stream them ---


def completions(talk: Talk, body: dict[str, Any], **last: Any) -> None:
    """A streamed completion with its usage at the end."""
    talk.pause(STEP_S)
    talk.begin()
    for _ in range(body["max_tokens"]):
        talk.line({"object": "text_completion", "choices": [{"index": 0, "text": " word", "finish_reason": None}]})
        talk.pause(STEP_S)
    talk.line({"object": "text_completion", "choices": [{"index": 0, "text": "", "finish_reason": "length"}], **last})
    prompt = len(body["prompt"].split())
    talk.line({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": body["max_tokens"]}})
    talk.line("[DONE]")


VLLM_PAGES: Pages = {
    "/version": {"version": "0.11.0"},
    "/v1/models": {"object": "list", "data": [{"id": "Qwen/Qwen3-8B", "owned_by": "vllm", "max_model_len": 40960}]},
}
LM_STUDIO_PAGES: Pages = {
    "/api/v0/models": {
        "object": "list",
        "data": [
            {"id": "text-embedding-nomic", "type": "embeddings", "state": "not-loaded"},
            {"id": "qwen3-8b", "type": "llm", "state": "loaded", "loaded_context_length": 8192},
        ],
    },
    "/v1/models": {"object": "list", "data": [{"id": "qwen3-8b"}, {"id": "text-embedding-nomic"}]},
}
OPENAI_PAGES: Pages = {"/v1/models": {"object": "list", "data": [{"id": "a-model", "object": "model"}]}}
