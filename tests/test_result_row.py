"""A row of the first page's list: its numbers add up, and are those of heading and reason."""

import pytest

from advisor.result_row import in_short, result_row, shown_pools
from advisor.units import format_size, parse_size
from advisor.words import tightest, verdict_line
from tests.test_words import option


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"machine": "rtx-4090", "ram_gib": 64}, " GiB to spare"),
        ({"machine": "rtx-4090", "ram_gib": 64, "model": "llama-3.3-70b"}, " of 81 layers on the GPU"),
        ({"machine": "rtx-4090", "ram_gib": 64, "model": "mixtral-8x7b"}, " blocks in system memory"),
        ({"machine": "m2-8", "memory_gib": 8, "model": "llama-3.3-70b"}, " GiB too little"),
    ],
)
def test_a_row_says_why_in_a_few_words(fields, said):
    assert in_short(option(**fields)).endswith(said)


def test_the_bar_of_a_row_is_the_gpus_and_names_what_lies_beside():
    row = result_row(option(machine="rtx-4090", ram_gib=64, model="llama-3.3-70b"), "model?x")
    assert row["size_text"].endswith(" of 23.4 GiB")
    assert row["beside"].endswith(" GiB of system memory")
    assert row["href"] == "model?x"
    assert sum(part["share"] for part in row["parts"]) < 1


def test_the_bar_of_two_cards_is_both_together():
    both = option(machine="rtx-4090", gpus=2)
    assert [pool.id for pool in shown_pools(both.plan)] == ["gpu0", "gpu1"]
    assert result_row(both, "")["size_text"].endswith(" of 46.8 GiB")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"machine": "m3-max-40", "memory_gib": 64, "model": "llama-3.3-70b"},
            "The GPU needs {size} that it may take: {left}.",
        ),
        # Its per-layer embeddings lie beside the GPU.
        ({"machine": "m1-7", "memory_gib": 8, "model": "gemma-4-e2b"}, "The GPU needs {size} that it may take: {left}."),
        # A profile without a limit for the GPU: the memory as a whole decides.
        ({"machine": "rtx-4090"}, "It needs {of}, which has {room}: {left}."),
    ],
)
def test_the_numbers_of_a_row_add_up_and_are_those_of_heading_and_reason(fields, reason):
    found = option(**fields)
    row = result_row(found, "")
    used, _, room = row["size_text"].partition(" of ")
    assert parse_size(room) - parse_size(used) == pytest.approx(parse_size(row["short"].removesuffix(" to spare")), rel=0.02)
    assert verdict_line(found.verdict, found.plan) == f"Fits, with {row['short']}"
    said = reason.format(
        size=f"{used} of the {room}", of=f"{used} of the memory of NVIDIA GeForce RTX 4090", room=room, left=row["short"]
    )
    assert said in found.verdict.reasons
    filled = sum(part["share"] for part in row["parts"])
    assert filled == pytest.approx(parse_size(used) / parse_size(room), rel=0.02)


def test_what_lies_beside_the_gpu_in_one_memory_is_named():
    # Per-layer embeddings of 2.3 billion weights stay with the CPU.
    row = result_row(option(machine="m1-7", memory_gib=8, model="gemma-4-e2b", quant="Q4_K_M"), "")
    assert row["beside"].endswith(" GiB for the CPU")


def test_of_several_memories_the_one_with_least_left_is_named():
    four = option(machine="4x-rtx-3090", model="gpt-oss-120b")
    assert result_row(four, "")["short"].endswith(" GiB to spare on the fullest GPU")
    assert verdict_line(four.verdict, four.plan).endswith(" GiB to spare on the fullest GPU")
    assert all(pool.headroom_bytes >= tightest(four.plan).headroom_bytes for pool in four.plan.pools)
    assert format_size(tightest(four.plan).headroom_bytes) in four.verdict.reasons[0]
    little = option(machine="rtx-4090", ram_gib=4)
    assert in_short(little).endswith(" to spare in system memory")


def test_the_bar_is_of_the_memory_that_is_short_where_one_is():
    short = option(machine="rtx-4090", ram_gib=16, model="deepseek-r1")
    assert shown_pools(short.plan) == (tightest(short.plan),)
    assert sum(part["share"] for part in result_row(short, "")["parts"]) == pytest.approx(1)
