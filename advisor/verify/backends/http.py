"""A running server as the worker times it: by streaming, with the server's own timings where it has them.

What a server says of its own times is taken where it agrees with what was seen on the wire, else the wire counts.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from advisor.verify.backends.prompt_text import filler, realistic_prompt
from advisor.verify.backends.servers import Kind, Server, identify, ollama_memory, server_memory
from advisor.verify.backends.wire import Wire
from advisor.verify.measuring import measure
from advisor.verify.protocol import Result, RunError, RunRequest, Teller, Trial

_NOT_BELIEVED = "The server's own timings do not agree with its stream, so the stream was timed."
_BY_CHUNKS = "The server does not count its tokens, so pieces of its stream were counted."
_SHORT = "Write a long story about a mill by a river. Once upon a time"
_LEAST_SEEN_S = 0.02


@dataclass(slots=True)
class Answer:
    """One streamed answer. Seconds since it was asked for; None: the server does not say."""

    first_s: float
    last_s: float
    pieces: int
    prompt_tokens: int | None = None
    prompt_s: float | None = None
    tokens: int | None = None
    tokens_s: float | None = None
    load_s: float | None = None


def run(request: RunRequest, tell: Teller) -> None:
    """Find out what answers, time it, tell. Raises RunError."""
    tell.stage("loading")
    wire = Wire(request.target, patience_s=min(300.0, max(5.0, request.budget_s)))
    try:
        server = identify(wire)
        subject = Served(wire, server, server.choose(request.model or ""))
        result = Result(engine=server.named, load_s=subject.load())
        measure(
            subject,
            tell,
            result,
            budget_s=request.budget_s,
            prompt=subject.most(request.prompt_tokens),
            generated=subject.most(request.generated_tokens),
        )
        # It may be another computer that was busy.
        result.busy = None
        result.memory = ollama_memory(wire, subject.model) if server.kind == "ollama" else server_memory(wire)
        result.notes += sorted(subject.notes)
    finally:
        wire.close()
    tell.result(result)


class Served:
    """A model on a server, as `measuring.Subject`."""

    def __init__(self, wire: Wire, server: Server, model: str) -> None:
        self._wire, self._server, self.model = wire, server, model
        self._speak = DIALECTS[server.kind]
        self.notes: set[str] = set()

    def load(self) -> float | None:
        """Have the model in memory; how long the server says that took."""
        return self._ask(_SHORT, 1).load_s

    def most(self, tokens: int) -> int:
        """`tokens`, or half of the context where that is less: a filler's length is only roughly known."""
        return tokens if self._server.context is None else max(1, min(tokens, self._server.context // 2))

    def prompt(self, tokens: int) -> Trial:
        """A prompt of about this length that no cache has seen, up to the first token."""
        answer = self._ask(filler(tokens), 1)
        count = answer.prompt_tokens or tokens
        if answer.prompt_tokens is None:
            self.notes.add(_BY_CHUNKS)
        if answer.prompt_s is not None:
            if _believed(answer.prompt_s, answer.first_s, slack_s=1.0 + 0.5 * answer.first_s):
                return Trial(count, answer.prompt_s)
            self.notes.add(_NOT_BELIEVED)
        return Trial(count, answer.first_s)

    def generate(self, tokens: int) -> Trial:
        """As many tokens as asked for, or until the model ends by itself."""
        answer = self._ask(_SHORT, tokens)
        count = answer.tokens if answer.tokens is not None and answer.tokens <= 2 * tokens + 8 else None
        if count is None:
            self.notes.add(_BY_CHUNKS)
            count = answer.pieces
        seen_s = answer.last_s - answer.first_s
        # The first token belongs to the prompt; between the others there is one step each.
        steps = max(1, count - 1)
        if answer.tokens_s is not None and answer.tokens:
            if seen_s < _LEAST_SEEN_S or _believed(answer.tokens_s, answer.last_s, slack_s=answer.last_s - 0.7 * seen_s):
                return Trial(answer.tokens, answer.tokens_s)
            self.notes.add(_NOT_BELIEVED)
        return Trial(steps, seen_s) if seen_s > 0 and count > 1 else Trial(count, answer.last_s)

    def first_token(self, most: int) -> Trial:
        """A realistic prompt, from sending it to the first piece of the answer, with the network between."""
        # A token is at least two letters of English, nearly always.
        answer = self._ask(f"{filler(3)}.\n{realistic_prompt()}"[: 3 * most], 1)
        return Trial(answer.prompt_tokens or 0, answer.first_s)

    def _ask(self, prompt: str, tokens: int) -> Answer:
        path, body = self._speak.body(self.model, prompt, tokens)
        answer = Answer(0.0, 0.0, 0)
        start, ended = time.perf_counter(), False
        for event in self._wire.events(path, body):
            now = time.perf_counter() - start
            if self._speak.text(event):
                answer.pieces += 1
                answer.first_s = answer.first_s or now
                answer.last_s = now
            ended = self._speak.end(event, answer) or ended
        if not ended:
            raise RunError("network", f"the server's answer broke off after {answer.pieces} pieces; look at its log")
        if not answer.pieces:
            if not answer.tokens:
                raise RunError("server", "the server answers without any text; look at its log")
            # A token may be no text yet, such as half a letter.
            answer.first_s = answer.last_s = time.perf_counter() - start
        return answer


def _believed(said_s: float, seen_s: float, *, slack_s: float) -> bool:
    """Whether a time that a server claims can be: no longer than what was seen, and not shorter by more than `slack_s`."""
    return math.isfinite(said_s) and said_s > 0 and seen_s - slack_s <= said_s <= 1.1 * seen_s + 0.05


# --- how each server is spoken to ------------------------------------------------------------------------

Body = Callable[[str, str, int], tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A server's way to ask for a completion and to answer."""

    body: Body
    text: Callable[[Mapping[str, Any]], bool]
    """Whether an event has a piece of the answer."""
    end: Callable[[Mapping[str, Any], Answer], bool]
    """Whether it is the answer's end; takes the server's own figures where it has them."""


def _llama_body(_: str, prompt: str, tokens: int) -> tuple[str, dict[str, Any]]:
    return "/completion", {
        "prompt": prompt,
        "n_predict": tokens,
        "stream": True,
        "cache_prompt": False,
        "ignore_eos": True,
    }


def _llama_end(event: Mapping[str, Any], answer: Answer) -> bool:
    if event.get("stop") is not True:
        return False
    _take_timings(event, answer)
    return True


def _take_timings(event: Mapping[str, Any], answer: Answer) -> None:
    """llama-server's own timings, in milliseconds."""
    timings = event.get("timings")
    if isinstance(timings, dict):
        answer.prompt_tokens, answer.prompt_s = _whole(timings.get("prompt_n")), _scaled(timings.get("prompt_ms"), 1e-3)
        answer.tokens, answer.tokens_s = _whole(timings.get("predicted_n")), _scaled(timings.get("predicted_ms"), 1e-3)


def _ollama_body(model: str, prompt: str, tokens: int) -> tuple[str, dict[str, Any]]:
    return "/api/generate", {
        "model": model,
        "prompt": prompt,
        "raw": True,
        "stream": True,
        "options": {"num_predict": tokens},
    }


def _ollama_end(event: Mapping[str, Any], answer: Answer) -> bool:
    """Durations in nanoseconds."""
    if event.get("done") is not True:
        return False
    answer.prompt_tokens = _whole(event.get("prompt_eval_count"))
    answer.prompt_s = _scaled(event.get("prompt_eval_duration"), 1e-9)
    answer.tokens, answer.tokens_s = _whole(event.get("eval_count")), _scaled(event.get("eval_duration"), 1e-9)
    answer.load_s = _scaled(event.get("load_duration"), 1e-9)
    return True


def _openai_body(model: str, prompt: str, tokens: int) -> tuple[str, dict[str, Any]]:
    return "/v1/completions", {
        "model": model,
        "prompt": prompt,
        "max_tokens": tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _vllm_body(model: str, prompt: str, tokens: int) -> tuple[str, dict[str, Any]]:
    path, body = _openai_body(model, prompt, tokens)
    return path, {**body, "ignore_eos": True}


def _openai_end(event: Mapping[str, Any], answer: Answer) -> bool:
    usage = event.get("usage")
    if isinstance(usage, dict):
        answer.prompt_tokens, answer.tokens = _whole(usage.get("prompt_tokens")), _whole(usage.get("completion_tokens"))
    stats = event.get("stats")
    if isinstance(stats, dict):  # LM Studio
        answer.tokens_s = _scaled(stats.get("generation_time"), 1.0)
        answer.prompt_s = _scaled(stats.get("time_to_first_token"), 1.0)
    choices = event.get("choices")
    return isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices)


def _choice_text(event: Mapping[str, Any]) -> bool:
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    return bool(first.get("text"))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None


def _scaled(value: Any, unit: float) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return value * unit if known else None


_OPENAI = Dialect(_openai_body, _choice_text, _openai_end)
DIALECTS: dict[Kind, Dialect] = {
    "llama-server": Dialect(_llama_body, lambda event: bool(event.get("content") or event.get("tokens")), _llama_end),
    "ollama": Dialect(_ollama_body, lambda event: bool(event.get("response")), _ollama_end),
    "lm-studio": _OPENAI,
    "vllm": Dialect(_vllm_body, _choice_text, _openai_end),
    "openai": _OPENAI,
}
