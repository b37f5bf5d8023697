"""Machines put together from cards of other profiles."""

from pathlib import Path

import pytest

from advisor.errors import QuestionError
from advisor.estimate import estimate
from advisor.machines.library import library, read_profile
from advisor.question import Question
from advisor.units import GIB

RIGS = {
    # id: number of GPUs, nominal GiB of all of them
    "2x-rtx-3090": (2, 48),
    "4x-rtx-3090": (4, 96),
    "6x-rtx-3090": (6, 144),
    "4x-rtx-4090": (4, 96),
    "2x-rtx-2080-ti-22gb": (2, 44),
    "8x-rtx-2080-ti-22gb": (8, 176),
    "2x-tesla-p40": (2, 48),
    "4x-mi50-16gb": (4, 64),
    "3x-arc-a770-16gb": (3, 48),
    "rtx-4090-192gb": (1, 24),
    "2x-epyc-genoa-768gb": (0, 0),
    "threadripper-pro-512gb": (0, 0),
}


@pytest.mark.parametrize("id_", RIGS)
def test_a_rig_has_its_cards(id_: str) -> None:
    rig = library().get(id_)
    assert (len(rig.gpus), sum(gpu.memory_bytes or 0 for gpu in rig.gpus)) == (RIGS[id_][0], RIGS[id_][1] * GIB)
    # Each card keeps the sources of its own profile.
    assert all(any(path.startswith(f"gpus.{index}") for path in rig.sources) for index in range(len(rig.gpus)))


def test_a_rig_and_so_many_cards_get_the_same_plan() -> None:
    rig = estimate(Question.parse({"model": "llama-3.3-70b", "quant": "Q4_K_M", "machine": "4x-rtx-3090"}))
    cards = estimate(
        Question.parse({"model": "llama-3.3-70b", "quant": "Q4_K_M", "machine": "rtx-3090", "gpus": 4, "ram_gib": 32})
    )
    assert [each.total_bytes for each in rig.plan.devices] == [each.total_bytes for each in cards.plan.devices]
    assert [each.capacity_bytes for each in rig.plan.devices[:-1]] == [each.capacity_bytes for each in cards.plan.devices[:-1]]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ('[[parts]]\nprofile = "rtx-3090"\ncount = 0', "a part is a profile and a count"),
        ('[[parts]]\nprofile = "rtx-3090"\ncount = 65', "a part is a profile and a count"),
        ('[[parts]]\nprofile = "rtx-3090"\ncount = 40\n[[parts]]\nprofile = "rtx-3090"\ncount = 40', "at most 64 GPUs"),
        ('[[parts]]\nprofile = "rtx-9999"', 'There is no machine "rtx-9999"'),
        ('[[parts]]\nprofile = "m4-10"', "has no memory of its own"),
        ("parts = 3", '"parts" is a list of tables'),
        ('[[parts]]\nprofile = "rtx-3090"\n[[gpus]]\nname = "x"', "takes the place of"),
        ('[[parts]]\ncard = "rtx-3090"', "a part is a profile and a count"),
    ],
)
def test_a_wrong_part_is_said(tmp_path: Path, parts: str, says: str) -> None:
    path = tmp_path / "box.toml"
    path.write_text(f'id = "box"\nname = "Box"\nkind = "discrete"\n{parts}\n')
    with pytest.raises(QuestionError, match=r"box\.toml") as caught:
        read_profile(path)
    assert says in str(caught.value)


@pytest.mark.parametrize(("text", "id_"), [("2x 3090", "2x-rtx-3090"), ("rtx 2080 ti 22gb", "rtx-2080-ti-22gb-mod")])
def test_a_card_by_its_name_is_the_card(text: str, id_: str) -> None:
    assert library().find(text).id == id_


def test_own_file_may_mix_cards(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    parts = '[[parts]]\nprofile = "rtx-3090"\n[[parts]]\nprofile = "tesla-p40"\ncount = 2\n'
    path.write_text(f'id = "box"\nname = "Box"\nkind = "discrete"\n{parts}')
    assert [gpu.name for gpu in read_profile(path).gpus] == ["NVIDIA GeForce RTX 3090", "NVIDIA Tesla P40", "NVIDIA Tesla P40"]
