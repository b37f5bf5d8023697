"""Layouts made for a few periods of blocks stand for all of them."""

import pytest

from advisor.machines.profile import Backend
from advisor.memory.compute import _laid_out, _requests
from advisor.memory.compute_allocator import Request, Segment, Sizes, peak
from advisor.memory.compute_facts import facts_of
from advisor.memory.compute_graph import BLOCK_WEIGHT
from advisor.memory.compute_periods import Cut, UnsteadyError, cuts, kept, unfold
from advisor.memory.placement import place
from advisor.memory.presets import resolve
from advisor.memory.rules import rules_for
from advisor.models.library import catalogue


def test_nothing_is_left_out_of_few_blocks() -> None:
    assert cuts("aaaa") == ()
    assert cuts("abcdefgh") == ()
    assert cuts("") == ()


def test_what_repeats_is_left_out() -> None:
    assert cuts("aaaaaaaa") == (Cut(at=4, period=1, left_out=2),)
    assert [("x" + "aab" * 7 + "y")[n] for n in kept(23, cuts("x" + "aab" * 7 + "y"))] == list("x" + "aab" * 5 + "y")
    assert cuts("aaaaaaabbbbbbb") == (Cut(4, 1, 1), Cut(10, 1, 1))


def give_and_take(slot: int = 0) -> Segment:
    """Takes memory for the next block and gives back that of the block before."""
    return (Request(slot, 0, (10, 0, 0), "x"), Request(slot, 1, None, "x"))


FIRST: Segment = (Request(0, 0, (5, 0, 0), "input"), Request(1, 0, (10, 0, 0), "x"))


def test_unfolding_keeps_what_is_far_in_its_place() -> None:
    begin, last = (
        (Request(0, 0, (10, 0, 0), "x"), Request(1, 1, None, "x")),
        (Request(0, 1, None, "x"), Request(0, 5, None, "")),
    )
    unfolded = unfold([FIRST, begin, *[give_and_take()] * 3, last], [Cut(3, 1, 2)])
    assert unfolded[1:5] == (begin, *[give_and_take()] * 3)
    assert len(unfolded) == 8
    assert unfolded[-1] == (Request(0, 1, None, "x"), Request(0, 7, None, ""))


@pytest.mark.parametrize(
    "segments",
    [
        [FIRST, give_and_take(1), (Request(0, 0, (9, 0, 0), "x"),), give_and_take(), give_and_take(), ()],
        [FIRST, give_and_take(1), *[(Request(0, 0, (9, 3, BLOCK_WEIGHT), ""),)] * 3, ()],
        [FIRST, *[(Request(0, 0, (9, 0, 0), "x"),)] * 4, (Request(0, 2, None, ""), Request(0, 3, None, ""))],
    ],
)
def test_periods_that_differ_or_reach_far_are_refused(segments: list[Segment]) -> None:
    with pytest.raises(UnsteadyError):
        unfold(segments, [Cut(3, 1, 2)])


def test_segments_that_come_again_are_replayed_the_same() -> None:
    again = (*give_and_take(), Request(1, 0, (0, 0, BLOCK_WEIGHT), "w"), Request(1, 0, None, "w"))
    weights = [(7,), (7,), (7,), (7,), (30,), (7,)]
    first: Segment = (Request(0, 0, (10, 0, 0), "x"),)
    shared = peak([first, *[again] * 6, ()], Sizes({}, weights), 1)
    apart = peak([first, *[(*again[:-1], Request(1, 0, None, f"w{n}")) for n in range(6)], ()], Sizes({}, weights), 1)
    assert shared == apart == (10 + 10 + 30, "w")


@pytest.mark.parametrize("gpu_layers", [None, 12, 0])
@pytest.mark.parametrize("backend", ["cuda", "metal"])
@pytest.mark.parametrize(
    "name",
    ["qwen3.5-9b", "falcon-h1-7b", "granite-4.0-h-small", "gemma-3-27b", "nemotron-nano-9b-v2", "llama-3.1-70b", "lfm2-1.2b"],
)
def test_unfolded_layouts_are_those_of_all_blocks(name: str, backend: Backend, gpu_layers: int | None) -> None:
    model = catalogue().find(name).quantized("Q4_K_M")
    settings = resolve({"context": 10000}, model, has_gpu=True)
    rules = rules_for(settings.build)
    placement = place(model.hyperparameters, rules, gpus=1, gpu_layers=gpu_layers)
    facts = facts_of(model, placement, settings, rules, 10000, backend=backend)
    sizes = Sizes({-1: facts.cells, -2: facts.window_cells}, facts.block_bytes, facts.end_bytes)
    short = _requests(facts.shape, facts.blocks, facts.ends, pipelined=False)
    whole = _laid_out(facts.shape, facts.blocks, facts.ends, pipelined=False).requests
    assert short == whole
    assert [peak(one, sizes, 128) for one in short] == [peak(one, sizes, 128) for one in whole]
