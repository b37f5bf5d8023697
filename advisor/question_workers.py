"""Processes that answer questions side by side: how they start, and which of them gets which question.

Nothing that answers is imported here, so that they can begin to start before the first process has loaded it.
"""

import multiprocessing
import re
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import suppress

from advisor.collector import collect_rarely

FEW = 8
"""Questions that the first process answers before others are started to help; more of them until those are there."""
_PRELOADED = ["advisor.question_lines", "advisor.models.library"]
MOST_PROCESSES = 8
MODEL_KNOWN = 6
"""How many questions more may wait for a process that has laid the model out before. A model's first answer takes as long as
some of its next: with fewer, more models are laid out twice; with more, processes end up idle."""
_CHEAP = b"{}"
"""A question that is refused at once: a process that answers it is ready."""
_MODEL = re.compile(rb'"model"\s*:\s*"([^"]{1,500})"')
_MOST_KNOWN = 1000
"""Models that a process is known to have laid out; those it met first are forgotten first, as its own layouts are."""

Answer = Callable[[bytes], str]


def begin_early() -> None:
    """Have the process that workers are copied from load what they need; returns at once.

    Where the system cannot copy processes, nothing is begun.
    """
    if _copies():
        from multiprocessing import forkserver

        forkserver.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()


def _copies() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


class Workers:
    """Processes that each answer one question after the other with `answer`."""

    def __init__(self, count: int, answer: Answer) -> None:
        begin_early()
        context = multiprocessing.get_context("forkserver" if _copies() else "spawn")
        self._answer = answer
        self._pools = [ProcessPoolExecutor(1, mp_context=context, initializer=_begin) for _ in range(count)]
        self._waiting: list[deque[Future[str]]] = [deque() for _ in self._pools]
        self._known: list[dict[bytes, None]] = [{} for _ in self._pools]

    def start(self) -> None:
        """Start the processes; returns once they are ready, or cannot be started."""
        with suppress(OSError, RuntimeError):
            wait([pool.submit(self._answer, _CHEAP) for pool in self._pools])

    def ask(self, line: bytes) -> Future[str]:
        """Give the question to the process with the fewest waiting; one that knows its model may have `MODEL_KNOWN` more.

        Raises RuntimeError after `stop`. Of a process that has ended, the answer is an error.
        """
        found = _MODEL.search(line)
        model = found[1] if found else b""
        for waiting in self._waiting:
            while waiting and waiting[0].done():
                waiting.popleft()
        loads = [
            len(waiting) - MODEL_KNOWN * (model in known) for waiting, known in zip(self._waiting, self._known, strict=True)
        ]
        chosen = loads.index(min(loads))
        try:
            answer = self._pools[chosen].submit(self._answer, line)
        except (BrokenExecutor, OSError) as error:
            answer = Future()
            answer.set_exception(error)
        self._waiting[chosen].append(answer)
        if found:
            known = self._known[chosen]
            known[model] = None
            if len(known) > _MOST_KNOWN:
                del known[next(iter(known))]
        return answer

    def stop(self) -> None:
        """Let the processes end; what waits is not answered any more."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """Ctrl-C is the first process's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    collect_rarely()
