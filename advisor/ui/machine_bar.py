"""The machine in one line, and the way to choose another. All pages share the choice."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from advisor.errors import HeadroomError
from advisor.machines.here import HERE
from advisor.machines.library import library
from advisor.machines.profile import MachineProfile
from advisor.machines.resolve import DETECTED, machine_named, resolve_machine
from advisor.question import MachineAsked
from advisor.ui.state import Opened, T, seed
from advisor.units import GIB
from advisor.words import machine_line

NUMBERS = "numbers"
"""The entry of the list that means: described by numbers alone."""


@dataclass(frozen=True)
class Chosen:
    """The machine of this run, as asked and as found."""

    asked: MachineAsked
    machine: MachineProfile | None
    assumptions: tuple[str, ...]


def machine_bar(opened: Opened[T]) -> Chosen:
    """Draw the line and its popover; the machine chosen. A machine that cannot be found is said, and None."""
    asked = opened.question
    seed(opened, "machine:name", asked.machine or (NUMBERS if _by_numbers(asked) else DETECTED))
    seed(opened, "machine:gpus", asked.gpus)
    seed(opened, "machine:memory", asked.memory_gib)
    seed(opened, "machine:ram", asked.ram_gib)
    seed(opened, "machine:bandwidth", asked.bandwidth_gb_s)
    seed(opened, "machine:unified", asked.unified)
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with line.popover("Choose another machine", icon=":material/computer:"):
        fields = _controls()
    if fields.machine == DETECTED:
        return Chosen(fields, _detected(line), ())
    try:
        machine, assumptions = resolve_machine(**fields.machine_fields())
    except HeadroomError as error:
        line.markdown(f":red[{error}]")
        return Chosen(fields, None, ())
    if machine is not None:
        line.markdown(f"**{machine_line(machine)}**")
    return Chosen(fields, machine, assumptions)


def _detected(line: DeltaGenerator) -> MachineProfile:
    """This machine as known now; the page is drawn again when slow probes have answered."""
    known = HERE.now().profile
    line.markdown(f"**{machine_line(known)}** (this machine)")
    if HERE.pending:
        _redraw_when_known()
    return known


@st.fragment(run_every=0.4)
def _redraw_when_known() -> None:
    if not HERE.pending:
        st.rerun()


def _controls() -> MachineAsked:
    """The popover's widgets and what they say together. Only what belongs to the kind of machine is asked."""
    names = library().names
    name = st.selectbox(
        "Machine",
        [DETECTED, NUMBERS, *names],
        format_func=lambda id_: {DETECTED: "This machine, as detected", NUMBERS: "By numbers"}.get(id_) or names.get(id_, id_),
        key="machine:name",
        accept_new_options=False,
    )
    if name == NUMBERS:
        unified = st.toggle("GPU and CPU share one memory", key="machine:unified")
        memory = st.number_input("Memory in GiB" if unified else "Memory of each GPU in GiB", 0.5, 4096.0, step=1.0, key="machine:memory")
        bandwidth = st.number_input("Bandwidth in GB/s", 1.0, 20000.0, step=10.0, key="machine:bandwidth")
        gpus = None if unified else st.number_input("GPUs", 1, 15, step=1, key="machine:gpus")
        ram = None if unified else st.number_input("System memory in GiB", 1.0, 8192.0, step=8.0, key="machine:ram")
        return MachineAsked(memory_gib=memory or 8.0, bandwidth_gb_s=bandwidth, gpus=gpus, ram_gib=ram, unified=unified)
    if name == DETECTED:
        return MachineAsked(machine=DETECTED)
    return _adjusted(machine_named(name), name)


def _adjusted(profile: MachineProfile, name: str) -> MachineAsked:
    """The numbers that a profile leaves open: memory of a Mac, number of cards and system memory of a PC."""
    if profile.kind == "discrete":
        gpus = st.number_input("GPUs", 1, 15, step=1, key="machine:gpus", placeholder="1")
        ram = st.number_input("System memory in GiB", 1.0, 8192.0, step=8.0, key="machine:ram", placeholder="not given")
        return MachineAsked(machine=name, gpus=gpus, ram_gib=ram)
    options = [size / GIB for size in profile.memory_options_bytes]
    if len(options) > 1:
        if st.session_state.get("machine:memory") not in options:
            st.session_state["machine:memory"] = options[0]
        memory = st.selectbox("Memory", options, format_func=lambda size: f"{size:g} GiB", key="machine:memory")
        return MachineAsked(machine=name, memory_gib=memory)
    return MachineAsked(machine=name)


def _by_numbers(asked: MachineAsked) -> bool:
    return asked.machine is None and any((asked.memory_gib, asked.ram_gib, asked.bandwidth_gb_s, asked.unified))
