"""What can I run? The machine in one line, the answer in a sentence, then every model with its best file."""

import streamlit as st

from advisor.paths import pages_folder
from advisor.question import CONTEXTS, FitQuestion, Question
from advisor.ui.cached import fit_on
from advisor.ui.found_here import already_here
from advisor.ui.inert import inert
from advisor.ui.later import later, redraw_when_done
from advisor.ui.machine_bar import machine_bar
from advisor.ui.results import results
from advisor.ui.state import address_of, complaints, open_question, publish, seed
from advisor.ui.warm import USUAL_CONTEXT
from advisor.words import result_row, tokens

PAGE = "fit"

opened = open_question(PAGE, FitQuestion, FitQuestion(context=USUAL_CONTEXT))
chosen = machine_bar(opened)
said = st.container(gap="small")
usual = opened.question.context or USUAL_CONTEXT
context = st.segmented_control(
    "Context",
    sorted({*CONTEXTS, usual}),
    format_func=tokens,
    key=seed(opened, "fit:context", usual),
    required=True,
    help="How much text the model keeps in view, prompt and answer together. 8k tokens are about 12 pages.",
)
assert context is not None
question = opened.question.model_copy(update={**chosen.asked.machine_fields(), "context": context})
publish(PAGE, question)
for complaint in complaints(PAGE, (opened.complaint, chosen.complaint)):
    said.warning(inert(complaint))
with said, st.spinner("Laying out every model of the list …"):
    fit = fit_on(question, chosen.machine, chosen.assumptions, in_part=False)
pending = None
if not fit.complete and any(option.verdict.verdict == "no" for option in fit.options):
    whole = later().fit(question, chosen.machine, chosen.assumptions)
    fit, pending = (whole.result(), None) if whole.done() else (fit, whole)
said.header(inert(fit.headline), anchor=False)
said.caption(
    f"With {tokens(context)} tokens of context in llama-server. For each model its best file; larger and newer ones first. "
    "Memory is by formula."
)
if pending is not None:
    said.caption("Those that do not fit whole are still being laid out in part …")
    redraw_when_done(pending)


def address_in_model_page(model: str, quantization: str) -> str:
    """The address of the page that plans this model on this machine."""
    fields = {**chosen.asked.machine_fields(), "model": model, "quant": quantization, "context": context}
    return f"model?{Question.parse(fields).to_query()}"


already_here(question, context)
picked = results([result_row(option, address_in_model_page(option.model.id, option.quantization)) for option in fit.options])
if picked:
    st.switch_page(pages_folder() / "model.py", query_params=Question.from_query(picked.partition("?")[2]).query_fields())
for sentence in fit.assumptions:
    st.caption(inert(sentence))
address_of(question, here=chosen.here)
