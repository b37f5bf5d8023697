"""A GGUF file in the visitor's browser: its header is read there piece by piece, and the file is never uploaded."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import streamlit as st

from advisor.errors import GGUFTruncatedError, HeadroomError, QuestionError
from advisor.models.gguf_header import GGUFHeader, parse_header
from advisor.ui.component_files import component_files
from advisor.ui.inert import inert
from advisor.ui.state import draw_again

FIRST_BYTES = 2 * 2**20
MOST_BYTES = 64 * 2**20
_WANTED = "browser_file:wanted"
_HEADER = "browser_file:header"
_COMPLAINT = "browser_file:complaint"

_browser_file = st.components.v2.component("headroom_browser_file", **component_files("browser_file"))


@dataclass(frozen=True)
class BrowserFile:
    """The header of a file that lies in the visitor's browser."""

    name: str
    header: GGUFHeader


def kept_file() -> BrowserFile | None:
    """The file that this visitor chose last, if its header could be read."""
    kept: BrowserFile | None = st.session_state.get(_HEADER)
    return kept


def browser_file(key: str = "browser_file") -> BrowserFile | None:
    """Draw the field; the header of the file chosen last, else None. A file that is no GGUF is said in one sentence."""
    wanted = st.session_state.get(_WANTED, 0)
    data = {"first": FIRST_BYTES, "wanted": wanted}
    head = _browser_file(key=key, data=data, on_head_change=lambda: None).head
    if head:
        _take(head)
    if complaint := st.session_state.get(_COMPLAINT):
        st.error(inert(complaint))
    return kept_file()


def _take(head: Any) -> None:
    """Keep the header in what the browser sent, or what is wrong with it, or ask for more."""
    for name in (_HEADER, _COMPLAINT, _WANTED):
        st.session_state.pop(name, None)
    try:
        read = head_from(head)
    except HeadroomError as error:
        st.session_state[_COMPLAINT] = f"{error}"
        return
    if isinstance(read, int):
        st.session_state[_WANTED] = read
        draw_again()
    st.session_state[_HEADER] = read


def head_from(head: Any) -> BrowserFile | int:
    """The header in what the browser sent, or how many bytes are needed to read it.

    Raises QuestionError where the message is not what the component sends, GGUFError where the file is not a sound GGUF file.
    """
    try:
        name, size, data = str(head["name"])[:255], int(head["size"]), base64.b64decode(head["bytes"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise QuestionError("the browser sent something that is not the start of a file; choose the file again") from None
    try:
        return BrowserFile(name, parse_header(data, file_bytes=size))
    except GGUFTruncatedError:
        if len(data) >= min(size, MOST_BYTES):
            raise
        return min(4 * len(data), size, MOST_BYTES)
