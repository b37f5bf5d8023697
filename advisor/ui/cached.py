"""Answers kept for all visitors of one process: the same question about the same machine is computed once."""

import streamlit as st

from advisor.fit import Fit, fit_for
from advisor.machines.profile import MachineProfile
from advisor.question import FitQuestion


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={MachineProfile: MachineProfile.model_dump_json})
def fit_on(question: FitQuestion, machine: MachineProfile, assumptions: tuple[str, ...]) -> Fit:
    """The ranked options of a machine."""
    return fit_for(question, machine, assumptions)
