"""Waiting and timing in tests, on a host that may stand still for seconds."""

import time
from collections.abc import Callable

import pytest

wall_clock = pytest.mark.flaky(reruns=4)
"""For a test of a time limit: a host that stands still can only make a try longer, so a limit kept in one of five is kept."""


def until(true: Callable[[], object], seconds: float = 60.0, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Back once `true()` is true; what `meanwhile` does is done before each new look. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"did not come in {seconds:g} s"
        time.sleep(0.02)
        meanwhile()
