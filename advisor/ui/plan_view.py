"""A plan on a page: the verdict as a heading, four figures, the table of all numbers and of what was assumed."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from advisor.advice.verdict import Word
from advisor.estimate import LLAMA_RUNTIMES, Estimate
from advisor.memory.curves import Curves
from advisor.memory.other_runtimes import OTHER_RUNTIMES
from advisor.memory.plan import MemoryPlan
from advisor.ui.engine_grade import BestKnown
from advisor.ui.inert import inert
from advisor.ui.tables import Kind, Number, numbers, table
from advisor.units import format_size
from advisor.words import COMPONENTS, component_sizes, parameters, plan_sizes, tokens, verdict_line

GRADES = {
    "formula": "Our closed form, which follows the program's own allocation and is tested against it.",
    "engine": "Planned by llama.cpp itself.",
    "measured": "A run on this very machine.",
    "typical": "A fact about the hardware family.",
    "file": "Read from the file: the sum of its tensors.",
}
_REASONS = 3
"""Reasons shown at once: the ones that decide come first, and a machine with eight GPUs has nine."""
_COLOURS: dict[Word, Literal["green", "orange", "gray", "red"]] = {
    "fits": "green",
    "tight": "orange",
    "partial": "gray",
    "no": "red",
}
_ICONS: dict[Word, str] = {
    "fits": ":material/check:",
    "tight": ":material/priority_high:",
    "partial": ":material/contrast:",
    "no": ":material/close:",
}


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
    size = "" if size.lower() in model.name.lower() else f" ({size})"
    st.caption(
        f"{inert(model.name)}{size}, {inert(model.quantization or 'own quantization')}, context {tokens(settings.context)}, "
        f"run by {settings.runtime}"
    )
    reasons = result.verdict.reasons if result.verdict else ()
    at_once = len(reasons) if len(reasons) <= _REASONS + 1 else _REASONS
    st.markdown(_list(reasons[:at_once]))
    if reasons[at_once:]:
        with st.expander(f"{len(reasons) - at_once} more"):
            st.markdown(_list(reasons[at_once:]))


def plan_numbers(result: Estimate, curves: Curves) -> None:
    """Total, weights, cache and the longest context that fits, each with how it is known."""
    sizes = plan_sizes(result.plan)
    grade = result.plan.grade
    longest = curves.curves[0].longest
    by_formula = "formula" if grade == "engine" else grade
    weights = grade if result.model.predicted else "file"
    words = {"file": "from the file"}
    state = sizes["recurrent_state"]
    reach = "no limit" if curves.limit_bytes is None else "none" if longest is None else tokens(longest)
    numbers(
        [
            Number("Memory in all", format_size(result.plan.total_bytes), grade, _known_by(result.plan, grade)),
            Number("Weights", format_size(sizes["weights"]), words.get(weights, weights), _known_by(result.plan, weights)),
            Number(
                "KV cache" if not state else "KV cache and state",
                format_size(sizes["kv_cache"] + state),
                grade,
                f"What the model remembers of the context. {_known_by(result.plan, grade)}",
            ),
            Number(
                "Longest context that fits",
                reach,
                by_formula,
                f"With these settings, up to what the model was trained for. {_known_by(result.plan, by_formula)}",
            ),
        ],
        key="figures",
    )


def grade_line(known: BestKnown) -> None:
    """How the figures above are known, in one quiet line; where the engine does not answer, why."""
    plan = known.result.plan
    build = inert(plan.settings.build)
    if plan.grade == "engine":
        said = f"Grade: engine. llama.cpp itself planned this (build {build}); see how the formula differs below."
    elif known.pending:
        said = "Grade: formula. The engine is planning the same …"
    elif known.why_not:
        said = f"Grade: formula, since {inert(known.why_not)}."
    else:
        said = f"Grade: {plan.grade}. {_known_by(plan, plan.grade)}"
    st.container(key="grade").caption(said)


def difference_table(known: BestKnown) -> None:
    """What formula and engine say of each part, side by side, behind one click; nothing where only one of them answered."""
    formula, engine = known.formula.plan, known.result.plan
    if engine.grade != "engine":
        return
    ours, theirs = plan_sizes(formula), plan_sizes(engine)
    # What drivers take is typical in both.
    names = [name for name in COMPONENTS if name != "overhead" and (ours[name] or theirs[name])]
    sizes = [(COMPONENTS[name], ours[name], theirs[name]) for name in names]
    sizes.append(("Together", sum(ours[name] for name in names), sum(theirs[name] for name in names)))
    rows = [[name, format_size(one), format_size(other), difference_said(one, other)] for name, one, other in sizes]
    with st.expander("Formula and engine side by side"):
        table(
            ("", "Formula", "Engine", "The formula is off by"),
            rows,
            key="difference",
            kinds=("", "right", "right", "right"),
            total=True,
        )


def difference_said(ours: int, theirs: int) -> str:
    """How far `ours` is from `theirs` in bytes, and in per cent where two decimals show it: "+1.00 MiB (+10.00 %)"."""
    if ours == theirs:
        return "nothing"
    share = f"{100 * (ours / theirs - 1):+.2f} %" if theirs else ""
    said = f"{'+' if ours > theirs else '-'}{format_size(abs(ours - theirs))}"
    return f"{said} ({share})" if share.strip("+-0. %") else said


def plan_table(result: Estimate) -> None:
    """Every number by device with how it is known, and everything that was assumed, each behind one click."""
    plan = result.plan
    with st.expander("All numbers"):
        several = len(plan.devices) > 2
        names = [f"GPU {index}: {device.name}" if several else device.name for index, device in enumerate(plan.devices[:-1], 1)]
        columns = ("", *names, plan.host.name, "How it is known")
        table(columns, _rows(result), key="numbers", kinds=_kinds(len(plan.devices)))
        words = dict.fromkeys((plan.grade, "typical"))
        said = " ".join(f"{word.capitalize()}: {_known_by(plan, word)}" for word in words)
        rules = "llama.cpp build " if plan.settings.runtime in LLAMA_RUNTIMES else ""
        st.caption(f"{inert(said)} Rules of {rules}{inert(plan.settings.build)}.")
    if result.assumptions:
        with st.expander("What was assumed"):
            st.markdown(_list(result.assumptions))


def curves_said(curves: Curves, result: Estimate, asked_layers: int | str | None) -> str:
    """What the figure of memory against context shows and how that is known."""
    gpus = result.machine.gpus if result.machine else ()
    whose = "the first GPU's memory" if len(gpus) > 1 else "the GPU's memory" if gpus else "memory"
    settings, grade = result.plan.settings, result.plan.grade
    layers = f"{asked_layers} layers on the GPU" if isinstance(asked_layers, int) else "all layers on the GPU"
    placed = f", with {layers}" if gpus and settings.runtime in LLAMA_RUNTIMES else ""
    if settings.slots > 1 and settings.runtime in OTHER_RUNTIMES:
        placed = f" by {settings.slots:,} sequences of that length"
    known = "typical figures" if grade == "typical" else "by formula"
    dot = "" if curves.limit_bytes is None else " A dot marks the longest context that fits with a safe margin."
    if dot and asked_layers in (None, "auto") and gpus and settings.runtime in LLAMA_RUNTIMES:
        dot += " Placing layers by itself, the program leaves 1 GiB of each GPU free."
    return f"What is taken of {whose}{placed}, {known}.{dot}"


def _known_by(plan: MemoryPlan, grade: str) -> str:
    """What a grade means for the figures of `plan`."""
    if grade == "typical" and plan.grade == "typical":
        return f"By the rules of {plan.settings.build}, as its source has them; not tested against runs."
    return GRADES[grade]


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {inert(sentence)}" for sentence in sentences)


def _kinds(devices: int) -> list[Kind]:
    sizes: list[Kind] = ["right"] * devices
    return ["", *sizes, "faint"]


def _rows(result: Estimate) -> list[list[str]]:
    plan: MemoryPlan = result.plan
    used = [name for name in COMPONENTS if any(component_sizes(device)[name] for device in plan.devices)]
    known = {"overhead": "typical", "weights": plan.grade if result.model.predicted else "from the file"}
    rows = [
        [
            COMPONENTS[name],
            *(format_size(component_sizes(device)[name]) for device in plan.devices),
            known.get(name, plan.grade),
        ]
        for name in used
    ]
    rows.append(["Total", *(format_size(device.total_bytes) for device in plan.devices), plan.grade])
    if any(device.in_use_bytes for device in plan.devices):
        rows.append(["In use by other programs", *(format_size(device.in_use_bytes) for device in plan.devices), "the machine"])
    rows.append(["Capacity", *(format_size(device.capacity_bytes) for device in plan.devices), "the machine"])
    return rows
