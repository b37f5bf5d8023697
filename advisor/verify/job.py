"""A run from its place in the queue to its end: `Job`. It never freezes the machine, and leaves nothing behind.

A thread of this process waits for the turn, starts the worker, samples the machine and ends the run where it must; the worker
is a process of its own session, which ends with this process too.
"""

import contextlib
import errno
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.errors import HeadroomError, MissingPartError
from advisor.verify.child import COMMAND, Child
from advisor.verify.ending import CRASHES, reason_of_end
from advisor.verify.held import Held
from advisor.verify.measurement import MOST_SAMPLES, Failure, FailureKind, Stage, last_lines
from advisor.verify.progress import Ended, Progress
from advisor.verify.protocol import Result, RunError, RunRequest, result_of
from advisor.verify.sampler import Machine, Sampler, ThisMachine
from advisor.verify.turns import turn
from advisor.verify.watchdog import Limits, Watchdog

SAMPLE_S = 0.25
SILENT_S = 300.0
"""A worker that tells nothing for so long has hung: a slow disk still reports its progress."""
_ENDING_S = 2.0
LAID_OUT_BY_LLAMA_CPP = ("llama-cpp", "slices")
"""Backends whose weights the engine may copy into the CPU's own layout."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class CancelledError(Exception):
    """The person does not want it any more."""


Prepare = Callable[["Job"], RunRequest]


class Job:
    """One run. `prepare` is called when its turn has come: it checks, downloads, and says what to run, or raises.

    Safe to use from many threads.
    """

    def __init__(
        self,
        name: str,
        prepare: Prepare,
        *,
        machine: Machine | None = None,
        limits: Limits | None = None,
        command: Sequence[str] = COMMAND,
        folder: Path | None = None,
        silent_s: float = SILENT_S,
        on_end: Callable[[Ended], None] | None = None,
    ) -> None:
        self.name = name
        self.held = contextlib.ExitStack()
        """What `prepare` made for this run; it ends before the next one's turn, which may make files of the same names."""
        self._on_end = on_end
        self._prepare, self._machine, self._limits = prepare, machine or ThisMachine(), limits
        self._command, self._folder, self._silent_s = command, folder, silent_s
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._progress, self._told_at = Progress("queued"), time.monotonic()
        self._begun: list[Progress] = []
        self._child: Child | None = None
        self._request: RunRequest | None = None
        self._code: int | None = None
        self._result: Result | None = None
        self._sampler = Sampler(self._machine, [])
        self._failures: list[Failure] = []
        self._started_at, self._start = time.time(), time.monotonic()
        self._ended: Ended | None = None
        self._thread = threading.Thread(target=self._run, name="verify", daemon=True)

    def start(self) -> "Job":
        """Begin, or wait in the queue; returns at once."""
        self._thread.start()
        return self

    def cancel(self) -> None:
        """End it, within two seconds in any stage; returns at once."""
        self._cancelled.set()
        with self._lock:
            if self._child is not None:
                self._child.kill()

    def wait(self, seconds: float | None = None) -> Ended | None:
        """What it left, once it is over; None where it still goes on after `seconds`."""
        self._thread.join(seconds)
        return self._ended

    @property
    def progress(self) -> Progress:
        """Where it is now, its time left counted down since it was told."""
        with self._lock:
            progress, told_at = self._progress, self._told_at
        if progress.left_s is None or progress.ended:
            return progress
        return replace(progress, left_s=max(0.0, progress.left_s - (time.monotonic() - told_at)))

    @property
    def begun(self) -> tuple[Progress, ...]:
        """Where it has been so far, as each stage began: whoever looks at `progress` now and then misses the short ones."""
        with self._lock:
            return tuple(self._begun)

    @property
    def elapsed_s(self) -> float:
        """Since its turn came, or while it waits since it was started."""
        return time.monotonic() - self._start

    @property
    def ended(self) -> Ended | None:
        """What it left; None while it goes on."""
        return self._ended

    # --- for `prepare` ---------------------------------------------------------------------------------

    def tell(self, stage: Stage, *, done: float | None = None, left_s: float | None = None) -> None:
        """Say where it is."""
        self._set(Progress(stage, done, left_s))

    @property
    def cancelled(self) -> threading.Event:
        """Set once it was cancelled."""
        return self._cancelled

    def go_on(self) -> None:
        """Raises CancelledError where it was cancelled."""
        if self._cancelled.is_set():
            raise CancelledError

    # --- the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        stage: Stage = "failed"
        try:
            with turn(self.name, waiting=self._wait_in_queue, folder=self._folder), self.held:
                self.go_on()
                self._started_at, self._start = time.time(), time.monotonic()
                self.tell("checking")
                self._request = self._prepare(self)
                self._attempt(self._request)
                if self._crashed_in_layout():
                    self._request = replace(self._request, extra_bufts=False)
                    self._attempt(self._request)
            stage = "done" if self._result is not None else "failed"
        except CancelledError:
            stage = "cancelled"
        except RunError as error:
            self._fail(error.kind, str(error))
        except MissingPartError as error:
            self._fail("missing part", str(error))
        except HeadroomError as error:
            self._fail("refused", str(error))
        except OSError as error:
            kind: FailureKind = "disk" if error.errno in _DISK_FULL else "crash"
            self._fail(kind, f"the run could not be started: {error.strerror or error}")
        except Exception as error:
            logging.getLogger(__name__).exception("a run met a fault")
            self._fail("crash", f"the run met a fault in Headroom ({type(error).__name__}); please report it")
        finally:
            self._end(stage)

    def _end(self, stage: Stage) -> None:
        sampler = self._sampler
        ended = Ended(
            stage,
            self._result,
            tuple(sampler.samples),
            tuple(self._failures),
            self._request,
            sampler.process_peak_bytes,
            sampler.gpu_peak_bytes,
            self._started_at,
            time.monotonic() - self._start,
        )
        try:
            if self._on_end is not None:
                # What is kept of a run is worth less than its result.
                with contextlib.suppress(OSError, ValueError):
                    self._on_end(ended)
        finally:
            self._ended = ended
            self._set(Progress(stage))

    def _wait_in_queue(self, ahead: tuple[str, ...]) -> None:
        self.go_on()
        self._set(Progress("queued", ahead=ahead))

    def _crashed_in_layout(self) -> bool:
        """Whether the engine died in a way that its CPU kernels for repacked weights are known for."""
        assert self._request is not None
        tried = self._request.backend in LAID_OUT_BY_LLAMA_CPP and self._request.extra_bufts
        return self._result is None and tried and self._code in CRASHES

    def _attempt(self, request: RunRequest) -> None:
        """One worker, from its start to its end."""
        self.go_on()
        child = Child(request, self._command)
        with self._lock:
            self._child = child
        try:
            reason = self._watch(child)
        finally:
            code = self._code = child.close()
            with self._lock:
                self._child = None
        self.go_on()
        if reason is not None:
            self._fail(*reason, log=child.said)
        elif self._result is None:
            self._fail(*reason_of_end(code, child.said), log=child.said)

    def _watch(self, child: Child) -> tuple[FailureKind, str] | None:
        """Read what the worker tells and sample the machine, to the end of either. Why it failed; None where it just ended."""
        reading = self._sampler.take(child.pid, self.elapsed_s, self._progress.stage)
        watchdog = Watchdog(self._limits or Limits.of(reading.capacity_bytes))
        next_sample, heard_at = time.monotonic() + SAMPLE_S, time.monotonic()
        while not self._cancelled.is_set():
            try:
                event = child.events.get(timeout=max(0.01, next_sample - time.monotonic()))
            except queue.Empty:
                event = {}
            if event is None:
                # It has closed its side; how it ends says what happened.
                child.wait(_ENDING_S)
                return None
            if event:
                heard_at = time.monotonic()
                if (reason := self._take(event, child)) is not None or self._result is not None:
                    return reason
            if time.monotonic() >= next_sample:
                complaint = watchdog.complaint(self._sampler.take(child.pid, self.elapsed_s, self._progress.stage))
                if complaint is not None:
                    return "watchdog", f"the run was ended before the machine froze: {complaint}; choose a smaller file"
                next_sample = self._next_sample()
            if time.monotonic() - heard_at > self._silent_s:
                return "time", f"nothing was heard of the run for {self._silent_s:g} s, so it was ended"
        return None

    def _next_sample(self) -> float:
        """When to look again: where there are very many samples, every second one goes, and looks become rarer."""
        samples = self._sampler.samples
        if len(samples) >= MOST_SAMPLES:
            samples[:] = samples[::2]
        rarer = 1 + self.elapsed_s // (SAMPLE_S * MOST_SAMPLES / 2)
        return time.monotonic() + SAMPLE_S * rarer

    def _take(self, event: dict[str, Any], child: Child) -> tuple[FailureKind, str] | None:
        """One event of the worker's; a failure where it is one."""
        kind = event.get("event")
        if kind == "stage":
            begins = event["stage"] != self._progress.stage
            self._set(Progress(event["stage"], event["done"], event["left_s"]))
            if begins:  # a stage that is shorter than the pause between samples has one too
                self._sampler.take(child.pid, self.elapsed_s, self._progress.stage)
        elif kind == "baseline":
            held = event.get("held")
            self._sampler.begin(Held(0, 0) if held is None else Held(**held))
        elif kind == "failure":
            return event["kind"], str(event["message"])
        elif kind == "result":
            # Its last sample is of the whole model, however short the run was.
            self._sampler.take(child.pid, self.elapsed_s, self._progress.stage)
            self._result = result_of(event["result"])
        return None

    def _fail(self, kind: FailureKind, message: str, log: Sequence[str] = ()) -> None:
        self._failures.append(Failure(kind=kind, message=message[:1000], log=last_lines(tuple(log))))

    def _set(self, progress: Progress) -> None:
        with self._lock:
            if (progress.stage, progress.ahead) != (self._progress.stage, self._progress.ahead):
                self._begun.append(progress)
            self._progress, self._told_at = progress, time.monotonic()
