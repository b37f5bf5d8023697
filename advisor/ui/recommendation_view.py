"""A recommendation on a page: the choice, the commands, the trade-off, what else there is, and what would make it fit."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from advisor.advice.commands import Command
from advisor.advice.purposes import PURPOSES
from advisor.advice.ranking import best_of_each
from advisor.advice.recommendation import Recommendation
from advisor.errors import HeadroomError
from advisor.figures.tradeoff import Point, tradeoff, tradeoff_text
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.quantization_names import QUANTIZATIONS, parse_quantization
from advisor.models.resolve import name_and_quantization
from advisor.paths import pages_folder
from advisor.question import RecommendQuestion
from advisor.recommend import Recommended
from advisor.ui.chart import chart
from advisor.ui.glossary import WORDS
from advisor.ui.inert import inert
from advisor.ui.state import Opened, seed
from advisor.ui.tables import table
from advisor.units import format_size
from advisor.words import VERDICTS, parameters, sentence, tokens_per_second

PROGRAMS = {
    "llama-server": "llama-server",
    "llama-cli": "llama-cli",
    "ollama": "Ollama",
    "lm-studio": "LM Studio",
    "llama-bench": "llama-bench",
    "mlx": "MLX",
    "vllm": "vLLM",
    "transformers": "transformers",
}


_ANY = ""
"""The entry of a list that means: whatever suits best."""


@dataclass(frozen=True)
class FileChoice:
    """The model and the file of it that are asked about; None: whatever suits best."""

    model: str | None
    quant: str | None
    complaint: str | None = None


def file_choice(opened: Opened[RecommendQuestion]) -> FileChoice:
    """Draw the choice of a model, and once there is one, of its file."""
    models = {model.id: model for model in catalogue().models if model.generates}
    asked, asked_quant, complaint = _asked_for(opened.question, models)
    model = st.selectbox(
        "Model",
        [_ANY, *models],
        format_func=lambda id_: f"{models[id_].name} ({parameters(models[id_].parameters)})" if id_ else "the best of all",
        key=seed(opened, "recommendation:model", asked or _ANY),
        help="The best of all, or one that you have in mind: it is then said what to change where it does not fit.",
    )
    if not model:
        return FileChoice(None, None, complaint)
    key = seed(opened, "recommendation:quant", asked_quant or _ANY)
    names = [name for name, entry in QUANTIZATIONS.items() if entry.exact and entry.is_gguf]
    quant = st.selectbox(
        "File",
        [_ANY, *names, *({st.session_state[key]} - {_ANY, *names})],
        format_func=lambda name: name or "the best that runs",
        key=key,
        help=WORDS["quantization"],
    )
    return FileChoice(model, quant or None, complaint)


def _asked_for(question: RecommendQuestion, models: Mapping[str, CatalogueModel]) -> tuple[str | None, str | None, str | None]:
    """The model's id and the quantization that an address asks for, and a sentence where one of them cannot be."""
    if question.model is None:
        return None, None, "A quantization goes with a model, and the address names none." if question.quant else None
    name, suffix = name_and_quantization(question.model)
    try:
        model = catalogue().find(name)
    except HeadroomError as error:
        return None, None, f"{sentence(error)} Shown instead: the best of all."
    if model.id not in models:
        return None, None, f"{model.name} writes no text. Shown instead: the best of all."
    quant = suffix or question.quant
    try:
        return model.id, quant and parse_quantization(quant), None
    except HeadroomError as error:
        return model.id, None, f"{sentence(error)} Shown instead: the best file that runs."


def heading(result: Recommended) -> None:
    """The answer in words, then its reasons."""
    found = result.recommendation
    if found is None:
        if result.refused is None:
            st.header("Nothing of the list runs on this machine", anchor=False)
            st.markdown("Choose a model below to see what it lacks, or look which machine would run it:")
            st.page_link(pages_folder() / "which_machine.py", label="Which machine runs a model?", icon=":material/search:")
            return
        refused = result.refused
        st.header(inert(f"{refused.model.name} {refused.quantization} does not run here"), anchor=False)
        st.markdown(_list(refused.verdict.reasons))
        return
    lead = "Run" if found.sure else "At best"
    st.header(inert(f"{lead} {found.choice.model.name} in {found.choice.quantization}"), anchor=False)
    st.markdown(_list((*found.why, *found.advice)))


def commands(made: dict[str, Command], path_of_verify: str | None) -> None:
    """The commands to paste, a tab a program."""
    if not made:
        return
    for tab, command in zip(st.tabs([PROGRAMS[name] for name in made]), made.values(), strict=True):
        with tab:
            st.code(command.text, language=None, wrap_lines=True)
            for note in command.notes:
                st.caption(inert(note))
    if path_of_verify:
        st.page_link(path_of_verify, label="Verify it on this machine", icon=":material/speed:")


def figure(result: Recommended) -> None:
    """Quality against speed, a dot a model."""
    models = best_of_each(result.weighed)
    if len(models) < 2:
        return
    said = _said(result)
    points = [Point(one, said.get(one.option.model.id, "It comes after those that are named.")) for one in models]
    chosen = result.recommendation.choice.model.id if result.recommendation else None
    wishes = PURPOSES[result.question.purpose]
    st.subheader("Quality against speed", anchor=False)
    chart(
        tradeoff(points, chosen, wished_tps=wishes.wished_tps, least_tps=result.least_tps),
        key="tradeoff",
        alt=tradeoff_text(points, chosen),
    )
    st.caption(
        "Each model in the file that suits this use best; circles lie whole on the GPU (open: only just), diamonds in part in "
        "system memory. Scores are fitted on published benchmarks, 50 is the mean; speeds are forecasts."
    )
    with st.expander("The same in words"):
        st.write(inert(tradeoff_text(points, chosen)))


def _said(result: Recommended) -> dict[str, str]:
    found = result.recommendation
    if found is None:
        return {}
    said = {each.option.model.id: each.why_not for each in found.alternatives}
    return {found.choice.model.id: "The recommendation.", **said}


def alternatives(found: Recommendation) -> None:
    """The next best, and why each is not the choice."""
    if not found.alternatives:
        return
    st.subheader("Why not these?", anchor=False)
    rows = [
        (
            each.option.model.name,
            f"{each.option.quantization}, {format_size(each.option.file_bytes)}",
            VERDICTS[each.option.verdict.verdict],
            f"{tokens_per_second(each.option.speed.generate_tps)}{each.option.speed.mark}" if each.option.speed else "unknown",
            each.why_not,
        )
        for each in found.alternatives
    ]
    table(("Model", "File", "Verdict", "Tokens/s", "Why not"), rows, key="alternatives", stack=True)


def changes(result: Recommended) -> None:
    """What would make the model that was asked for fit."""
    if result.changes:
        st.subheader("What would make it fit", anchor=False)
        st.markdown(_list(tuple(change.said for change in result.changes)))
    elif result.refused is not None:
        st.info("No change of context, cache or file that we know of makes it fit on this machine.")


def _list(sentences: tuple[str, ...]) -> str:
    return "\n".join(f"- {inert(sentence)}" for sentence in sentences)
