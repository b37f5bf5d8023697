"""Figures and tables for reading, drawn as browser components: their texts are put in as text, whatever they hold.

What a component gets is tuples and plain values: Streamlit looks for data frames in lists and dicts, and loads pandas and
pyarrow for that, 65 MiB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import streamlit as st

from advisor.ui.component_files import component_files

Kind = Literal["", "right", "faint"]

_numbers = st.components.v2.component("headroom_numbers", **component_files("numbers"))
_legend = st.components.v2.component("headroom_legend", **component_files("legend"))
_table = st.components.v2.component("headroom_table", **component_files("table"))
_matrix = st.components.v2.component("headroom_matrix", **component_files("matrix"))


@dataclass(frozen=True)
class Number:
    """One figure. `note` says in a word how it is known, `title` in a sentence."""

    label: str
    value: str
    note: str
    title: str = ""


@dataclass(frozen=True)
class Cell:
    """What one machine makes of one model. `verdict` is one of the signs; `said` is the whole cell but its speed in words."""

    verdict: str
    said: str
    file: str = ""
    speed: str = ""
    title: str = ""


def numbers(shown: Sequence[Number], *, key: str) -> None:
    """Draw figures side by side; on a phone two by two."""
    _numbers(key=key, data={"numbers": tuple(asdict(number) for number in shown)})


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    key: str,
    kinds: Sequence[Kind] = (),
    stack: bool = False,
    total: bool = False,
) -> None:
    """Draw a table. `stack`: a row becomes a block on a phone, else the table scrolls itself. `total`: the last row sums up."""
    looks = (*kinds, *("" for _ in columns[len(kinds) :]))
    _table(key=key, data={"columns": tuple(columns), "rows": tuple(rows), "kinds": looks, "stack": stack, "total": total})


def matrix(
    corner: str,
    machines: Sequence[tuple[str, str]],
    rows: Sequence[tuple[str, Sequence[Cell]]],
    *,
    key: str,
    signs: Mapping[str, str],
) -> None:
    """Draw models by machines, each machine as (short name, whole name); on a phone each cell says whose it is.

    `signs` says what each verdict's sign means.
    """
    heads = tuple({"name": short, "title": whole} for short, whole in machines)
    lines = tuple({"name": name, "cells": [asdict(cell) for cell in cells]} for name, cells in rows)
    _matrix(key=key, data={"corner": corner, "machines": heads, "rows": lines, "signs": tuple(signs.items())})


def legend(entries: Sequence[tuple[str, str, str]], *, key: str) -> None:
    """Draw what the colours of a figure mean, each name after its colour; it wraps on a phone."""
    _legend(key=key, data={"entries": tuple({"name": name, "colour": colour, "kind": kind} for name, colour, kind in entries)})
