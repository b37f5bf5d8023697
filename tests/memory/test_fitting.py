"""Where the search for a placement ends: what it chooses fits, one more does not, and the engine's guesses end there too."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from advisor.machines.library import library
from advisor.memory import fitting
from advisor.memory.devices import devices_of
from advisor.memory.fitting import Share
from advisor.memory.layout import Layout
from advisor.memory.placement import Placement
from advisor.memory.presets import resolve
from advisor.models.library import catalogue

CASES = [
    # Blocks with and without experts take turns. As the engine counts, the first block of the last GPU keeps its experts
    # (set_ngl_tensor_split_tbo counts the output layer first), and that GPU is not looked at again: it is overfull.
    ("llama-4-maverick", "Q4_K_M", "4x-mi50-16gb", False),
    ("qwen3-235b-a22b", "Q4_K_M", "4x-mi50-16gb", True),
    ("qwen3-235b-a22b", "IQ4_XS", "4x-rtx-3090", True),
    ("llama-3.1-70b", "Q8_0", "2x-rtx-3090", True),
    ("gemma-3-27b", "Q4_K_M", "rtx-3060-12gb", True),
    ("lfm2-8b-a1b", "F16", "rtx-3060-12gb", True),
]
Candidate = Callable[[int], Placement]


def question(name: str, quantization: str, machine: str) -> tuple[Layout, list[int]]:
    """A model on a machine, and the most that each of its GPUs may take."""
    model, profile = catalogue().find(name).quantized(quantization), library().get(machine)
    devices = devices_of(profile, 1)
    layout = Layout(model, resolve({"context": 8192}, model, has_gpu=True, machine=profile), devices[0].backend)
    return layout, fitting.targets(devices, np.zeros(len(devices), dtype=np.int64))


@pytest.mark.parametrize(("name", "quantization", "machine", "whole"), CASES)
def test_what_is_chosen_fits_and_one_more_does_not(
    name: str, quantization: str, machine: str, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, limits = question(name, quantization, machine)
    search, ends = fitting._largest, []

    def largest(layout: Layout, candidate: Candidate, limits: Mapping[int, int], low: int, high: int) -> int:
        ends.append((candidate, limits, search(layout, candidate, limits, low, high)))
        return ends[-1][-1]

    monkeypatch.setattr(fitting, "_largest", largest)
    placement = fitting._Search(layout, limits).run()
    assert fitting.fits(layout, placement, limits) == whole
    assert ends, "nothing was searched"
    for candidate, own, number in ends:
        for gpu, limit in own.items():
            assert number == 0 or layout.total(candidate(number))[gpu] <= limit
            assert layout.total(candidate(number + 1))[gpu] > limit


@pytest.mark.parametrize(("name", "quantization", "machine", "whole"), CASES)
def test_the_guesses_of_the_engine_end_there_too(
    name: str, quantization: str, machine: str, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, limits = question(name, quantization, machine)
    found = fitting._Search(layout, limits).run()
    monkeypatch.setattr(fitting, "_largest", false_position)
    assert fitting._Search(layout, limits).run() == found


def false_position(layout: Layout, candidate: Candidate, limits: Mapping[int, int], low: int, high: int) -> int:
    """The loop of common/fit.cpp:691-716 and 764-801: each guess is measured, and the next lies on a line through the last."""
    ((gpu, limit),) = limits.items()

    def taken(number: int) -> int:
        return int(layout.total(candidate(number))[gpu])

    least, most = taken(low), taken(high)
    while high - low > 1:
        step = (high - low) * (limit - least) // (most - least) if most > least else 1
        guess = low + min(max(step, 1), high - low - 1)
        if (used := taken(guess)) <= limit:
            low, least = guess, used
        else:
            high, most = guess, used
    return low


def test_a_share_keeps_the_blocks_without_experts_at_its_end() -> None:
    shares: Sequence[Share] = fitting._convert([Share(), Share(5, 4)], 0, 1, 3)
    assert shares == [Share(3, 0), Share(2, 1)]
