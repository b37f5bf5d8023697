"""The workers of this process: few, kept warm, shared by all threads, replaced when they end."""

import atexit
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from advisor.engine.questions import PlanFigures, PlanQuestion, QuantizeFigures, QuantizeQuestion
from advisor.engine.recipe import usable_cores
from advisor.engine.worker import MEMORY_LIMIT_BYTES, TIME_LIMIT_S, Worker
from advisor.errors import EngineFailedError

MOST_WORKERS = 2
RECYCLED_BYTES = 512 << 20
"""A worker that ever held more than this is replaced after its answer."""
WAIT_LIMIT_S = 60.0
"""How long a question waits for a worker to be free."""


class EnginePool:
    """Asks idle workers, starts them when they are first needed, never more than `most`. Safe to use from many threads."""

    def __init__(
        self,
        *,
        most: int | None = None,
        time_limit_s: float = TIME_LIMIT_S,
        memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
        recycled_bytes: int = RECYCLED_BYTES,
    ) -> None:
        self._most = most or min(MOST_WORKERS, usable_cores())
        self._limits = (time_limit_s, memory_limit_bytes)
        self._recycled_bytes = recycled_bytes
        self._changed = threading.Condition()
        self._idle: list[tuple[Worker, str]] = []
        self._busy = 0

    def plan(self, question: PlanQuestion) -> PlanFigures:
        """The engine's figures. Raises EngineRefusedError, or EngineFailedError; either way the next question works."""
        with self._worker(question.file) as worker:
            figures = worker.ask("plan", question)
        assert isinstance(figures, PlanFigures)
        return figures

    def quantize(self, question: QuantizeQuestion) -> QuantizeFigures:
        """As `plan`, for a quantization."""
        with self._worker(question.file) as worker:
            figures = worker.ask("quantize", question)
        assert isinstance(figures, QuantizeFigures)
        return figures

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that wait for a question."""
        with self._changed:
            return tuple(worker.pid for worker, _ in self._idle)

    @property
    def peak_bytes(self) -> int | None:
        """The most memory that a worker waiting for a question ever held; None where none waits, or the system does not say."""
        with self._changed:
            return max((worker.peak_bytes for worker, _ in self._idle if worker.peak_bytes is not None), default=None)

    def close(self) -> None:
        """End all workers that are idle. The pool may be used again."""
        with self._changed:
            idle, self._idle = self._idle, []
        for worker, _ in idle:
            worker.close()

    @contextmanager
    def _worker(self, file: str) -> Iterator[Worker]:
        worker = self._take(file)
        try:
            if worker is None:
                worker = Worker(time_limit_s=self._limits[0], memory_limit_bytes=self._limits[1])
            yield worker
        finally:
            self._give_back(worker, file)

    def _take(self, file: str) -> Worker | None:
        """An idle worker, best one that has `file` loaded; None where one may be started."""
        until = time.monotonic() + WAIT_LIMIT_S
        with self._changed:
            while True:
                for ended in [worker for worker, _ in self._idle if not worker.alive]:
                    ended.close()
                self._idle = [(worker, last) for worker, last in self._idle if worker.alive]
                if self._idle:
                    chosen = next((entry for entry in self._idle if entry[1] == file), self._idle[-1])
                    self._idle.remove(chosen)
                    self._busy += 1
                    return chosen[0]
                if self._busy < self._most:
                    self._busy += 1
                    return None
                if not self._changed.wait(until - time.monotonic()):
                    raise EngineFailedError("the engine is busy with other questions; ask again in a moment")

    def _give_back(self, worker: Worker | None, file: str) -> None:
        if worker is not None and (worker.owes_an_answer or (worker.peak_bytes or 0) > self._recycled_bytes):
            worker.close()
        with self._changed:
            self._busy -= 1
            if worker is not None and worker.alive:
                self._idle.append((worker, file))
            self._changed.notify()


_pool: EnginePool | None = None
_lock = threading.Lock()


def engine_pool() -> EnginePool:
    """The pool of this process, made when first asked for and ended with it."""
    global _pool  # noqa: PLW0603 (one pool a process, as one interpreter)
    with _lock:
        if _pool is None:
            _pool = EnginePool()
            atexit.register(_pool.close)
        return _pool
