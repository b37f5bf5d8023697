"""What is this machine? What was found, by which way, and what can be changed."""

import streamlit as st

from advisor.machines.bandwidth import measure_bandwidth
from advisor.machines.here import HERE
from advisor.question import MachineAsked
from advisor.ui.machine_bar import machine_bar
from advisor.ui.machine_view import findings_table, gpu_limit, profile_table
from advisor.ui.state import link, open_question, publish

PAGE = "machine"

opened = open_question(PAGE, MachineAsked, MachineAsked(machine="detected"))
top = st.container(gap="small")
chosen = machine_bar(opened)
publish(PAGE, chosen.asked)
if opened.complaint:
    top.warning(opened.complaint)
if chosen.machine is None:
    top.header("Which machine is it?", anchor=False)
    st.stop()
machine = chosen.machine
top.header(machine.name, anchor=False)
top.caption("What Headroom reckons with. Choose another machine, or change a number, in the list below.")
profile_table(machine)
for sentence in (*chosen.assumptions, *machine.notes):
    st.caption(sentence)
gpu_limit(machine)
if machine.origin == "detected":
    st.subheader("How it was found", anchor=False)
    findings_table(HERE.now().findings)
    row = st.container(horizontal=True, vertical_alignment="center")
    if row.button("Look again", icon=":material/refresh:"):
        HERE.again()
        st.rerun()
    if row.button("Measure memory bandwidth", icon=":material/speed:", help="Copies memory for one second."):
        with st.spinner("Copying memory for one second ..."):
            st.session_state["bandwidth"] = measure_bandwidth()
    if measured := st.session_state.get("bandwidth"):
        st.markdown(f"Measured here: **{measured.gb_s:.1f} GB/s**. {measured.sentence}")
with st.popover("Address of this view", icon=":material/link:"):
    st.code(link(chosen.asked), language=None)
