"""What a worker process is told and what it tells: plain values that travel as JSON lines over its stdin and stdout."""

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from advisor.verify.held import held_by
from advisor.verify.measurement import FailureKind, Stage
from advisor.verify.slices import SliceWeights

BUDGET_S = 90.0
"""How long a run measures, by default."""
PROMPT_TOKENS, GENERATED_TOKENS = 512, 128
"""pp512 and tg128, the field's usual lengths."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to run."""

    backend: str
    """A name of `backends.worker.BACKENDS`."""
    target: str
    """A file, a folder, or the address of a server."""
    budget_s: float = BUDGET_S
    threads: int | None = None
    prompt_tokens: int = PROMPT_TOKENS
    generated_tokens: int = GENERATED_TOKENS
    extra_bufts: bool = True
    """Whether the engine may copy weights into the CPU's own layout (AMX, CPU_REPACK)."""
    question: dict[str, Any] | None = None
    """Of llama.cpp: how the model is laid out, as an `engine.questions.PlanQuestion`."""
    context: int = 4096
    """Of MLX: tokens of context; llama.cpp's is in its question."""
    slices: SliceWeights | None = None
    """Of slices, whose two files are in the folder `target`: how they weigh."""
    model: str | None = None
    """Of a server: which of its models; None for the one that it has loaded."""

    def to_line(self) -> str:
        """The request as one line."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of_line(cls, line: str) -> "RunRequest":
        """The request in a line."""
        fields = json.loads(line)
        if fields["slices"] is not None:
            fields["slices"] = SliceWeights(**{name: tuple(value) for name, value in fields["slices"].items()})
        return cls(**fields)


class RunError(Exception):
    """The run cannot go on; becomes a `measurement.Failure`."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Trial:
    """One timed piece of work."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / max(self.seconds, 1e-9)


@dataclass
class Result:
    """All that a worker measured."""

    engine: str
    load_s: float | None = None
    prompt: list[Trial] = field(default_factory=list)
    generate: list[Trial] = field(default_factory=list)
    first_token: list[Trial] = field(default_factory=list)
    memory: dict[str, Any] | None = None
    """Fields of `measurement.MeasuredMemory` that the backend knows."""
    notes: list[str] = field(default_factory=list)
    busy: float | None = None
    """Share of all processor time that other programs took while it was measured."""
    model: dict[str, Any] | None = None
    """Of a server: fields of `measurement.MeasuredModel` as it says them."""


class Teller:
    """The worker's side of its stdout: one JSON line an event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def stage(self, stage: Stage, *, done: float | None = None, left_s: float | None = None) -> None:
        """Where the run is; `done` of this stage (0 to 1) and the seconds left of the whole run, where they are known."""
        self._tell({"event": "stage", "stage": stage, "done": done, "left_s": left_s})

    def loading(self) -> None:
        """From here on, memory counts: the engine itself is loaded, the model is not. What is held now is told with it."""
        held = held_by(os.getpid())
        self._tell({"event": "baseline", "held": None if held is None else asdict(held)})

    def result(self, result: Result) -> None:
        """The end of a good run."""
        self._tell({"event": "result", "result": asdict(result)})

    def failure(self, kind: FailureKind, message: str) -> None:
        """The end of a bad one."""
        self._tell({"event": "failure", "kind": kind, "message": message})

    def _tell(self, event: dict[str, Any]) -> None:
        self._stream.write(json.dumps(event) + "\n")
        self._stream.flush()


def result_of(values: dict[str, Any]) -> Result:
    """The result in an event. Raises TypeError or ValueError where it is none."""
    trials = {name: [Trial(**trial) for trial in values[name]] for name in ("prompt", "generate", "first_token")}
    return Result(**{**values, **trials})
