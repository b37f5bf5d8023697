"""A GGUF file without its weights: header and tensor table, then a hole as long as the weights. The engine plans on it.

The hole takes no disk space where the file system knows sparse files. The vocabulary is left out (`no_vocab`), which makes a
load ten times quicker and changes no size.
"""

import os
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from advisor.errors import MissingPartError
from advisor.models.file_size import padded
from advisor.models.keys_experts import weights_normed
from advisor.models.tensor import Tensor

_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _UINT64 = 4, 5, 6, 7, 8, 9, 10
"""gguf_type, ggml/include/gguf.h."""
_MAX_ALLOCATED = 1 << 20
"""Bytes beyond the header that a sparse file may take on disk."""

_GRANITE: dict[str, object] = {"residual_scale": 0.22, "embedding_scale": 12.0, "attention.scale": 0.015625, "logit_scale": 8.0}
_NEEDED: dict[str, dict[str, object]] = {
    "granite": _GRANITE,
    "granitemoe": _GRANITE,
    "granitehybrid": _GRANITE,
    "graniteswitch": _GRANITE,
    "command-r": {"logit_scale": 0.0625},
    "cohere2": {"logit_scale": 0.0625},
    "cohere2moe": {"logit_scale": 0.0625},
    "gemma4": {"embedding_length_per_layer_input": 0},
    "gptneox": {"use_parallel_residual": True},
}
"""Keys that the engine insists on and no size depends on, with values such as files have (load_arch_hparams, src/models/)."""
_WITH_TOKEN_TYPES = ("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3")
_SECTIONED_ROTATION = ("qwen2vl", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen4exp")


def write_skeleton(path: Path, keys: Mapping[str, object], tensors: Iterable[Tensor], *, vocab_size: int | None = None) -> int:
    """Write a loadable GGUF file of `tensors` at `path` and return its length in bytes, nearly all of it a hole.

    `keys` are metadata keys with their architecture's prefix, from a header or the catalogue; what the engine needs beside them
    is added. The vocabulary is as large as the token embedding unless `vocab_size` says otherwise. Raises MissingPartError, and
    leaves no file, where the disk cannot keep a hole.
    """
    tensors = tuple(tensors)
    if vocab_size is None:
        vocab_size = next((tensor.shape[-1] for tensor in tensors if tensor.name == "token_embd.weight"), 0)
    header = _header(skeleton_keys(keys, tensors, vocab_size), tensors)
    length = len(header) + sum(padded(tensor.n_bytes) for tensor in tensors)
    try:
        with path.open("wb") as file:
            file.write(header)
            file.flush()
            _mark_sparse(file.fileno())
            file.truncate(length)
            allocated = _allocated(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise MissingPartError(
            f"the engine's planning file could not be written in {path.parent} ({error.strerror})"
        ) from error
    if allocated is not None and allocated > len(header) + _MAX_ALLOCATED:
        path.unlink()
        raise MissingPartError(
            f"{path.parent} is on a disk without sparse files, so the engine cannot plan there; set TMPDIR to a local disk"
        )
    return length


def skeleton_keys(keys: Mapping[str, object], tensors: Iterable[Tensor], vocab_size: int) -> dict[str, object]:
    """`keys` without the tokenizer and the file's own layout, and with all that the engine insists on."""
    architecture = str(keys["general.architecture"])
    kept = {
        name: value
        for name, value in keys.items()
        if isinstance(value, int | float | str | tuple | list)
        and not name.startswith(("tokenizer.", "split.", "general.alignment"))
    }
    added = _added(architecture, keys, {tensor.name: tensor.shape for tensor in tensors})
    return {**added, **kept, "tokenizer.ggml.model": "no_vocab", f"{architecture}.vocab_size": vocab_size}


def _added(architecture: str, keys: Mapping[str, object], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """Keys that may be missing where `keys` come from the catalogue; those in `keys` go before them."""
    added: dict[str, object] = {
        f"{architecture}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{architecture}.attention.layer_norm_epsilon": 1e-5,
    }
    added |= {f"{architecture}.{name}": value for name, value in _NEEDED.get(architecture, {}).items()}
    if f"{architecture}.expert_count" in keys:
        sigmoid = any("exp_probs_b" in name for name in shapes)
        added[f"{architecture}.expert_weights_norm"] = weights_normed(architecture, None, shapes)
        added[f"{architecture}.expert_gating_func"] = 4 if architecture == "deepseek4" else 2 if sigmoid else 1
    if architecture in _SECTIONED_ROTATION:
        added[f"{architecture}.rope.dimension_sections"] = _sections(architecture, keys)
    if architecture == "apertus":
        blocks = keys["apertus.block_count"]
        assert isinstance(blocks, int)
        added |= {f"xielu.{name}": (0.5,) * blocks for name in ("alpha_n", "alpha_p", "beta", "eps")}
    if architecture in _WITH_TOKEN_TYPES:
        added["tokenizer.ggml.token_type_count"] = shapes.get("token_types.weight", (0, 1))[-1]
    return added


def _sections(architecture: str, keys: Mapping[str, object]) -> tuple[int, ...]:
    """Half the rotated dimensions in three parts, as Qwen's files have them (24, 20, 20 of 64; 11, 11, 10 of 32)."""
    embedding, heads = keys[f"{architecture}.embedding_length"], keys[f"{architecture}.attention.head_count"]
    assert isinstance(embedding, int)
    assert isinstance(heads, int)
    width = keys.get(
        f"{architecture}.rope.dimension_count", keys.get(f"{architecture}.attention.key_length", embedding // heads)
    )
    assert isinstance(width, int)
    half = width // 2
    return (half - 2 * (half // 3), half // 3, half // 3, 0)


def _header(keys: Mapping[str, object], tensors: tuple[Tensor, ...]) -> bytes:
    table, offset = [], 0
    for tensor in tensors:
        dimensions = len(tensor.shape)
        table.append(_string(tensor.name) + struct.pack(f"<I{dimensions}QIQ", dimensions, *tensor.shape, tensor.type, offset))
        offset += padded(tensor.n_bytes)
    pairs = [pair for name, value in keys.items() if (pair := _pair(name, value))]
    header = b"".join([b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(pairs)), *pairs, *table])
    return header.ljust(padded(len(header)), b"\0")


def _pair(name: str, value: object) -> bytes | None:
    """A key with its value; None for a list that the engine has no use for (strings, nothing)."""
    if not isinstance(value, tuple | list):
        kind, raw = _scalar(value)
        return _string(name) + struct.pack("<I", kind) + raw
    if not value or isinstance(value[0], str):
        return None
    kind, code = (
        (_BOOL, "?")
        if isinstance(value[0], bool)
        else (_FLOAT32, "f")
        if any(isinstance(item, float) for item in value)
        else (_INT32, "i")
        if all(-(2**31) <= item < 2**31 for item in value)
        else (_UINT64, "Q")
    )
    return _string(name) + struct.pack(f"<IIQ{len(value)}{code}", _ARRAY, kind, len(value), *value)


def _scalar(value: object) -> tuple[int, bytes]:
    match value:
        case bool():
            return _BOOL, struct.pack("<?", value)
        case int() if 0 <= value < 2**32:
            return _UINT32, struct.pack("<I", value)
        case int() if value < 0:
            return _INT32, struct.pack("<i", value)
        case int():
            return _UINT64, struct.pack("<Q", value)
        case float():
            return _FLOAT32, struct.pack("<f", value)
        case _:
            return _STRING, _string(str(value))


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _allocated(descriptor: int) -> int | None:
    """Bytes that the file takes on disk; None where the system does not say (Windows)."""
    blocks = getattr(os.fstat(descriptor), "st_blocks", None)
    return None if blocks is None else blocks * 512


def _mark_sparse(descriptor: int) -> None:
    """Windows keeps holes only in files marked so (FSCTL_SET_SPARSE); elsewhere there is nothing to do."""
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        handle, returned = msvcrt.get_osfhandle(descriptor), ctypes.c_ulong()
        if not ctypes.windll.kernel32.DeviceIoControl(
            ctypes.c_void_p(handle), 0x000900C4, None, 0, None, 0, ctypes.byref(returned), None
        ):
            raise OSError(0, "the disk keeps no sparse files")
