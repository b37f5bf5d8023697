"""The names of quantizations: `QUANTIZATIONS`, and `parse_quantization` from whatever people and logs write."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from advisor.errors import QuestionError

SizeRatio = tuple[float, float, float]
"""Lowest, expected and highest ratio seen between published files and llama.cpp's own mix of the same base."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """One name of a quantization and how its tensor types are found."""

    name: str
    base: str
    """The file type of llama.cpp whose rules choose the types; `name` itself for a plain one."""
    default_type: GGMLQuantizationType | None
    """Type of a tensor that no rule mentions; None for a format that is not GGUF."""
    ftype: int | None
    """`enum llama_ftype` of llama.cpp: general.file_type in a header."""
    label: str | None
    """As llama.cpp prints it: "Q4_K - Medium"."""
    needs_imatrix: bool = False
    """llama-quantize refuses to make it without an importance matrix."""
    embedding_type: GGMLQuantizationType | None = None
    """Type of the token embedding and of the output tensor where the name sets it ("Q4_K_L")."""
    bits: int | None = None
    """Bits of an MLX quantization (groups of 64 with a scale and a bias)."""
    dense_ratio: SizeRatio | None = None
    mixture_ratio: SizeRatio | None = None

    @property
    def default_bits(self) -> float:
        """Bits a weight of the tensors that no rule mentions, which are most; 16 for what is not a GGUF quantization."""
        if self.default_type is None:
            return 16.0
        block, size = GGML_QUANT_SIZES[self.default_type]
        return 8 * size / block

    @property
    def exact(self) -> bool:
        """True where the types are known for certain; False for publishers' mixes that are not public (UD-*, Q4_K_L)."""
        return self.dense_ratio is None and self.mixture_ratio is None

    @property
    def is_gguf(self) -> bool:
        return self.default_type is not None

    def size_ratio(self, *, mixture: bool) -> SizeRatio:
        """(low, expected, high) of the real size over that of `base`, for a mixture of experts or a dense model.

        (1, 1, 1) where exact; where only the other kind of model was seen, its ratio.
        """
        first, second = (self.mixture_ratio, self.dense_ratio) if mixture else (self.dense_ratio, self.mixture_ratio)
        return first or second or (1.0, 1.0, 1.0)


def _read_table() -> dict[str, Any]:
    return tomllib.loads(resources.files("advisor.models").joinpath("quantization_names.toml").read_text("utf-8"))


def _build(table: Mapping[str, Any]) -> dict[str, Quantization]:
    known: dict[str, Quantization] = {}
    for name, row in table["plain"].items():
        kind = GGMLQuantizationType[row["default"]]
        known[name] = Quantization(name, name, kind, row["ftype"], row["label"], row.get("imatrix", False))
    for name, row in table["large"].items():
        known[name] = _published(name, known[row["base"]], row, GGMLQuantizationType[row["embedding"]])
    for suffix, row in table["dynamic"].items():
        known[f"UD-{suffix}"] = _published(f"UD-{suffix}", known[row["base"]], row)
    for bits in table["mlx"]["bits"]:
        name = f"mlx-{bits}bit"
        known[name] = Quantization(name, name, None, None, None, bits=bits)
    return known


def _published(
    name: str, base: Quantization, row: Mapping[str, Any], embedding: GGMLQuantizationType | None = None
) -> Quantization:
    """A name that publishers use for a mix of their own near `base`."""
    dense, mixture = (tuple(row[kind]) if kind in row else None for kind in ("dense", "mixture"))
    return replace(base, name=name, label=None, embedding_type=embedding, dense_ratio=dense, mixture_ratio=mixture)


_TABLE = _read_table()
QUANTIZATIONS: Mapping[str, Quantization] = MappingProxyType(_build(_TABLE))
"""Every quantization known by name, plain file types of llama.cpp first."""

_LONGEST = 48
"""Letters of a text that can be a name; more is cut off before it is looked at or shown."""

_MLX = re.compile(r"MLX_?(?:Q|INT)?_?(\d)_?(?:BITS?)?")
_PREFIX = re.compile(r"^(?:\(GUESSED\)\s*)?(?:LLAMA_FTYPE_|LLAMAFILETYPE\.)?(?:MOSTLY_|ALL_)?")


def _key(text: str) -> str:
    """One spelling for all ways to write a name: upper case, one underscore for spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]+", "_", _PREFIX.sub("", text.strip().upper()))


@cache
def _spellings() -> dict[str, str]:
    spellings = {_key(name): name for name in QUANTIZATIONS}
    spellings |= {_key(q.label): q.name for q in QUANTIZATIONS.values() if q.label}
    return spellings | {_key(alias): name for alias, name in _TABLE["aliases"].items()}


def is_quantization(text: str) -> bool:
    """True where `parse_quantization` knows the name."""
    key = _key(text)
    match = _MLX.fullmatch(key)
    return key in _spellings() or (match is not None and f"mlx-{match[1]}bit" in QUANTIZATIONS)


def parse_quantization(text: str) -> str:
    """Canonical name of a quantization written in any usual way.

    Case does not matter, nor do hyphens for underscores. Understood are llama.cpp's names and aliases ("q4_k" is Q4_K_M), what
    its logs print ("Q4_K - Medium", "IQ3_S mix - 3.66 bpw"), names of `enum llama_ftype` ("LLAMA_FTYPE_MOSTLY_Q8_0"), UD- names
    and MLX ("MLX-Q4" is mlx-4bit). Raises QuestionError with the nearest names on anything else.
    """
    key = _key(text)
    spellings = _spellings()
    if key in spellings:
        return spellings[key]
    if match := _MLX.fullmatch(key):
        name = f"mlx-{match[1]}bit"
        if name in QUANTIZATIONS:
            return name
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    near = dict.fromkeys(spellings[found] for found in get_close_matches(key[:_LONGEST], spellings, n=4, cutoff=0.5))
    hint = f"; did you mean {', '.join(near)}?" if near else "; write it as llama.cpp does, such as Q4_K_M"
    raise QuestionError(f'"{shown}" is not a quantization that Headroom knows{hint}', field="quantization")


def quantization(text: str) -> Quantization:
    """The `Quantization` of a name in any spelling. Raises QuestionError like `parse_quantization`."""
    return QUANTIZATIONS[parse_quantization(text)]


def from_ftype(ftype: int) -> str | None:
    """Name of a general.file_type value; None where this version does not know it. Guessed types (bit 1024) count as named."""
    ftype &= ~1024
    return next((q.name for q in QUANTIZATIONS.values() if q.ftype == ftype and q.base == q.name), None)
