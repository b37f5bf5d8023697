"""One worker: a child process that has llama.cpp loaded, asked one question at a time, and ended when it misbehaves."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import IO, Any

from advisor.engine.questions import ANSWERS, Failure, PlanFigures, PlanQuestion, QuantizeFigures, QuantizeQuestion
from advisor.errors import EngineFailedError, EngineRefusedError

START_LIMIT_S = 30.0
"""A worker is ready in 0.15 s; a laptop that wakes up may take long."""
TIME_LIMIT_S = 20.0
"""The largest model of the catalogue takes well under a second."""
MEMORY_LIMIT_BYTES = 2 << 30
"""What a worker may reserve; planning DeepSeek R1 on eight GPUs holds under 100 MiB."""
_ERROR_LINES = 40
OVER_LIMIT = "the engine needed more memory than it may take"
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "GGML_ASSERT(ctx->mem_buffer != NULL)", "failed to allocate")
_ASSERTION = re.compile(r"\.(?:c|cpp|h|cu|m|mm):\d+: ")
"""What ggml_abort prints before it ends the process: file, line, and a reason (ggml/src/ggml.c, GGML_ABORT and GGML_ASSERT)."""

Question = PlanQuestion | QuantizeQuestion
Figures = PlanFigures | QuantizeFigures


class Worker:
    """A running child. Not to be shared between threads while it is asked. Raises EngineFailedError if it does not start."""

    def __init__(self, *, time_limit_s: float = TIME_LIMIT_S, memory_limit_bytes: int = MEMORY_LIMIT_BYTES) -> None:
        self._time_limit_s = time_limit_s
        self._memory_limit_bytes = memory_limit_bytes
        self.peak_bytes: int | None = None
        """The most memory that it ever held, as of its last answer."""
        self.seconds = 0.0
        """Processor time that its last answer took."""
        self._waited_for = False
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=_ERROR_LINES)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "advisor.engine.worker_main"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(memory_limit_bytes),
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise EngineFailedError(f"the engine's process could not be started ({error.strerror}); try again") from error
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = (
            threading.Thread(target=_pass_on, args=(self._process.stdout, self._answers), daemon=True),
            threading.Thread(target=_keep, args=(self._process.stderr, self._said), daemon=True),
        )
        for reader in self._readers:
            reader.start()
        answer = self._next(START_LIMIT_S)
        if answer["answer"] != "ready":
            self.close()
            reason = answer["values"]["reason"]
            raise EngineFailedError(
                f"the engine cannot plan here: {reason}; install the pinned one with: python -m advisor.engine.build"
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True until it has ended."""
        return self._process.poll() is None

    @property
    def owes_an_answer(self) -> bool:
        """True where whoever asked was stopped before the answer came: it must not be taken for the next one's."""
        return self._waited_for

    def ask(self, name: str, question: Question) -> Figures:
        """The engine's figures for `question`; `name` is one of `questions.QUESTIONS`.

        Raises EngineRefusedError with the engine's reason, or EngineFailedError, after which the worker may have ended.
        """
        assert self._process.stdin is not None
        self._waited_for = True
        try:
            self._process.stdin.write(json.dumps({"ask": name, "question": question.to_json()}) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise self._ended() from None
        answer = self._next(self._time_limit_s)
        self._waited_for = False
        self.peak_bytes, self.seconds = answer["peak_bytes"], answer["seconds"]
        figures = ANSWERS[answer["answer"]].from_json(answer["values"])
        if not isinstance(figures, Failure):
            return figures
        if _says_out_of_memory(figures.reason):
            # Caught by the engine itself; what it left behind is not to be trusted.
            raise self._ended_for_memory()
        if figures.kind == "refused":
            raise EngineRefusedError(f"llama.cpp refuses this: {figures.reason}")
        raise EngineFailedError(f"the engine gave no figures: {figures.reason}; ask for --grade formula")

    def close(self) -> None:
        """End it, at once."""
        if self.alive:
            self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue

    def _next(self, limit_s: float) -> dict[str, Any]:
        """Its next line. A worker that is late is ended, and EngineFailedError raised, as where it has ended by itself."""
        try:
            line = self._answers.get(timeout=limit_s)
        except queue.Empty:
            self.close()
            raise EngineFailedError(
                f"the engine gave no answer within {limit_s:g} s and was stopped; ask again, or for --grade formula"
            ) from None
        if line is None:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended_for_memory(self) -> EngineFailedError:
        self.close()
        return EngineFailedError(f"{OVER_LIMIT}; ask for --grade formula")

    def _ended(self) -> EngineFailedError:
        """What to say of a worker that is no more."""
        self.close()
        return EngineFailedError(f"{end_of_worker(self._process.returncode, tuple(self._said))}; ask for --grade formula")


def end_of_worker(code: int, said: tuple[str, ...]) -> str:
    """Why a worker ended, from its exit code and its last words on stderr, as the beginning of a sentence."""
    if any(map(_says_out_of_memory, said)):
        return OVER_LIMIT
    assertion = next((line for line in said if _ASSERTION.search(line)), None)
    if assertion is not None:
        return f"the engine stopped at a check of its own ({assertion.split('/')[-1].strip()})"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        how = "was killed from outside" if name == "SIGKILL" else "crashed"
        return f"the engine's process {how} ({name})"
    last = next((line.strip() for line in reversed(said) if line.strip()), "")
    return f"the engine's process ended (exit code {code}{', ' + last if last else ''})"


def _says_out_of_memory(text: str) -> bool:
    return any(mark in text for mark in _OUT_OF_MEMORY)


def _environment(memory_limit_bytes: int) -> dict[str, str]:
    """This environment without what would change the engine's plans or its libraries."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GGML_", "LLAMA_"))}
    # An assertion otherwise starts a debugger and prints pages.
    kept["GGML_NO_BACKTRACE"] = "1"
    kept["HEADROOM_WORKER_MEMORY"] = str(memory_limit_bytes)
    # The worker finds this package where this process found it, wherever it was started.
    root = str(Path(__file__).resolve().parents[2])
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))
    return kept


def _pass_on(stream: IO[str], answers: "queue.Queue[str | None]") -> None:
    for line in stream:
        answers.put(line)
    answers.put(None)


def _keep(stream: IO[str], said: deque[str]) -> None:
    for line in stream:
        said.append(line)
