"""The machine in one line, and the way to choose another or to change its numbers. All pages share the choice."""

from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from advisor.ahead import USUAL_MACHINES
from advisor.errors import HeadroomError
from advisor.machines.adjust import adjust
from advisor.machines.here import HERE
from advisor.machines.library import find_machine, library
from advisor.machines.profile import MachineProfile
from advisor.machines.resolve import DETECTED
from advisor.question import MachineAsked
from advisor.settings import settings
from advisor.ui.first_visit import chosen_by_hand, first_visit, remember
from advisor.ui.glossary import WORDS
from advisor.ui.inert import inert
from advisor.ui.state import Opened, draw_again_when_quiet, seed
from advisor.units import gib
from advisor.words import machine_line, sentence

M = TypeVar("M", bound=MachineAsked)

NUMBERS = "numbers"
"""The entry of the list that means: described by numbers alone."""
USUAL = USUAL_MACHINES[0]
"""What a hosted site shows to a visitor who has named no machine yet, for it looks at none of its own."""
_FIELDS = {
    "--memory-gib": "the memory",
    "--ram-gib": "the system memory",
    "--gpus": "the number of GPUs",
    "--unified": "the shared memory",
}
_TYPED_MEMORY_GIB = 8.0
_MOST_GPUS = 15
_MOST_GIB = 16384.0
_MOST_GB_S = 100_000.0


@dataclass(frozen=True)
class Chosen:
    """The machine of this run, as asked and as found."""

    asked: MachineAsked
    machine: MachineProfile
    assumptions: tuple[str, ...]
    complaint: str | None = None
    """One sentence where what was asked for cannot be; the machine is then this one, or the one without those numbers."""

    @property
    def here(self) -> bool:
        """Whether it is the machine that Headroom runs on."""
        return self.asked.machine == DETECTED


def first() -> str:
    """The entry of the list for a visitor who named no machine: this one, or on a hosted site the usual one."""
    return USUAL if settings().hosted else DETECTED


def first_machine() -> tuple[MachineProfile, tuple[str, ...]]:
    """The machine of `first`, as far as it is known now, and what is assumed of it: as a page that names none has them."""
    if not settings().hosted:
        return HERE.now().profile, ()
    machine, assumptions = adjust(find_machine(USUAL))
    return machine, tuple(map(on_page, assumptions))


def machine_bar(opened: Opened[M]) -> Chosen:
    """Draw the machine in one line with the way to another."""
    line = st.container(horizontal=True, vertical_alignment="center", gap="small", key="machine_bar")
    said = line.empty()
    if settings().hosted:
        with st.container(gap="small", key="first_visit"):
            opened = first_visit(opened)
    with line.popover("Not yours? Choose another", icon=":material/swap_horiz:", type="tertiary"):
        chosen = machine_choice(opened)
    if settings().hosted:
        remember(chosen.asked)
    mine = " · this machine" if chosen.here else ""
    said.markdown(f"**{inert(machine_line(chosen.machine))}**{mine}", width="content")
    return chosen


def machine_choice(opened: Opened[M]) -> Chosen:
    """Draw the list of machines and the numbers that can be changed; the machine that they say."""
    asked = opened.question
    name, complaint = _known(asked)
    seed(opened, "machine:name", name)
    names = library().names
    own = [] if settings().hosted else [DETECTED]
    kept = st.session_state["machine:name"]
    more = [] if kept in (DETECTED, NUMBERS) or kept in names else [kept]
    said = {DETECTED: "This machine, as detected", NUMBERS: "Another, by its numbers"}
    name = st.selectbox(
        "Machine",
        [*own, NUMBERS, *more, *names],
        format_func=lambda id_: said.get(id_) or names.get(id_, id_),
        key="machine:name",
        on_change=chosen_by_hand,
        help="Type any part of a name. What is not in the list can be given by its numbers.",
    )
    base = _base(name)
    if opened.fresh and complaint is None:
        complaint = _refused(base, asked)
    fields = _numbers(opened, name, base)
    if name == DETECTED:
        _redraw_when_known()
    if fields == MachineAsked(machine=DETECTED) and base is not None:
        return Chosen(fields, base, (), complaint)
    try:
        machine, assumptions = adjust(base, **_without_name(fields))
    except HeadroomError as error:
        shown = _base(first())
        assert shown is not None
        return Chosen(MachineAsked(machine=first()), shown, (), f"{on_page(sentence(error))} {_shown_instead()}")
    return Chosen(fields, machine, tuple(map(on_page, assumptions)), complaint)


def on_page(said: str) -> str:
    """A sentence about the machine with the names of a page's fields in the place of the command's options."""
    for option, field in _FIELDS.items():
        said = said.replace(option, field)
    return said


def _shown_instead() -> str:
    return f"Shown instead: {find_machine(USUAL).name if settings().hosted else 'this machine'}."


def _without_name(asked: MachineAsked) -> dict[str, Any]:
    return {name: value for name, value in asked.machine_fields().items() if name != "machine"}


def _refused(base: MachineProfile | None, asked: MachineAsked) -> str | None:
    """A sentence where the numbers of an address cannot belong to the machine: no field is drawn for them."""
    try:
        adjust(base, **_without_name(asked))
    except HeadroomError as error:
        return f"{on_page(sentence(error))} Shown instead: the machine without that number."
    return None


