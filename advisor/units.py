"""Bytes to text and back. Everywhere else in the package a size is an `int` number of bytes."""

import re
from math import inf
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from advisor.errors import shortened

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40

UnitSystem = Literal["GiB", "GB"]

_FACTORS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": KIB,
    "MIB": MIB,
    "GIB": GIB,
    "TIB": TIB,
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)\s*", re.IGNORECASE)


def gib(size_bytes: float) -> float:
    """GiB (2**30 bytes) in `size_bytes`, for axes and tables that carry the unit in their label."""
    return size_bytes / GIB


def from_gib(size_gib: float) -> int:
    """Bytes in `size_gib` GiB, rounded down to a whole byte."""
    return int(size_gib * GIB)


def parse_size(text: str) -> int:
    """Bytes in a size as people write it ("24 GiB", "512 MiB", "16GB"). Raises ValueError on anything else."""
    match = _SIZE.fullmatch(text)
    size = float(match[1]) * _FACTORS[match[2].upper()] if match else inf
    if size == inf:
        raise ValueError(f'"{shortened(text, 60)}" is not a size; write a number and a unit, such as "24 GiB"')
    return int(size)


def format_size(size_bytes: int | None, system: UnitSystem = "GiB", *, signed: bool = False) -> str:
    """A size for reading: "4.89 GiB", "258.5 MiB", or "unknown" for None. `system` "GB" counts in powers of ten."""
    if size_bytes is None:
        return "unknown"
    step, names = (1024, ("B", "KiB", "MiB", "GiB", "TiB")) if system == "GiB" else (1000, ("B", "kB", "MB", "GB", "TB"))
    value, index = float(abs(size_bytes)), 0
    while value >= step and index < len(names) - 1:
        value, index = value / step, index + 1
    digits = 0 if index == 0 or value >= 100 else 1 if value >= 10 else 2
    sign = "-" if size_bytes < 0 else "+" if signed else ""
    return f"{sign}{value:.{digits}f} {names[index]}"


def _size_or_int(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


Bytes = Annotated[int, BeforeValidator(_size_or_int), Field(ge=0, le=2**63 - 1)]
"""A size in a user-written file: an integer number of bytes, or text such as "24 GiB"."""


def format_number(value: float) -> str:
    """A measured number to two or three figures: "2,804", "143", "41", "6.5", "0.42"."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
