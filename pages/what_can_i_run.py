"""What can I run? The machine in one line, the answer in a sentence, then every model with its best file."""

import streamlit as st

from advisor.question import FitQuestion
from advisor.ui.cached import fit_on
from advisor.ui.machine_bar import machine_bar
from advisor.ui.results import results
from advisor.ui.state import link, open_question, publish, seed
from advisor.words import result_row, tokens

PAGE = "fit"
CONTEXTS = (4096, 8192, 32768, 131072)

opened = open_question(PAGE, FitQuestion, FitQuestion(context=8192))
answer = st.container(gap="small")
chosen = machine_bar(opened)
seed(opened, "fit:context", opened.question.context or 8192)
context = st.segmented_control(
    "Context",
    sorted({*CONTEXTS, opened.question.context or 8192}),
    format_func=tokens,
    key="fit:context",
    required=True,
    help="How much text the model keeps in view, prompt and answer together. 8k tokens are about 12 pages.",
)
question = opened.question.model_copy(update={**chosen.asked.machine_fields(), "context": context})
publish(PAGE, question)
if opened.complaint:
    answer.warning(opened.complaint)
if chosen.machine is None:
    answer.header("Which machine is it?")
else:
    fit = fit_on(question, chosen.machine, chosen.assumptions)
    answer.header(fit.headline, anchor=False)
    answer.caption(f"At a context of {tokens(context)} tokens, with llama-server's own settings. Best file for each model; larger and newer models first.")
    picked = results([result_row(option) for option in fit.options])
    if picked:
        model, _, quantization = picked.rpartition(":")
        fields = {**chosen.asked.query_fields(), "model": model, "quant": quantization, "context": str(context)}
        st.switch_page("model.py", query_params=fields)
    for sentence in fit.assumptions:
        st.caption(sentence)
    with st.popover("Address of this view", icon=":material/link:"):
        st.code(link(question), language=None)
