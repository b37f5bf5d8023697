"""The first visit to a hosted Headroom: the browser says what it knows of the machine, and the rest is asked in one line.

A machine in the address is always taken as it is. One that was chosen before is remembered by the browser. At home nothing is
asked: the machine is detected.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import streamlit as st

from advisor.errors import HeadroomError
from advisor.machines.browser import Guess, browser_says, chip_of, guess, profile_and_memory
from advisor.machines.resolve import DETECTED
from advisor.machines.sold import Sold, all_sold, find_sold
from advisor.question import MachineAsked
from advisor.ui.component_files import component_files
from advisor.ui.inert import inert
from advisor.ui.state import Opened, of_itself
from advisor.units import format_size, gib

M = TypeVar("M", bound=MachineAsked)

_STATE = "first_visit:state"
_SHOWN = "first_visit:shown"
_SAID = "first_visit:said"
_BY_HAND = "first_visit:by_hand"
_MOST_KEPT = 300

_probe = st.components.v2.component("headroom_browser_probe", **component_files("browser_probe"))
_keep = st.components.v2.component("headroom_keep_machine", **component_files("keep_machine"))


def chosen_by_hand() -> None:
    """The visitor chose a machine: nothing more is asked, and the browser remembers it."""
    st.session_state[_BY_HAND] = True
    st.session_state[_STATE] = "done"


def remember(asked: MachineAsked) -> None:
    """Let the browser keep the machine that the visitor chose; nothing before."""
    if st.session_state.get(_BY_HAND):
        _keep(key="keep_machine", data={"machine": MachineAsked(**asked.machine_fields()).to_query()})


def first_visit(opened: Opened[M]) -> Opened[M]:
    """Draw what is to be asked of a visitor who named no machine; the question with the machine that is known by now."""
    if _STATE not in st.session_state:
        st.session_state[_STATE] = "done" if _named(opened.question) else "asking"
    if st.session_state[_STATE] == "done":
        if said := st.session_state.get(_SAID):
            st.caption(inert(said))
        return opened
    told = _probe(key="browser_probe", on_report_change=of_itself).report
    if not isinstance(told, dict):
        return opened
    if kept := _kept(told.get("kept")):
        st.session_state[_STATE] = "done"
        return _with(opened, kept.machine_fields())
    found = guess(browser_says(told))
    if found.exact and len(found.candidates) == 1:
        st.session_state[_STATE] = "done"
        st.session_state[_SAID] = f"Your browser says {found.name}."
        st.caption(inert(st.session_state[_SAID]))
        return _show(opened, found.candidates[0])
    picked = _ask_memory(found.name, found.candidates) if found.exact else _ask_all(found)
    if picked is not None:
        st.session_state[_BY_HAND] = True
        return _show(opened, picked)
    return _show(opened, found.candidates[0]) if found.exact else opened


def _named(asked: MachineAsked) -> bool:
    numbers = (asked.memory_gib, asked.ram_gib, asked.bandwidth_gb_s, asked.unified)
    return any(numbers) if asked.machine in (None, DETECTED) else True


def _kept(text: object) -> MachineAsked | None:
    """The machine that this browser remembers; None where it remembers none, or none that we know."""
    if not isinstance(text, str) or not 0 < len(text) <= _MOST_KEPT:
        return None
    try:
        asked = MachineAsked.from_query(text)
        if asked.machine is not None:
            find_sold(asked.machine)
    except HeadroomError:
        return None
    return asked if _named(asked) else None


def _ask_memory(name: str, candidates: Sequence[Sold]) -> Sold | None:
    """The machine with the memory that was picked; the sizes are those that this chip was sold with."""
    by_id = {sold.id: sold for sold in candidates}
    picked = st.pills(
        f"Looks like {_article(name)} {inert(name)}. How much memory?",
        list(by_id),
        format_func=lambda id_: f"{gib(by_id[id_].memory_bytes or 0):g} GiB",
        key=f"first_visit:memory:{name}",
        wrap=True,
    )
    if picked is None:
        st.caption(f"Until you say, the answer is for {format_size(candidates[0].memory_bytes)}.")
    return by_id.get(picked or "")


def _ask_all(found: Guess) -> Sold | None:
    """The machine that was picked out of all that it may be."""
    offered = found.candidates or all_sold()
    by_chip: dict[str, list[Sold]] = {}
    for sold in offered:
        by_chip.setdefault(chip_of(sold), []).append(sold)
    chip = st.selectbox(
        _question(found),
        list(by_chip),
        index=None,
        placeholder="Type any part of its name: RTX 3060, M2 Pro",
        key="first_visit:chip",
        help="Your browser does not say it. What is chosen is remembered in this browser only.",
    )
    if chip is None:
        st.caption("Until you say, the answer is for a modest graphics card.")
        return None
    sizes = by_chip[chip]
    if len(sizes) == 1:
        return sizes[0]
    return _ask_memory(chip, sorted({sold.memory_bytes: sold for sold in reversed(sizes)}.values(), key=_memory)) or sizes[0]


def _memory(sold: Sold) -> int:
    return sold.memory_bytes or 0


def _question(found: Guess) -> str:
    if found.kind == "phone":
        return "You are on a phone or a tablet. On which computer would the model run?"
    if found.candidates:
        return (
            f"Looks like {_article(found.name)} {inert(found.name)}{'' if ' ' in found.name else ' graphics card'}. Which one?"
        )
    return (
        f"Which machine is yours? Your browser says {inert(found.name)}, which is not in the list."
        if found.name
        else ("Which graphics card or chip does your machine have?")
    )


def _article(name: str) -> str:
    # "an NVIDIA", "an Apple", "an AMD", "an Intel"; "a Mac".
    return "a" if name.startswith("Mac") else "an"


def _show(opened: Opened[M], sold: Sold) -> Opened[M]:
    """The question on this machine; drawn anew only where it is another than was shown, so that its numbers can be changed."""
    if st.session_state.get(_SHOWN) == sold.id:
        return opened
    st.session_state[_SHOWN] = sold.id
    machine, memory = profile_and_memory(sold)
    return _with(opened, {**MachineAsked().machine_fields(), "machine": machine, "memory_gib": memory})


def _with(opened: Opened[M], fields: dict[str, Any]) -> Opened[M]:
    return replace(opened, question=opened.question.model_copy(update=fields), fresh=True)
