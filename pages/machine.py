"""What is this machine? What was found, by which way, and what can be changed."""

import streamlit as st

from advisor.machines.here import HERE
from advisor.question import MachineAsked
from advisor.ui.inert import inert
from advisor.ui.machine_bar import machine_choice, on_page
from advisor.ui.machine_view import findings_table, gpu_limit, look_and_measure, profile_table
from advisor.ui.state import address_of, complaints, open_question, publish
from advisor.words import machine_line

PAGE = "machine"

opened = open_question(PAGE, MachineAsked, MachineAsked(machine="detected"))
said = st.container(gap="small")
knobs, shown = st.columns([3, 8], gap="large")
with knobs.container(border=True):
    chosen = machine_choice(opened)
    st.caption("Empty fields are taken as detected or as the machine was sold. All pages reckon with what stands here.")
publish(PAGE, chosen.asked)
for complaint in complaints(PAGE, (opened.complaint, chosen.complaint)):
    said.warning(inert(complaint))
machine = chosen.machine
said.header(inert(machine_line(machine)), anchor=False)
said.caption("This machine, as detected." if chosen.here else "Not this machine: chosen from the list or given by its numbers.")
with shown:
    if chosen.here:
        look_and_measure()
    profile_table(machine)
    for sentence in (*chosen.assumptions, *map(on_page, machine.notes)):
        # The GPU's limit has a section of its own.
        if not (machine.raise_gpu_limit and machine.raise_gpu_limit in sentence):
            st.caption(inert(sentence))
    gpu_limit(machine)
    if chosen.here:
        st.subheader("How it was found", anchor=False)
        findings_table(HERE.now().findings)
    address_of(chosen.asked, here=chosen.here)
