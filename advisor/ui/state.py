"""The question of a page: in the address, in the widgets, and kept while the visitor is on another page.

The address is the truth when a page is opened by a link or by the browser's Back; after that the widgets are, and the address
follows them. A page calls `open_question` first, seeds its widgets by `seed`, and ends with `publish`.
"""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from advisor.errors import QuestionError
from advisor.question import Asked, MachineAsked, VerifyQuestion
from advisor.ui.component_files import component_files

T = TypeVar("T", bound=Asked)
Q_co = TypeVar("Q_co", bound=Asked, covariant=True)

_HERE = "headroom:page"
_MACHINE = "headroom:machine"
_SEEDED = "headroom:seeded"
_LEFT = "headroom:left"
_BAR = "headroom:bar"
_ARRIVALS = "headroom:arrivals"
_OWN = "headroom:own"
_OWN_RUN = "headroom:own_run"
_RAN_AT = "headroom:ran_at"
_FRESH_BEFORE = "headroom:fresh_before"

QUIET_S = 0.8
"""How long after a run the visitor counts as having stopped editing."""

_MOST_IN_FLIGHT = 64
"""Addresses that are known as the page's own: more edits are not on their way at a time."""

_address = st.components.v2.component("headroom_address", **component_files("address"))


@dataclass(frozen=True)
class Opened(Generic[Q_co]):
    """What a page starts from. `fresh`: the widgets must take the question's values; `complaint`: the address was wrong."""

    question: Q_co
    fresh: bool
    complaint: str | None = None
    resend: bool = False
    """The last run was fresh. Streamlit drops what a run has not sent when the next one begins, and what a widget was given
    with it: it is given once more, or the browser would show, and later send, the first entry of every list."""


def open_question(page: str, kind: type[T], default: T) -> Opened[T]:
    """The question of this run of `page`.

    It comes from the address where that has changed, else from the last visit to the page with the machine that was chosen
    since, else it is `default`. A wrong address gives the default on the machine that it names, and a sentence.
    """
    arrived = st.session_state.get(_HERE) != page
    st.session_state[_HERE] = page
    st.session_state[_RAN_AT] = time.monotonic()
    resend = st.session_state.get(_FRESH_BEFORE) == page and not _edited()
    st.session_state[_FRESH_BEFORE] = page
    query = st.query_params.to_dict()
    kept: T | None = st.session_state.get(_kept(page))
    st.session_state[_OWN_RUN] = st.session_state.pop(_OWN, False)
    if query and query != st.session_state.get(_written(page)) and (arrived or _navigated(page, query)):
        st.session_state[_SEEDED] = set()
        st.session_state[_written(page)] = query
        _ours(page).append(query)
        try:
            return Opened(kind.from_query(query), fresh=True)
        except QuestionError as error:
            shown = _on_machine_of(query, kept or default)
            return Opened(shown, fresh=True, complaint=f"The address was not understood: {error}.")
    st.session_state[_SEEDED] = set()
    question = kept or default
    chosen: MachineAsked | None = st.session_state.get(_MACHINE)
    if arrived and chosen is not None and isinstance(question, MachineAsked):
        question = question.model_copy(update=chosen.machine_fields())
    fresh = arrived or kept is None
    if not fresh:
        st.session_state[_FRESH_BEFORE] = None
    return Opened(question, fresh=fresh, resend=resend and not fresh)


def seed(opened: Opened[T], key: str, value: object) -> str:
    """`key`, after giving the widget of that key its value where the question is fresh."""
    if opened.fresh or key not in st.session_state:
        st.session_state[key] = value
    elif opened.resend:
        st.session_state[key] = st.session_state[key]
    st.session_state[_SEEDED].add(key)
    return key


