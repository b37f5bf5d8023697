"""Answers kept for all visitors of one process: the same question about the same machine is computed once."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from advisor.estimate import curves_for
from advisor.fit import Fit, fit_for
from advisor.machines.profile import MachineProfile
from advisor.memory.curves import Curves
from advisor.models.metadata import ModelMetadata
from advisor.question import FitQuestion, Question

_HASHES: dict[str | type[Any], Callable[[Any], Any]] = {MachineProfile: MachineProfile.model_dump_json}


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=_HASHES)
def fit_on(question: FitQuestion, machine: MachineProfile, assumptions: tuple[str, ...], *, in_part: bool) -> Fit:
    """The ranked options of a machine."""
    return fit_for(question, machine, assumptions, in_part=in_part)


def curves_on(question: Question, model: ModelMetadata, machine: MachineProfile) -> Curves:
    """Memory against context. All contexts are in it, so another context of the same question makes no new one.

    Of a file nothing is kept: it has one curve, quickly drawn, and may change on the disk.
    """
    question = question.model_copy(update={"context": None})
    if not model.predicted:
        return curves_for(question, model, machine)
    named = question.model_copy(update={"model": model.id, "quant": model.quantization})
    return _curves_of_catalogue_model(named, machine, model)


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=_HASHES)
def _curves_of_catalogue_model(question: Question, machine: MachineProfile, _model: ModelMetadata) -> Curves:
    return curves_for(question, _model, machine)
