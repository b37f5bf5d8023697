"""Public load logs of llama.cpp as questions: what a log says of model, file and run, without the sizes that it prints.

The form is one JSON object a line, as in `data/memory_cases.jsonl`. Nothing here reads the key `sizes_mib`: the
sizes are what predictions are compared with (`advisor.accuracy.logged`).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from advisor.accuracy.engine_builds import engine_build, engine_by_vocabulary
from advisor.errors import QuestionError
from advisor.models.quantization_names import QUANTIZATIONS, parse_quantization
from advisor.units import GIB, MIB

_KEY_OF_HPARAM = {
    "n_ctx_train": "context_length",
    "n_embd": "embedding_length",
    "n_vocab": "vocab_size",
    "n_head": "attention.head_count",
    "n_head_kv": "attention.head_count_kv",
    "n_embd_head_k": "attention.key_length",
    "n_embd_head_v": "attention.value_length",
    "n_embd_head_k_mla": "attention.key_length_mla",
    "n_embd_head_v_mla": "attention.value_length_mla",
    "n_rot": "rope.dimension_count",
    "n_swa": "attention.sliding_window",
    "n_ff": "feed_forward_length",
    "n_ff_exp": "expert_feed_forward_length",
    "n_ff_shexp": "expert_shared_feed_forward_length",
    "n_expert": "expert_count",
    "n_expert_used": "expert_used_count",
    "n_expert_shared": "expert_shared_count",
    "n_layer_dense_lead": "leading_dense_block_count",
    "n_lora_q": "attention.q_lora_rank",
    "n_lora_kv": "attention.kv_lora_rank",
    "ssm_d_conv": "ssm.conv_kernel",
    "ssm_d_inner": "ssm.inner_size",
    "ssm_d_state": "ssm.state_size",
    "ssm_dt_rank": "ssm.time_step_rank",
    "ssm_n_group": "ssm.group_count",
}
"""print_info's names (llama.cpp src/llama-model.cpp, `llama_model::print_info`) and the GGUF keys that they come from."""

