"""Figures and tables for reading, drawn as browser components: their texts are put in as text, whatever they hold."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import streamlit as st

from advisor.ui.component_files import component_files

Kind = Literal["", "right", "faint"]

_numbers = st.components.v2.component("headroom_numbers", **component_files("numbers"))
_legend = st.components.v2.component("headroom_legend", **component_files("legend"))
_table = st.components.v2.component("headroom_table", **component_files("table"))


@dataclass(frozen=True)
class Number:
    """One figure. `note` says in a word how it is known, `title` in a sentence."""

    label: str
    value: str
    note: str
    title: str = ""


def numbers(shown: Sequence[Number], *, key: str) -> None:
    """Draw figures side by side; on a phone two by two."""
    _numbers(key=key, data={"numbers": [asdict(number) for number in shown]})


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
    looks = [*kinds, *("" for _ in columns[len(kinds) :])]
    lines = [list(row) for row in rows]
    _table(key=key, data={"columns": list(columns), "rows": lines, "kinds": looks, "stack": stack, "total": total})


def legend(entries: Sequence[tuple[str, str, str]], *, key: str) -> None:
    """Draw what the colours of a figure mean, each name after its colour; it wraps on a phone."""
    _legend(key=key, data={"entries": [{"name": name, "colour": colour, "kind": kind} for name, colour, kind in entries]})