def publish(page: str, question: Asked) -> None:
    """Keep `question` for this page, its machine for all pages, and write it into the address."""
    st.session_state[_kept(page)] = question
    # A run is always on this machine, whichever one is planned for on other pages.
    if isinstance(question, MachineAsked) and not isinstance(question, VerifyQuestion):
        st.session_state[_MACHINE] = question
    fields = question.query_fields()
    query = st.query_params.to_dict()
    # A page opened by the navigation has no query yet: `address_bar` writes it without a new entry in the browser's history.
    # Numbered, so that it is written once: the browser draws a page that it leaves again, with the next one's address.
    arrivals = st.session_state[_ARRIVALS] = st.session_state.get(_ARRIVALS, 0) + (not query)
    st.session_state[_BAR] = {"query": question.to_query(), "arrived": 0 if query else arrivals}
    st.session_state[_LEFT] = {key: st.session_state.get(key) for key in st.session_state[_SEEDED]}
    _ours(page).append(fields)
    # Both are looked at: a message may carry an address that is older than the one sent last, so that after an edit there and
    # back the browser seems to have the right one already. An edit that is here ends the run before anything is sent.
    if query and not (fields == query == st.session_state.get(_written(page))):
        st.query_params.from_dict(fields)
    st.session_state[_written(page)] = fields


def complaints(page: str, new: Iterable[str | None]) -> tuple[str, ...]:
    """What is to be said in this run of `page`: `new`, and where the server asked for the run, what was said before."""
    key = f"headroom:{page}:complaints"
    before: tuple[str, ...] = st.session_state.get(key, ()) if st.session_state.get(_OWN_RUN) else ()
    said = st.session_state[key] = tuple(dict.fromkeys((*before, *filter(None, new))))
    return said


def of_itself() -> None:
    """For `on_change`: the browser asks for the next run, not the visitor, so what was said stays."""
    st.session_state[_OWN] = True


def draw_again() -> NoReturn:
    """Run the page again because the server knows more now; what the visitor asked stays as it is."""
    of_itself()
    st.rerun()


def draw_again_when_quiet() -> None:
    """`draw_again`, but not while edits may be on their way: their messages and the run would cross."""
    if time.monotonic() - st.session_state.get(_RAN_AT, 0.0) > QUIET_S:
        draw_again()


def address_bar() -> None:
    """Let the browser's address hold the question of a page that was opened without one; to be drawn once, at the end."""
    if bar := st.session_state.get(_BAR):
        _address(key="address_bar", data=bar)


def address_of(question: Asked, *, here: bool) -> None:
    """Draw the way to copy this view's address, with every field. `here`: it asks about the computer that Headroom runs on."""
    base = (st.context.url or "").split("?", 1)[0]
    with st.popover("Address of this view", icon=":material/link:", type="tertiary"):
        st.code(f"{base}?{question.to_query()}", language=None, wrap_lines=True)
        more = " It asks about this machine: on another computer it shows that computer." if here else ""
        st.caption(f"The whole question is in it; opening it shows the same answer.{more}")


def _on_machine_of(query: dict[str, str], question: T) -> T:
    """`question` on the machine that an address names, as far as that much of it is understood."""
    named = {name: value for name, value in query.items() if name in MachineAsked.model_fields}
    if not named or not isinstance(question, MachineAsked):
        return question
    try:
        return question.model_copy(update=MachineAsked.from_query(named).machine_fields())
    except QuestionError:
        return question


def _navigated(page: str, query: dict[str, str]) -> bool:
    """Whether the visitor went to the address `query` of the same page: back, forward, or to one that this page never wrote.

    The message of an edit may carry any address that was written before, since the browser had not yet taken up the newest.
    """
    context = get_script_run_ctx()
    if context is not None and context.is_history_navigation:
        return True
    if st.session_state[_OWN_RUN] or _edited():
        return False
    return query not in _ours(page)


def _edited() -> bool:
    """Whether a widget was changed since the last run."""
    left = st.session_state.get(_LEFT, {})
    return any(st.session_state.get(key) != value for key, value in left.items() if key in st.session_state)


def _kept(page: str) -> str:
    return f"headroom:{page}:question"


def _ours(page: str) -> deque[dict[str, str]]:
    """The addresses that the browser may have of `page` because it was opened or left with them."""
    found: deque[dict[str, str]] = st.session_state.setdefault(f"headroom:{page}:addresses", deque(maxlen=_MOST_IN_FLIGHT))
    return found


def _written(page: str) -> str:
    return f"headroom:{page}:address"
