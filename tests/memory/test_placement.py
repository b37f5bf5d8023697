"""Layers on devices. The splits are those that load logs and the engine's own debug lines print."""

import pytest

from advisor.errors import QuestionError
from advisor.memory.placement import Placement, place
from advisor.memory.rules import rules_for
from tests.memory.models import hyperparameters

NEW, OLD = rules_for(), rules_for("2025-12-17")


def layers_of(placement: Placement) -> list[int]:
    """Layers on each device, the output layer included, the host last."""
    devices = (*placement.blocks, placement.output)
    return [devices.count(device) for device in range(placement.device_count)]


def test_all_layers_go_to_the_gpu() -> None:
    placement = place(hyperparameters(32), NEW, gpus=1)
    assert layers_of(placement) == [33, 0]
    assert (placement.complete, placement.gpu_layers, placement.host) == (True, 33, 1)


def test_the_output_layer_goes_first_and_the_last_blocks_follow() -> None:
    placement = place(hyperparameters(32), NEW, gpus=1, gpu_layers=20)
    assert placement.output == 0
    assert placement.blocks == (1,) * 13 + (0,) * 19


def test_before_2026_the_output_layer_went_last() -> None:
    placement = place(hyperparameters(32), OLD, gpus=1, gpu_layers=20)
    assert placement.output == 1
    assert placement.blocks == (1,) * 12 + (0,) * 20
    assert place(hyperparameters(32), OLD, gpus=1, gpu_layers=33).output == 0


def test_no_layers_and_more_than_all_layers() -> None:
    assert layers_of(place(hyperparameters(32), NEW, gpus=1, gpu_layers=0)) == [0, 33]
    assert layers_of(place(hyperparameters(32), NEW, gpus=1, gpu_layers=999)) == [33, 0]
    assert layers_of(place(hyperparameters(32), NEW, gpus=0, gpu_layers=20)) == [33]


@pytest.mark.parametrize(
    ("blocks", "split", "layers"),
    [
        # Llama-3.1-8B on two equal virtual GPUs: 17 blocks' cache, 544 MiB of 1,024 at 8k, on the first
        (32, None, [17, 16, 0]),
        # Llama-3-70B on four RTX 3090: 21, 20, 20 and 20 of 81 layers
        (80, [1, 1, 1, 1], [21, 20, 20, 20, 0]),
        (80, [3, 1], [61, 20, 0]),
        (32, [0, 1], [0, 33, 0]),
        (32, [1, 0], [33, 0, 0]),
        (32, [0, 0], [17, 16, 0]),
    ],
)
def test_layers_are_split_by_cumulative_shares(blocks: int, split: list[float] | None, layers: list[int]) -> None:
    assert layers_of(place(hyperparameters(blocks), NEW, gpus=len(layers) - 1, split=split)) == layers


def test_a_split_may_leave_gpus_out_at_the_end() -> None:
    assert layers_of(place(hyperparameters(32), NEW, gpus=3, split=[1, 1])) == [17, 16, 0, 0]


def test_a_split_for_more_gpus_than_there_are_is_refused() -> None:
    with pytest.raises(QuestionError, match="3 parts for 2 GPUs"):
        place(hyperparameters(32), NEW, gpus=2, split=[1, 1, 1])


def test_a_partial_split_divides_only_what_is_offloaded() -> None:
    assert layers_of(place(hyperparameters(32), NEW, gpus=2, gpu_layers=20)) == [10, 10, 13]


def test_experts_of_the_first_blocks_stay_on_the_host() -> None:
    placement = place(hyperparameters(4, mixture=(False, True, True, True)), NEW, gpus=1, experts_on_host=3)
    assert placement.experts_on_host == (False, True, True, False)
    assert [placement.experts(block) for block in range(4)] == [0, 1, 1, 0]
    assert placement.complete


def test_experts_of_blocks_on_the_host_are_not_counted_as_kept_back() -> None:
    placement = place(hyperparameters(4, mixture=(True,) * 4), NEW, gpus=1, gpu_layers=3, experts_on_host=4)
    assert placement.blocks == (1, 1, 0, 0)
    assert placement.experts_on_host == (False, False, True, True)


def test_only_complete_models_without_overrides_on_several_gpus_run_as_a_pipeline() -> None:
    hp = hyperparameters(4, mixture=(True,) * 4)
    assert place(hp, NEW, gpus=2).pipelined
    assert not place(hp, NEW, gpus=1).pipelined
    assert not place(hp, NEW, gpus=2, gpu_layers=4).pipelined
    assert not place(hp, NEW, gpus=2, experts_on_host=1).pipelined
