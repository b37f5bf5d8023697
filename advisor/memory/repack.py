"""Weights that llama.cpp copies into a layout of the CPU's own as it loads them (CPU_REPACK, AMX in load logs).

Only where no GPU takes part: with one, weights on the host stay as the file has them (src/llama-model.cpp, make_cpu_buft_list
puts the GPU's host buffer first). The copy takes as much as the original, whose pages in the file are then free to be dropped,
so a plan counts such weights once.
"""

from collections.abc import Iterable, Sequence

from gguf.constants import GGMLQuantizationType as Q

from advisor.machines.profile import MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.models.metadata import ModelMetadata
from advisor.models.tensor import Tensor
from advisor.units import format_size

# ggml/src/ggml-cpu/repack.cpp:4974-5130: (instruction sets, all of them needed; type; rows in a group)
_LAYOUTS: tuple[tuple[frozenset[str], Q, int], ...] = (
    (frozenset({"avx2"}), Q.Q4_0, 8),
    (frozenset({"avx2"}), Q.Q4_K, 8),
    (frozenset({"avx2"}), Q.IQ4_NL, 8),
    (frozenset({"avx2"}), Q.MXFP4, 8),
    (frozenset({"avx512f"}), Q.Q2_K, 8),
    (frozenset({"neon", "dotprod"}), Q.Q4_0, 4),
    (frozenset({"neon", "dotprod"}), Q.Q4_K, 8),
    (frozenset({"neon", "dotprod"}), Q.Q5_K, 8),
    (frozenset({"neon", "dotprod"}), Q.Q6_K, 8),
    (frozenset({"neon", "dotprod"}), Q.IQ4_NL, 4),
    (frozenset({"neon", "dotprod"}), Q.MXFP4, 4),
    (frozenset({"neon", "dotprod"}), Q.Q8_0, 4),
)
# ggml/src/ggml-cpu/amx/common.h, qtype_has_amx_kernels
_AMX = frozenset({Q.Q4_0, Q.Q4_1, Q.Q8_0, Q.Q4_K, Q.Q5_K, Q.Q6_K, Q.IQ4_XS})
_EMBEDDINGS = ("token_embd.weight", "per_layer_token_embd.weight", "position_embd.weight", "token_types.weight")


def repack_note(model: ModelMetadata, machine: MachineProfile | None, plan: MemoryPlan) -> tuple[str, ...]:
    """A sentence on the copies that `machine` makes of the weights of `plan`; nothing where it makes none, or nobody knows."""
    if machine is None or len(plan.devices) > 1:
        return ()
    size = repacked_bytes(model.tensors, machine.cpu.instruction_sets)
    if not size:
        return ()
    said = (
        f"llama.cpp copies {format_size(size)} of weights into a layout of this processor's own; they count once, since the "
        "system can drop the file's pages."
    )
    return (said,)


def repacked_bytes(tensors: Iterable[Tensor], instruction_sets: Sequence[str]) -> int:
    """Bytes of the weights that are copied on a CPU with these instruction sets; 0 where none are known.

    A token embedding is copied only where it serves as output too.
    """
    listed = tuple(tensors)
    tied = all(tensor.name != "output.weight" for tensor in listed)
    left = _EMBEDDINGS[1:] if tied else _EMBEDDINGS
    known = frozenset(instruction_sets)
    groups = {kind: rows for needed, kind, rows in _LAYOUTS if needed <= known}
    amx = _AMX if "amx_int8" in known else frozenset[Q]()
    return sum(
        tensor.n_bytes
        for tensor in listed
        if len(tensor.shape) > 1
        and tensor.name not in left
        and (tensor.type in amx or (tensor.type in groups and tensor.shape[1] % groups[tensor.type] == 0))
    )
