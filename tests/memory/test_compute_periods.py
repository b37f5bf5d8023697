"""Layouts made for a few periods of blocks stand for all of them."""

import pytest

from advisor.machines.profile import Backend
from advisor.memory.compute import Asked, _requests, laid_out
from advisor.memory.compute_allocator import Request, Requests, Segment
from advisor.memory.compute_facts import Facts, facts_of
from advisor.memory.compute_graph import BLOCK_WEIGHT
from advisor.memory.compute_peak import Sizes, peak
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


def test_wider_keeps_one_more_at_both_ends_of_a_run() -> None:
    assert cuts("aaaaaaaaa", 1) == (Cut(at=5, period=1, left_out=1),)
    assert cuts("aaaaaaaa", 1) == ()
    assert kept(9, cuts("aaaaaaaaa", 1)) == [0, 1, 2, 3, 4, 6, 7, 8]


def give_and_take(slot: int = 0) -> Segment:
    """Takes memory for the next block and gives back that of the block before."""
    return (Request(slot, 0, (10, 0, 0), "x"), Request(slot, 1, None, "x"))


LEAF: Segment = (Request(-1, 0, (5, 0, 0), "input"),)
FIRST: Segment = (Request(0, 0, (10, 0, 0), "x"),)


def asked(*blocks: Segment) -> Requests:
    """What a device is asked for whose one leaf belongs to the first block."""
    return Requests(((), LEAF, *[()] * len(blocks[1:])), ((), *blocks))


def test_unfolding_keeps_what_is_far_in_its_place() -> None:
    begin, last = (
        (Request(0, 0, (10, 0, 0), "x"), Request(0, 1, None, "x")),
        (Request(0, 1, None, "x"), Request(-1, 5, None, "")),
    )
    unfolded = unfold(asked(FIRST, begin, *[give_and_take()] * 3, last), [Cut(4, 1, 2)])
    assert unfolded.leaves == ((), LEAF, *[()] * 7)
    assert unfolded.blocks == ((), FIRST, begin, *[give_and_take()] * 5, (*last[:1], Request(-1, 7, None, "")))


def test_every_period_has_leaves_of_its_own() -> None:
    own: Segment = (Request(0, 0, (10, 0, 0), "x"), Request(0, 0, None, "x"), Request(-1, 0, None, "input"))
    unfolded = unfold(Requests(((), *[LEAF] * 4, ()), ((), *[own] * 4, ())), [Cut(3, 1, 5)])
    assert unfolded == Requests(((), *[LEAF] * 9, ()), ((), *[own] * 9, ()))
    assert peak(unfolded, Sizes({}), 1) == (9 * 5 + 10, "x")


def test_a_leaf_that_is_copied_before_its_block_keeps_its_place() -> None:
    early: Segment = (*FIRST, Request(-1, -5, None, "input"))
    blocks = (early, *[give_and_take()] * 4, (Request(0, 1, None, "x"),))
    unfolded = unfold(Requests((*[()] * 6, LEAF), ((), *blocks)), [Cut(4, 1, 3)])
    assert unfolded.leaves.index(LEAF) == 9
    assert unfolded.blocks[1] == (*FIRST, Request(-1, -8, None, "input"))


@pytest.mark.parametrize(
    "blocks",
    [
        [give_and_take(1), (Request(0, 0, (9, 0, 0), "x"),), give_and_take(), give_and_take(), ()],
        [give_and_take(1), *[(Request(0, 0, (9, 3, BLOCK_WEIGHT), ""),)] * 3, ()],
        [*[(Request(0, 0, (9, 0, 0), "x"),)] * 4, (Request(0, 2, None, ""), Request(0, 3, None, ""))],
        [FIRST, *[(Request(-1, -1, None, ""),)] * 3, ()],
    ],
)
def test_periods_that_differ_or_reach_far_are_refused(blocks: list[Segment]) -> None:
    with pytest.raises(UnsteadyError):
        unfold(asked(*blocks), [Cut(3, 1, 2)])


def test_segments_that_come_again_are_replayed_the_same() -> None:
    again = (*give_and_take(), Request(1, 0, (0, 0, BLOCK_WEIGHT), "w"), Request(1, 0, None, "w"))
    weights = [(7,), (7,), (7,), (7,), (7,), (30,), (7,)]
    shared = peak(asked(FIRST, *[again] * 6, ()), Sizes({}, weights), 1)
    apart = peak(asked(FIRST, *[(*again[:-1], Request(1, 0, None, f"w{n}")) for n in range(6)], ()), Sizes({}, weights), 1)
    assert shared == apart == (5 + 10 + 10 + 30, "w")


def facts_on(name: str, backend: Backend, gpu_layers: int | None) -> Facts:
    """The facts of a model of the catalogue with so many layers on one GPU."""
    model = catalogue().find(name).quantized("Q4_K_M")
    settings = resolve({"context": 10000}, model, has_gpu=True)
    rules = rules_for(settings.build)
    placement = place(model.hyperparameters, rules, gpus=1, gpu_layers=gpu_layers)
    return facts_of(model, placement, settings, rules, 10000, backend=backend)


@pytest.mark.parametrize("gpu_layers", [None, 12, 0])
@pytest.mark.parametrize("backend", ["cuda", "metal"])
@pytest.mark.parametrize(
    "name",
    ["qwen3.5-9b", "falcon-h1-7b", "granite-4.0-h-small", "gemma-3-27b", "nemotron-nano-9b-v2", "llama-3.1-70b", "glm-5"],
)
def test_unfolded_layouts_are_those_of_all_blocks(name: str, backend: Backend, gpu_layers: int | None) -> None:
    facts = facts_on(name, backend, gpu_layers)
    sizes = Sizes({-1: facts.cells, -2: facts.window_cells}, facts.block_bytes, facts.end_bytes)
    short = _requests(Asked(facts.shape, facts.blocks, facts.ends, pipelined=False))
    whole = laid_out(facts.shape, facts.blocks, facts.ends, pipelined=False).requests
    assert short == whole
    assert [peak(one, sizes, 128) for one in short] == [peak(one, sizes, 128) for one in whole]


@pytest.mark.parametrize(("name", "backend", "gpu_layers"), [("gemma-4-31b", "metal", 20), ("gemma-3-4b", "cuda", None)])
def test_periods_that_are_not_alike_at_once_are_alike_further_in(name: str, backend: Backend, gpu_layers: int | None) -> None:
    facts = facts_on(name, backend, gpu_layers)
    narrow = cuts(facts.blocks)
    few = tuple(facts.blocks[number] for number in kept(len(facts.blocks), narrow))
    with pytest.raises(UnsteadyError):
        [unfold(requests, narrow) for requests in laid_out(facts.shape, few, facts.ends, pipelined=False).requests]
    laid_out.cache_clear()
    short = _requests(Asked(facts.shape, facts.blocks, facts.ends, pipelined=False))
    assert laid_out.cache_info().currsize == 2, "all blocks are not laid out"
    assert short == laid_out(facts.shape, facts.blocks, facts.ends, pipelined=False).requests
