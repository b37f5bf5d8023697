"""What the exit code of a worker and the last lines of its log say about its end."""

import signal
from collections.abc import Sequence

from advisor.engine.worker import end_of_worker
from advisor.verify.measurement import FailureKind

CRASHES = frozenset({-signal.SIGSEGV, -signal.SIGILL, -getattr(signal, "SIGBUS", 7), -signal.SIGABRT, 0xC0000005, 0xC000001D})
"""Exit codes after which a run is tried again without the CPU's own layout of weights; the last two are Windows'."""


def reason_of_end(code: int, said: Sequence[str]) -> tuple[FailureKind, str]:
    """Why a worker ended without a result: what kind of failure it is, and a sentence."""
    found = end_of_worker(code, tuple(said))
    was_killed = code == -getattr(signal, "SIGKILL", 9)
    if was_killed:
        sentence = f"{found}; where memory is short, the system does that: choose a smaller file or a shorter context"
    else:
        sentence = f"{found}; the last lines of its log say more"
    if "more memory" in found:
        return "out of memory", sentence
    return ("killed" if was_killed else "crash"), sentence
