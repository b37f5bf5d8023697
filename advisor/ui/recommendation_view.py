"""A recommendation on a page: the choice, the commands, the trade-off, what else there is, and what would make it fit."""

import streamlit as st

from advisor.advice.commands import Command
from advisor.advice.purposes import PURPOSES
from advisor.advice.ranking import best_of_each
from advisor.advice.recommendation import Recommendation
from advisor.figures.tradeoff import Point, tradeoff, tradeoff_text
from advisor.recommend import Recommended
from advisor.ui.chart import chart
from advisor.ui.inert import inert
from advisor.ui.tables import table
from advisor.units import format_size
from advisor.words import VERDICTS, tokens_per_second

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


def heading(result: Recommended) -> None:
    """The answer in words, then its reasons."""
    found = result.recommendation
    if found is None:
        if result.refused is None:
            st.header("Nothing of the list runs on this machine", anchor=False)
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
            tokens_per_second(each.option.speed.generate_tps if each.option.speed else None),
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
