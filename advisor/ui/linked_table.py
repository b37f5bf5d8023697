"""A long table with links, filtered in the browser."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import streamlit as st

from advisor.ui.component_files import component_files

Kind = Literal["", "right", "faint", "wide"]

_linked_table = st.components.v2.component("headroom_linked_table", **component_files("linked_table"))


class Link(NamedTuple):
    """A cell that leads elsewhere; without an address, or with one that is not https, it is text."""

    text: str
    href: str | None


def linked_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | Link]],
    *,
    key: str,
    find: str,
    many: str,
    kinds: Sequence[Kind] = (),
    first: int = 12,
) -> None:
    """Draw the table: `first` rows at once, the others on a click. `find` says what can be searched, `many` names rows."""
    looks = (*kinds, *("" for _ in columns[len(kinds) :]))
    lines = tuple([cell._asdict() if isinstance(cell, Link) else cell for cell in row] for row in rows)
    data = {"columns": tuple(columns), "rows": lines, "kinds": looks, "find": find, "many": many, "first": first}
    _linked_table(key=key, data=data)
