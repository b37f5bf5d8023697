"""The knobs of a run: context, cache types, layers on the GPU, slots. What a runtime decides by itself stays unset."""

from typing import Any

import streamlit as st

from advisor.estimate import PLANNED_RUNTIMES
from advisor.models.metadata import ModelMetadata
from advisor.question import Question
from advisor.ui.state import Opened, seed
from advisor.words import tokens

CONTROLLED = frozenset(
    "context type_k type_v gpu_layers cpu_moe_layers runtime flash_attention slots ubatch swa_full".split()
)
"""Fields of a question that these knobs decide; all others stay as the address has them."""
_CACHE_TYPES = ("f16", "q8_0", "q4_0", "bf16", "f32", "q5_1", "q5_0", "q4_1", "iq4_nl")
_PRESET = "preset"
_MOST_CONTEXT = 2**20


def run_controls(opened: Opened[Question], model: ModelMetadata) -> dict[str, Any]:
    """Draw the knobs; the fields of the question that they set."""
    asked = opened.question
    fields: dict[str, Any] = {"context": _context(opened, model)}
    seed(opened, "run:kv", asked.type_k or "f16")
    kv = st.segmented_control("KV cache", sorted({"f16", "q8_0", "q4_0", st.session_state["run:kv"]}, key=_CACHE_TYPES.index), key="run:kv", required=True)
    if kv != "f16" or asked.type_k:
        fields["type_k"] = fields["type_v"] = kv
    fields |= _layers(opened, model)
    with st.expander("More settings"):
        fields |= _more(opened)
    return fields


def _context(opened: Opened[Question], model: ModelMetadata) -> int:
    trained = model.hyperparameters.context_length or 32768
    steps = [2**power for power in range(9, 21) if 2**power <= min(trained, _MOST_CONTEXT)]
    asked = opened.question.context or min(8192, trained)
    kept = st.session_state.get("run:context")
    options = sorted({*steps, min(trained, _MOST_CONTEXT), asked})
    if not opened.fresh and kept not in options:
        st.session_state["run:context"] = min(options, key=lambda size: abs(size - (kept or asked)))
    seed(opened, "run:context", asked)
    return int(st.select_slider("Context", options, format_func=tokens, key="run:context", help=f"Trained for {tokens(trained)} tokens."))


def _layers(opened: Opened[Question], model: ModelMetadata) -> dict[str, Any]:
    asked, fields = opened.question, {}
    seed(opened, "run:offload", "some" if isinstance(asked.gpu_layers, int) else asked.gpu_layers or "auto")
    names = {"auto": "Automatic", "all": "All", "some": "Some"}
    offload = st.segmented_control("Layers on the GPU", list(names), format_func=names.__getitem__, key="run:offload", required=True)
    most = model.hyperparameters.block_count + 1
    if offload == "some":
        seed(opened, "run:layers", asked.gpu_layers if isinstance(asked.gpu_layers, int) else most)
        st.session_state["run:layers"] = min(int(st.session_state["run:layers"]), most)
        fields["gpu_layers"] = int(st.slider("How many", 0, most, key="run:layers"))
    elif offload == "all":
        fields["gpu_layers"] = "all"
    if model.hyperparameters.expert_count:
        seed(opened, "run:experts", asked.cpu_moe_layers or 0)
        st.session_state["run:experts"] = min(int(st.session_state["run:experts"]), most - 1)
        experts = int(st.slider("Blocks whose experts stay in system memory", 0, most - 1, key="run:experts"))
        if experts:
            fields["cpu_moe_layers"] = experts
    return fields


def _more(opened: Opened[Question]) -> dict[str, Any]:
    asked, fields = opened.question, {}
    seed(opened, "run:runtime", asked.runtime if asked.runtime in PLANNED_RUNTIMES else PLANNED_RUNTIMES[0])
    fields["runtime"] = st.selectbox("Program", PLANNED_RUNTIMES, key="run:runtime")
    seed(opened, "run:flash", asked.flash_attention or _PRESET)
    flash = st.selectbox("Flash attention", (_PRESET, "on", "off"), format_func=lambda word: "as the program does" if word == _PRESET else word, key="run:flash")
    if flash != _PRESET:
        fields["flash_attention"] = flash
    for name, label, least, most in (("slots", "Slots", 1, 64), ("ubatch", "Physical batch", 1, 16384)):
        seed(opened, f"run:{name}", getattr(asked, name))
        number = st.number_input(label, least, most, step=1, key=f"run:{name}", placeholder="as the program does")
        if number is not None:
            fields[name] = int(number)
    seed(opened, "run:swa", bool(asked.swa_full))
    if st.toggle("Full-size sliding-window cache", key="run:swa"):
        fields["swa_full"] = True
    return fields
