"""Where a run is, and all that it left: what a `Job` says of itself."""

from dataclasses import dataclass

from advisor.verify.measurement import Failure, Sample, Stage
from advisor.verify.protocol import Result, RunRequest

_ENDED: tuple[Stage, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is."""

    stage: Stage
    done: float | None = None
    """Of this stage, 0 to 1."""
    left_s: float | None = None
    """Of the whole run; None where it is not known yet."""
    ahead: tuple[str, ...] = ()
    """Runs that are before this one in the queue."""

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not."""
        return self.stage in _ENDED


@dataclass(frozen=True, slots=True)
class Ended:
    """All that a run left."""

    stage: Stage
    result: Result | None
    samples: tuple[Sample, ...]
    failures: tuple[Failure, ...]
    request: RunRequest | None
    process_peak_bytes: int | None
    gpu_peak_bytes: int | None
    started_at: float
    """Unix time."""
    seconds: float
