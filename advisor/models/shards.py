"""The safetensors files beside a `config.json`: what their tensors take, from their headers alone.

A file begins with the length of its header in 8 bytes and the header, a JSON object that gives each tensor a dtype, a shape and
where its bytes lie (https://github.com/huggingface/safetensors#format). Everything in it may be wrong or hostile.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advisor.errors import QuestionError

MOST_HEADER_BYTES = 32 * 2**20
"""A header of DeepSeek R1's 91,991 tensors takes about 12 MB in all; safetensors itself takes 100 MB."""
MOST_SHARDS = 1024
_LENGTH_BYTES = 8
_SHARD = re.compile(r"model(?:-(?P<part>\d{5})-of-(?P<count>\d{5}))?\.safetensors")
"""As transformers saves them; other names beside them are copies in another form ("consolidated.safetensors")."""
_NO_LANGUAGE = re.compile(r"(?:^|\.)(?:vision\w*|visual|audio\w*|multi_modal_projector|embed_vision|embed_audio|mtp)\.")
"""Parts that mlx_lm drops when it loads a model (models/gemma3.py, qwen2_vl.py, qwen3_5.py: `sanitize`)."""
_DTYPES = {"BF16": "BF16", "F16": "F16", "F32": "F32"}


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """Weights as a folder has them."""

    quantization: str
    """Our name where there is one ("BF16", "mlx-4bit", "awq-4bit"), else the method's own."""
    quantized: bool
    language_bytes: int
    other_bytes: int
    """Of encoders for images and sound, and of blocks that predict several tokens."""
    files: int


def stored_weights(folder: Path, config: Mapping[str, Any]) -> StoredWeights | None:
    """What the safetensors files in `folder` hold; None where there are none, or not all parts.

    Raises QuestionError where one of them is no sound safetensors file.
    """
    try:
        names = whole_set([path.name for path in folder.iterdir() if path.is_file()])
    except OSError:
        return None
    return None if names is None else weights_in(config, [_table_of_file(folder / name) for name in names])


def weights_in(config: Mapping[str, Any], tables: Sequence[Sequence[tuple[str, str, int]]]) -> StoredWeights:
    """What files of these tensors (name, dtype, bytes) hold, one table a file."""
    dtypes: Counter[str] = Counter()
    language = other = 0
    for table in tables:
        for name, dtype, size in table:
            dtypes[dtype] += size
            if _NO_LANGUAGE.search(name):
                other += size
            else:
                language += size
    method = _method(config)
    most = dtypes.most_common(1)[0][0] if dtypes else ""
    return StoredWeights(method or _DTYPES.get(most, most), method is not None, language, other, len(tables))


def whole_set(names: Iterable[str]) -> list[str] | None:
    """Of a folder's file names those of the model's parts, in order; None where there are none, or not all."""
    named = {name: match for name in sorted(names) if (match := _SHARD.fullmatch(name))}
    counts = {int(match["count"] or 1) for match in named.values()}
    if len(counts) != 1 or len(named) != counts.pop() or len(named) > MOST_SHARDS:
        return None
    return list(named)


def tensor_table(name: str, size: int, read: Callable[[int], bytes]) -> list[tuple[str, str, int]]:
    """Name, dtype and bytes of each tensor of the file `name` of `size` bytes, whose first bytes `read(count)` returns.

    Raises QuestionError where it is no sound safetensors file. `read` is called twice, what it raises goes through.
    """
    length = int.from_bytes(read(_LENGTH_BYTES)[:_LENGTH_BYTES], "little")
    if not 2 <= length <= min(MOST_HEADER_BYTES, size - _LENGTH_BYTES):
        raise _unsound(name, "its header has an impossible length")
    try:
        header = json.loads(read(_LENGTH_BYTES + length)[_LENGTH_BYTES : _LENGTH_BYTES + length])
    except (ValueError, RecursionError):
        raise _unsound(name, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _unsound(name, "its header is no JSON object")
    room = size - _LENGTH_BYTES - length
    return [(key, *_entry(name, value, room)) for key, value in header.items() if key != "__metadata__"]


def _table_of_file(path: Path) -> list[tuple[str, str, int]]:
    try:
        with path.open("rb") as file:

            def read(count: int) -> bytes:
                file.seek(0)
                return file.read(count)

            return tensor_table(path.name, path.stat().st_size, read)
    except OSError as error:
        raise _unsound(path.name, f"it cannot be read ({error.strerror or error})") from None


def _entry(name: str, value: object, room: int) -> tuple[str, int]:
    match value:
        case {"dtype": str(dtype), "data_offsets": [int(start), int(end)]} if 0 <= start <= end <= room:
            return dtype[:16], end - start
    raise _unsound(name, "a tensor in its header lies nowhere in the file")


def _unsound(name: str, why: str) -> QuestionError:
    return QuestionError(f'"{name}" is no sound safetensors file: {why}; download it again', field="model")


def _method(config: Mapping[str, Any]) -> str | None:
    """How the weights are quantized, by the configuration: MLX's "quantization" or everybody else's "quantization_config"."""
    match config:
        case {"quantization": {"bits": int(bits), **more}} if more.get("mode", "affine") == "affine":
            return f"mlx-{bits}bit"
        case {"quantization_config": {"quant_method": "bitsandbytes", **more}}:
            return "bnb-4bit" if more.get("load_in_4bit") else "bnb-8bit"
        case {"quantization_config": {"quant_method": "mxfp4"}}:
            return "MXFP4_MOE"
        case {"quantization_config": {"quant_method": ("awq" | "gptq") as method, **more}}:
            width = more.get("bits", 4)
            return f"{method}-{width if isinstance(width, int) else 4}bit"
        case {"quantization_config": {"quant_method": str(method)}} | {"quantization": {"mode": str(method)}}:
            return method[:24]
    return None