def _known(asked: MachineAsked) -> tuple[str, str | None]:
    """The entry of the list that `asked` means, and a sentence where there is no such machine."""
    if asked.machine is None:
        by_numbers = any((asked.memory_gib, asked.ram_gib, asked.bandwidth_gb_s, asked.unified))
        return (NUMBERS if by_numbers else first()), None
    if asked.machine == DETECTED:
        return first(), None
    try:
        found = find_machine(asked.machine)
    except HeadroomError as error:
        return first(), f"{sentence(error)} {_shown_instead()}"
    is_file = asked.machine.strip().endswith((".toml", ".json"))
    return (asked.machine.strip() if is_file else found.id), None


def _base(name: str) -> MachineProfile | None:
    """The profile whose numbers may be changed; None where numbers alone make the machine."""
    if name == NUMBERS:
        return None
    return HERE.now().profile if name == DETECTED else find_machine(name)


def _redraw_when_known() -> None:
    """While slow probes are still being asked: draw the page again once they have answered."""
    if not HERE.pending:
        return

    @st.fragment(run_every=0.4)
    def wait() -> None:
        if not HERE.pending:
            draw_again_when_quiet()

    wait()


def _numbers(opened: Opened[M], name: str, base: MachineProfile | None) -> MachineAsked:
    """The numbers that can be changed of this kind of machine. Empty means: as the profile has it."""
    asked = opened.question
    if base is None:
        unified = st.toggle("GPU and CPU share one memory", key=seed(opened, "machine:unified", asked.unified))
        kind = "unified" if unified else "discrete"
    else:
        unified, kind = False, base.kind
    gpus = memory = ram = None
    if kind == "discrete":
        gpus = _whole(opened, "gpus", "GPUs", asked.gpus, len(base.gpus) if base else 1)
        size = base.gpus[0].memory_bytes or base.gpus[0].capacity_bytes if base else None
        memory = _size(opened, "memory", "Memory of each GPU, GiB", asked.memory_gib, size)
        ram = _size(opened, "ram", "System memory, GiB", asked.ram_gib, base.memory.capacity_bytes if base else None)
    elif base is not None and len(base.memory_options_bytes) > 1:
        memory = _sold_size(opened, name, base)
    else:
        memory = _size(
            opened, "memory", "Memory, GiB", asked.memory_gib or asked.ram_gib, base.memory.capacity_bytes if base else None
        )
    if base is None and memory is None:
        memory = _TYPED_MEMORY_GIB
    bandwidth = _bandwidth(opened, base)
    return MachineAsked(
        machine=None if name == NUMBERS else name,
        gpus=gpus,
        memory_gib=memory,
        ram_gib=ram,
        bandwidth_gb_s=bandwidth,
        unified=unified,
    )


def _whole(opened: Opened[M], field: str, label: str, asked: int | None, usual: int) -> int | None:
    key = seed(opened, f"machine:{field}", None if asked is None else min(asked, _MOST_GPUS))
    number = st.number_input(label, 1, _MOST_GPUS, step=1, value=None, key=key, placeholder=f"{usual}")
    return None if number is None else int(number)


def _size(opened: Opened[M], field: str, label: str, asked: float | None, usual_bytes: int | None) -> float | None:
    key = seed(opened, f"machine:{field}", None if asked is None else min(asked, _MOST_GIB))
    usual = "not known" if usual_bytes is None else f"{gib(usual_bytes):.4g}"
    if opened.question.machine is None and usual_bytes is None and field == "memory":
        usual = f"{_TYPED_MEMORY_GIB:g}"
    number = st.number_input(label, 0.25, _MOST_GIB, step=1.0, value=None, key=key, placeholder=usual, format="%g")
    return None if number is None else float(number)


def _sold_size(opened: Opened[M], name: str, base: MachineProfile) -> float:
    """The memory of a machine that was sold in several sizes; another size out of an address stays in the list."""
    asked = (opened.question.memory_gib or opened.question.ram_gib) if opened.question.machine == name else None
    sizes = [gib(size) for size in base.memory_options_bytes]
    key = seed(opened, "machine:sold", asked or sizes[0])
    kept = st.session_state[key]
    if kept not in sizes and kept != asked:
        kept = st.session_state[key] = sizes[0]
    return float(
        st.selectbox(
            "Memory", sorted({*sizes, kept}), format_func=lambda size: f"{size:g} GiB", key=key, on_change=chosen_by_hand
        )
    )


def _bandwidth(opened: Opened[M], base: MachineProfile | None) -> float | None:
    known = None
    if base is not None:
        known = base.gpus[0].bandwidth_gb_s if base.gpus else None
        known = known or base.memory.bandwidth_gb_s
    asked = opened.question.bandwidth_gb_s
    key = seed(opened, "machine:bandwidth", None if asked is None else min(asked, _MOST_GB_S))
    number = st.number_input(
        "Memory bandwidth, GB/s",
        1.0,
        _MOST_GB_S,
        step=10.0,
        value=None,
        key=key,
        placeholder="not known" if known is None else f"{known:g}",
        format="%g",
        help=WORDS["bandwidth"],
    )
    return None if number is None else float(number)
