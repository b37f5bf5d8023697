"""A worker's own process, `python -m advisor.engine.worker_main`: questions come on stdin, answers go to stdout, as JSON lines.

It ends when stdin does, so that it never outlives the program that asks. It opens no port and writes no file.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from advisor.engine.questions import ANSWERS, QUESTIONS, Failure, PlanQuestion


def main() -> int:
    """Answer until stdin ends."""
    answers = _own_stdout()
    _limit_memory(int(os.environ.pop("HEADROOM_WORKER_MEMORY", "0")))
    from advisor.engine.planning import Engine

    try:
        engine = Engine()
    except (RuntimeError, OSError, AttributeError) as error:
        _tell(answers, "failure", Failure("failed", str(error)), 0.0)
        return 1
    _tell(answers, "ready", None, 0.0)
    for line in sys.stdin:
        asked = json.loads(line)
        start = time.process_time()
        name, answer = _answer(engine, asked["ask"], asked["question"])
        _tell(answers, name, answer, time.process_time() - start)
    return 0


def _answer(engine: Any, ask: str, values: dict[str, Any]) -> tuple[str, Any]:
    from advisor.engine.planning import NoAnswerError

    try:
        question = QUESTIONS[ask].from_json(values)
        if isinstance(question, PlanQuestion):
            return "plan", engine.plan(question)
        return "quantize", engine.quantize(question)
    except NoAnswerError as error:
        return "failure", error.failure
    except MemoryError:
        return "failure", Failure("failed", "it needs more memory than it may take")


def _tell(stream: Any, name: str, answer: Any, seconds: float) -> None:
    assert name == "ready" or name in ANSWERS
    line = {"answer": name, "values": None if answer is None else answer.to_json(), "seconds": seconds, "peak_bytes": _peak()}
    stream.write(json.dumps(line) + "\n")
    stream.flush()


def _own_stdout() -> Any:
    """A stream to the real stdout. What else writes to stdout from here on, the engine's C code above all, goes to stderr."""
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(kept, "w", encoding="utf-8")


def _limit_memory(n_bytes: int) -> None:
    """Let this process hold no more than `n_bytes` of its own, where the system has such a limit (not on Windows).

    Mapped files do not count: a dry run of llama-quantize maps a hole of terabytes.
    """
    if n_bytes and sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))


def _peak() -> int | None:
    """The most memory that this process ever held, in bytes; None on Windows.

    On Linux from /proc: getrusage starts from what the process held that started this one.
    """
    if sys.platform == "win32":
        return None
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        kib = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
        return None if kib is None else int(kib) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    sys.exit(main())
