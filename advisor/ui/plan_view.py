"""A plan on a page: the verdict as a heading, four cards, the table of numbers with what was assumed."""

from typing import Any

import streamlit as st

from advisor.estimate import Estimate
from advisor.memory.curves import Curves
from advisor.memory.plan import MemoryPlan
from advisor.units import format_size
from advisor.words import COMPONENTS, component_sizes, machine_line, parameters, plan_sizes, tokens, verdict_line

GRADES = {
    "formula": "Formula: our closed form, which follows llama.cpp's own allocation.",
    "engine": "Engine: planned by llama.cpp itself.",
    "measured": "Measured: a run on this very machine.",
    "typical": "Typical: a fact about the hardware family.",
}
_COLOURS = {"fits": "green", "tight": "orange", "partial": "gray", "no": "red"}
_ICONS = {"fits": ":material/check:", "tight": ":material/priority_high:", "partial": ":material/contrast:", "no": ":material/close:"}


def plan_heading(result: Estimate) -> None:
    """The answer in words, the question under it, then the reasons."""
    model, settings = result.model, result.plan.settings
    if result.verdict is None:
        st.header(f"Needs {format_size(result.plan.total_bytes)}", anchor=False)
    else:
        word = result.verdict.verdict
        line = st.container(horizontal=True, vertical_alignment="center", gap="small")
        line.header(verdict_line(result.verdict, result.plan), anchor=False, width="content")
        line.badge(word, color=_COLOURS[word], icon=_ICONS[word])
    size = parameters(model.parameters)
    where = f" on {machine_line(result.machine)}" if result.machine else ""
    st.caption(f"{_plain(model.name)} ({size}), {model.quantization or 'own quantization'}, {tokens(settings.context)} tokens, {settings.runtime}{where}")
    for reason in result.verdict.reasons if result.verdict else ():
        st.markdown(f"- {_plain(reason)}")


def plan_cards(result: Estimate, curves: Curves) -> None:
    """Total, weights, cache and the longest context that fits, each with how it is known."""
    sizes = plan_sizes(result.plan)
    grade = GRADES[result.plan.grade]
    cards = st.grid(4)
    cards.metric("Memory in all", format_size(result.plan.total_bytes), border=True, help=grade)
    cards.metric("Weights", format_size(sizes["weights"]), border=True, help="Exact: the sum of the file's tensors.")
    cards.metric("KV cache", format_size(sizes["kv_cache"] + sizes["recurrent_state"]), border=True, help=f"What the model remembers of the context. {grade}")
    longest = curves.curves[0].longest
    cards.metric(
        "Longest context",
        "no limit" if curves.limit_bytes is None else "none" if longest is None else tokens(longest),
        border=True,
        help="The longest context that fits this machine with these settings, up to what the model was trained for.",
    )


def plan_table(result: Estimate) -> None:
    """Every number by device, and everything that was assumed, behind one click."""
    with st.expander("All numbers"):
        st.dataframe(_rows(result.plan), hide_index=True, key="numbers")
        st.caption(f"{GRADES[result.plan.grade]} Rules of llama.cpp build {result.plan.settings.build}.")
    if result.assumptions:
        with st.expander("Assumed"):
            for sentence in result.assumptions:
                st.markdown(f"- {_plain(sentence)}")


def _rows(plan: MemoryPlan) -> dict[str, list[Any]]:
    used = [name for name in COMPONENTS if any(component_sizes(device)[name] for device in plan.devices)]
    columns: dict[str, list[Any]] = {"Device": [device.name for device in plan.devices]}
    for name in used:
        columns[COMPONENTS[name]] = [format_size(component_sizes(device)[name]) for device in plan.devices]
    columns["Total"] = [format_size(device.total_bytes) for device in plan.devices]
    columns["In use"] = [format_size(device.in_use_bytes) for device in plan.devices]
    columns["Capacity"] = [format_size(device.capacity_bytes) for device in plan.devices]
    return columns


def _plain(text: str) -> str:
    """Text of a stranger (a model's name) with Markdown's signs made harmless."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#+!|$:~" else sign for sign in text.replace("\n", " "))