_IN_FILE_NAME = re.compile(
    r"(?:^|[-_.])(UD-)?(B?F16|F32|MXFP4(?:_MOE)?|T?Q\d_[01]|I?Q\d_(?:K_?(?:XL|[SML])|K|XXS|XS|NL|[SM]))(?=[-_.]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A printed number with the range that rounding leaves."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The number as printed."""
        return (self.low + self.high) / 2

    def holds(self, value: float) -> bool:
        """True where `value` would have been printed like this."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class LoadCase:
    """One load log without its sizes. None is what the log does not say."""

    id: str
    source: str
    printed_build: str | None
    date: str | None
    engine: str | None
    """Build or date whose rules apply, for `rules_for`."""
    architecture: str | None
    name: str | None
    file_name: str | None
    keys: Mapping[str, object]
    """GGUF metadata keys that print_info's lines stand for."""
    hparams: Mapping[str, Any]
    """As printed, for what no key says (`n_embd_k_gqa`)."""
    parameters: Interval | None
    file_bytes: Interval | None
    """Bytes of all tensors, as the loader prints them ("file size = 1.79 GiB")."""
    bits_per_weight: Interval | None
    quantization: str | None
    """Canonical; a recipe of the file's name ("UD-Q4_K_XL") where it rests on the printed type."""
    embedding_type: str | None
    """Type of the token embedding where the file's name sets it ("model-q4_0-emb_f32")."""
    gpus: tuple[str, ...]
    """Devices as the log names them, without the CPU."""
    offloaded: tuple[int, int] | None
    run: Mapping[str, Any]
    notes: str
    partial: bool


def load_cases(path: Path) -> list[dict[str, Any]]:
    """The records of a file with one JSON object a line. Raises OSError and ValueError as they come."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def parse_case(record: Mapping[str, Any]) -> LoadCase:
    """The question in `record`; never looks at its sizes."""
    hparams = {name: value for name, value in (record.get("hparams") or {}).items() if value is not None}
    run = {name: value for name, value in (record.get("run") or {}).items() if value is not None}
    architecture = _architecture(record.get("arch"))
    file_name = _base_name(record.get("model_file"))
    return LoadCase(
        id=record["id"],
        source=record["source"],
        printed_build=record.get("build"),
        date=record.get("date"),
        engine=_engine(record, file_name) or engine_by_vocabulary(run, hparams),
        architecture=architecture,
        name=record.get("model"),
        file_name=file_name,
        keys=metadata_keys(architecture, hparams) if architecture else {},
        hparams=hparams,
        parameters=_parameters(record.get("params")),
        file_bytes=_file_bytes(record.get("file_size_printed"), record.get("file_size_gib")),
        bits_per_weight=_printed(record.get("bpw"), 2),
        quantization=_quantization(record.get("ftype"), file_name),
        embedding_type=_embedding_type(file_name),
        gpus=tuple(name for name in run.get("backends", ()) if name not in ("CPU", "BLAS")),
        offloaded=_offloaded(run.get("offloaded")),
        run=run,
        notes=record.get("notes") or "",
        partial=bool(record.get("partial")),
    )


def _engine(record: Mapping[str, Any], file_name: str | None) -> str | None:
    """Build or date of the log's engine; a file named by its hash ("sha256-...") lies in Ollama's store."""
    stored = (file_name or "").startswith("sha256-")
    return engine_build(record.get("build"), record.get("date"), ollama_file=stored)


def metadata_keys(architecture: str, hparams: Mapping[str, Any]) -> dict[str, object]:
    """GGUF keys for print_info's values. A printed zero means that the model has none of it, and becomes no key."""
    keys: dict[str, object] = {"general.architecture": architecture}
    for name, key in _KEY_OF_HPARAM.items():
        value = hparams.get(name)
        if value is not None and value != 0:
            keys[f"{architecture}.{key}"] = tuple(value) if isinstance(value, list) else value
    blocks = hparams.get("n_layer_all", hparams.get("n_layer"))
    if blocks is not None:
        keys[f"{architecture}.block_count"] = blocks
    if blocks is not None and (extra := blocks - hparams.get("n_layer", blocks)) > 0:
        keys[f"{architecture}.nextn_predict_layers"] = extra
    return keys | _window_keys(architecture, hparams)


def _window_keys(architecture: str, hparams: Mapping[str, Any]) -> dict[str, object]:
    """Keys for models whose sliding-window blocks have heads of another width (Gemma 4).

    print_info prints n_embd_head_k of the full-attention blocks and n_embd_k_gqa of every block: a block whose heads are of
    another width slides.
    """
    keys: dict[str, object] = {}
    slides: tuple[bool, ...] | None = None
    for letter, name in (("k", "key"), ("v", "value")):
        widths, full = hparams.get(f"n_embd_{letter}_gqa"), hparams.get(f"n_embd_head_{letter}")
        if not isinstance(widths, list) or not full or not hparams.get("n_swa"):
            continue
        heads = _spread(hparams.get("n_head_kv"), len(widths))
        lengths = [width // n if n else full for width, n in zip(widths, heads, strict=True)]
        other = {length for length in lengths if length != full}
        if len(other) == 1:
            keys[f"{architecture}.attention.{name}_length_swa"] = other.pop()
            slides = tuple(length != full for length in lengths)
    if slides is not None:
        keys[f"{architecture}.attention.sliding_window_pattern"] = slides
    return keys


def _spread(value: object, count: int) -> Sequence[int]:
    return value if isinstance(value, list) else [value if isinstance(value, int) else 0] * count


def _architecture(printed: str | None) -> str | None:
    """The architecture, without a remark ("gpt-oss (inferred)")."""
    return printed.split(" ")[0] if printed else None


def _base_name(path: str | None) -> str | None:
    """The file's name of a path as any system writes it."""
    return PureWindowsPath(path).name if path else None


def _known(text: str | None) -> str | None:
    """Canonical name of a printed file type or of a part of a file's name; None where it is none that is known."""
    try:
        return parse_quantization(text) if text else None
    except QuestionError:
        return None


def _named_recipe(file_name: str | None) -> str | None:
    """The last quantization that a file's name holds ("UD-Q4_K_XL"), canonical, or None."""
    found = list(_IN_FILE_NAME.finditer(re.sub(r"\.gguf$", "", file_name or "", flags=re.IGNORECASE)))
    return _known((found[-1][1] or "") + found[-1][2]) if found else None


def _quantization(ftype: str | None, file_name: str | None) -> str | None:
    """The printed file type; a recipe of its name where it rests on that type ("Q4_K_L" on Q4_K_M) or none is printed."""
    printed, named = _known(re.sub(r"\s*\(guessed\)", "", ftype or "")), _named_recipe(file_name)
    if printed is None or (named is not None and QUANTIZATIONS[named].base == printed):
        return named
    return printed


def _embedding_type(file_name: str | None) -> str | None:
    match = re.search(r"emb_(f32|f16|bf16|q\d_[01k])", file_name or "", re.IGNORECASE)
    return match[1].upper() if match else None


def _parameters(printed: str | None) -> Interval | None:
    """Number of weights in "3.09 B" or "406.29 M"."""
    match = re.fullmatch(r"\s*([\d.]+)\s*([KMBT])\s*", printed or "")
    if match is None:
        return None
    scale = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[match[2]]
    return _scaled(match[1], scale)


def _file_bytes(printed: str | None, size_gib: float | None) -> Interval | None:
    """Bytes in "1.79 GiB (4.99 BPW)"; from the converted number of GiB where the text is cut."""
    match = re.match(r"\s*([\d.]+)\s*([MG])iB", printed or "")
    if match is not None:
        return _scaled(match[1], MIB if match[2] == "M" else GIB)
    return None if size_gib is None else Interval((size_gib - 0.005) * GIB, (size_gib + 0.005) * GIB)


def _scaled(digits: str, scale: float) -> Interval:
    half = 0.5 * 10 ** -len(digits.partition(".")[2])
    return Interval((float(digits) - half) * scale, (float(digits) + half) * scale)


def _printed(value: float | None, digits: int) -> Interval | None:
    return None if value is None else Interval(value - 0.5 * 10**-digits, value + 0.5 * 10**-digits)


def _offloaded(printed: str | None) -> tuple[int, int] | None:
    """The two numbers of "offloaded 33/65 layers to GPU"."""
    match = re.fullmatch(r"(\d+)/(\d+)", printed or "")
    return (int(match[1]), int(match[2])) if match else None
