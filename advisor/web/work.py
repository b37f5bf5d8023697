"""Work that takes time, off the event loop: a few at once, a bounded queue, and an end."""

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

P = ParamSpec("P")
T = TypeVar("T")


class Busy(Exception):  # noqa: N818 - not an error of ours: an answer
    """Too many are waiting, or it took too long; to be asked again later."""


class Work:
    """Runs functions in threads: `at_once` of them, while at most `waiting` more wait, each for at most `seconds`."""

    def __init__(self, *, at_once: int, waiting: int, seconds: float) -> None:
        self._limiter = CapacityLimiter(at_once)
        self._places = threading.BoundedSemaphore(at_once + waiting)
        self._seconds = seconds

    async def run(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """What the function returns or raises. Raises Busy where no place is free or the time is over.

        A thread cannot be stopped: one whose time is over goes on, and holds its place until it ends.
        """
        if not self._places.acquire(blocking=False):
            raise Busy
        # Taken once, by the thread that begins or by the question that is given up before: who takes it frees the place.
        begun = threading.Lock()

        def call() -> T:
            if not begun.acquire(blocking=False):
                raise Busy
            try:
                return function(*arguments, **named)
            finally:
                self._places.release()

        try:
            with anyio.fail_after(self._seconds):
                return await to_thread.run_sync(call, limiter=self._limiter, abandon_on_cancel=True)
        except TimeoutError:
            raise Busy from None
        finally:
            if begun.acquire(blocking=False):
                self._places.release()
