"""Weights by device: what lies where, without the ranges that a mapped file spans."""

import numpy as np
from numpy.typing import NDArray

from advisor.memory.placement import Placement
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.weight_table import WeightTable

WITHOUT_OUTPUT = frozenset(
    {
        "bert",
        "bitnet",
        "eurobert",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
    }
)
"""Architectures that load no output matrix of their own, not even a copy of the token embedding (no LLM_TENSOR_OUTPUT and no
TENSOR_DUPLICATED in their file of src/models/): encoders, and BitNet, which multiplies by the embedding where it lies."""


OUTPUT_FIRST = frozenset({"gemma3n", "gemma4"})
"""Architectures that make the output matrix before the token embedding (src/models/gemma3n.cpp:28-34, gemma4.cpp:50-56): where
both lie on the host, the loader finds none to share yet and makes a tied embedding twice. A mapped file has it in memory once;
it counts as the engine counts it."""


def loaded_blocks(hp: Hyperparameters, *, nextn: bool = False) -> NDArray[np.bool_]:
    """Which blocks of the file are loaded: blocks for multi-token prediction only where drafting with them is asked for.

    llama_model_params.load_mtp is false by default (src/llama-model.cpp:2927) and skips their tensors (TENSOR_SKIP in
    src/models/*.cpp); builds before that ignore them as unused.
    """
    loaded = np.ones(hp.block_count, dtype=np.bool_)
    if not nextn:
        loaded[hp.layer_count :] = False
    return loaded


def weights_by_device(
    table: WeightTable, placement: Placement, hp: Hyperparameters, *, nextn: bool = False, per_layer_on_host: bool = True
) -> NDArray[np.int64]:
    """Bytes of weights on each device, the host last.

    The input layer is always the host's (src/llama-model.cpp:1603-1605). A tied embedding is on the output layer's GPU a second
    time (src/llama-model-loader.cpp, TENSOR_DUPLICATED); on the host both are one tensor but for `OUTPUT_FIRST`. The host's
    figure is what its tensors take, not the range of the file between the first and the last of them, which load logs print as
    CPU_Mapped.
    """
    by_device = np.zeros(placement.device_count, dtype=np.int64)
    loaded = loaded_blocks(hp, nextn=nextn)
    blocks = np.asarray(placement.blocks)
    experts = np.where(np.asarray(placement.experts_on_host), placement.host, blocks)
    np.add.at(by_device, blocks, np.where(loaded, table.block_bytes, 0))
    np.add.at(by_device, experts, np.where(loaded, table.expert_bytes, 0))
    by_device[placement.host] += table.token_embedding_bytes + table.other_input_bytes
    by_device[placement.host if per_layer_on_host else placement.output] += table.per_layer_embedding_bytes
    by_device[placement.output] += table.other_output_bytes
    if table.output_bytes is not None:
        by_device[placement.output] += table.output_bytes
    else:
        by_device[placement.output] += tied_copy_bytes(table, placement, hp)
    return by_device


def tied_copy_bytes(table: WeightTable, placement: Placement, hp: Hyperparameters) -> int:
    """Bytes of the token embedding's second copy on the output layer's device; 0 where there is none."""
    second = placement.output != placement.host or hp.architecture in OUTPUT_FIRST
    tied = table.output_bytes is None and second and hp.architecture not in WITHOUT_OUTPUT
    return table.token_embedding_bytes if tied else 0
