"""Compare machines: up to four, side by side, and what each of them runs."""

import streamlit as st

from advisor.compare import MOST, compare, known_machines
from advisor.machines.sold import all_sold
from advisor.question import CompareQuestion
from advisor.ui.cached import fit_on
from advisor.ui.compare_view import at_a_glance, side_by_side
from advisor.ui.inert import inert
from advisor.ui.knobs import context_knob
from advisor.ui.state import address_of, complaints, open_question, publish, seed
from advisor.words import tokens

PAGE = "compare"

opened = open_question(PAGE, CompareQuestion, CompareQuestion())
asked, unknown = known_machines(opened.question)
st.header("Compare machines", anchor=False)
said = st.container(gap="small")
names = {sold.id: sold.name for sold in all_sold()} | {sold.id: sold.name for sold in asked}
ids = st.multiselect(
    "Machines",
    list(names),
    format_func=names.__getitem__,
    key=seed(opened, "compare:machines", [sold.id for sold in asked]),
    max_selections=MOST,
    help="Type any part of a name. A machine sold with several memory sizes is there once for each.",
)
context = context_knob(PAGE, opened, opened.question.context)
question = CompareQuestion(machines=",".join(ids) or ",", context=context)
publish(PAGE, question)
for complaint in complaints(PAGE, (opened.complaint, *unknown)):
    said.warning(inert(complaint))
chosen, _ = known_machines(question)
if not chosen:
    st.info("Choose machines to compare.")
else:
    with st.spinner("Laying out every model on each machine …"):
        shown = compare(chosen, context, lambda asked, machine: fit_on(asked, machine, (), in_part=False))
    at_a_glance(shown)
    st.subheader("What each of them runs", anchor=False)
    side_by_side(shown)
    st.caption(
        f"Each machine's first ten models, with {tokens(context)} tokens of context in llama-server: the best file that lies "
        "whole on the GPU, or without one in memory. Memory for models is what systems and drivers let a GPU take by default. "
        "Prices are those at launch, in US dollars: of the cards alone, or of the whole machine that is named."
    )
address_of(question, here=False)
