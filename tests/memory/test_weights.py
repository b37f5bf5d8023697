"""Weights by device. Literal sizes are those of load logs and of the engine on virtual GPUs."""

import pytest

from advisor.memory.placement import place
from advisor.memory.rules import rules_for
from advisor.memory.weights import tied_copy_bytes, weights_by_device
from advisor.models.weight_table import WeightTable
from tests.memory.models import MIB, file, hyperparameters, tensor

RULES = rules_for()
TENSORS = (
    tensor("token_embd.weight", 1000),
    *(tensor(f"blk.{i}.attn_q.weight", 10) for i in range(4)),
    *(tensor(f"blk.{i}.ffn_gate_exps.weight", 100) for i in range(4)),
    tensor("output_norm.weight", 1),
)
OUTPUT = tensor("output.weight", 500)


def by_device(*extra: object, blocks: int = 4, tied: bool = False, architecture: str = "llama", **placed: object) -> list[int]:
    hp = hyperparameters(blocks, architecture=architecture, mixture=(True,) * blocks, nextn_predict_layers=blocks - 4)
    tensors = [*TENSORS, *extra] if tied else [*TENSORS, OUTPUT, *extra]
    table = WeightTable.from_tensors(tensors, blocks, architecture)  # type: ignore[arg-type]
    placement = place(hp, RULES, **placed)  # type: ignore[arg-type]
    return weights_by_device(table, placement, hp).tolist()


def test_the_token_embedding_stays_on_the_host() -> None:
    assert by_device(gpus=1) == [4 * 220 + 1000 + 2, 2000]


def test_a_tied_embedding_is_on_the_gpu_a_second_time() -> None:
    assert by_device(gpus=1, tied=True) == [4 * 220 + 2000 + 2, 2000]


def test_a_tied_embedding_counts_once_on_the_host() -> None:
    assert by_device(gpus=0, tied=True) == [4 * 220 + 2000 + 2]


def test_encoders_have_no_output_to_tie() -> None:
    assert by_device(gpus=1, tied=True, architecture="bert") == [4 * 220 + 2, 2000]


def test_partial_offload_leaves_the_first_blocks() -> None:
    assert by_device(gpus=1, gpu_layers=3) == [2 * 220 + 1000 + 2, 2000 + 2 * 220]


def test_experts_kept_back_lie_on_the_host() -> None:
    assert by_device(gpus=1, experts_on_host=3) == [4 * 20 + 200 + 1000 + 2, 2000 + 3 * 200]


def test_blocks_for_multi_token_prediction_are_not_loaded() -> None:
    extra = tensor("blk.4.attn_q.weight", 10)
    assert by_device(extra, gpus=1, blocks=5) == by_device(gpus=1)


@pytest.mark.parametrize(
    ("model", "quantization", "gpu", "host"),
    [
        # the engine on a virtual GPU, and CUDA logs: 4403.49 + 281.81 MiB
        ("llama-3.1-8b", "Q4_K_M", 4403.49, 281.81),
        # load log gemma3-1b Q4_K_M, CUDA: 762.54 on CUDA0 and 306.00 on the host, tied
        ("gemma-3-1b", "Q4_K_M", 762.54, 306.00),
        # the engine on a virtual GPU: 15,773.62 on the GPU and 1,102.50 on the host, tied
        ("gemma-3-27b", "Q4_K_M", 15773.62, 1102.50),
        # 784.42 + 16,906.92 MiB with experts on the host, of which 166.92 are the embedding that load logs print
        ("qwen3-30b-a3b", "Q4_K_M", 17524.42, 166.92),
    ],
)
def test_real_files_fall_into_the_parts_that_logs_print(model: str, quantization: str, gpu: float, host: float) -> None:
    metadata = file(model, quantization)
    placement = place(metadata.hyperparameters, RULES, gpus=1)
    sizes = weights_by_device(metadata.weight_table, placement, metadata.hyperparameters) / MIB
    assert sizes.tolist() == pytest.approx([gpu, host], rel=3e-4)


def test_experts_of_qwen3_30b_on_the_host_are_where_the_engine_puts_them() -> None:
    # the engine on a virtual GPU with every block's experts overridden to the host: 784.42 and 16,906.92 MiB
    metadata = file("qwen3-30b-a3b")
    placement = place(metadata.hyperparameters, RULES, gpus=1, experts_on_host=48)
    sizes = weights_by_device(metadata.weight_table, placement, metadata.hyperparameters) / MIB
    assert sizes.tolist() == pytest.approx([784.42, 16906.92], abs=0.006)


def test_the_second_copy_is_as_large_as_the_embedding() -> None:
    metadata = file("gemma-3-1b")
    hp = metadata.hyperparameters
    assert tied_copy_bytes(metadata.weight_table, place(hp, RULES, gpus=1), hp) == pytest.approx(306 * MIB)
    assert tied_copy_bytes(metadata.weight_table, place(hp, RULES, gpus=1, gpu_layers=0), hp) == 0
