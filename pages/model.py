"""What does this model need? The verdict, the stack of memory against the machine, and how it grows with the context."""

import streamlit as st

from advisor.errors import HeadroomError
from advisor.estimate import curves_for, estimate_for
from advisor.figures.memory import memory_by_context, stacked_memory
from advisor.figures.style import CONFIG
from advisor.question import Question
from advisor.ui.machine_bar import machine_bar
from advisor.ui.model_picker import DEFAULT_MODEL, model_picker
from advisor.ui.plan_view import plan_cards, plan_heading, plan_table
from advisor.ui.run_controls import CONTROLLED, run_controls
from advisor.ui.state import link, open_question, publish
from advisor.words import curves_text, stack_text

PAGE = "model"

opened = open_question(PAGE, Question, Question(model=DEFAULT_MODEL, machine="detected"))
top = st.container(gap="small")
chosen = machine_bar(opened)
knobs, shown = st.columns([3, 8], gap="large")
with knobs.container(border=True):
    picked = model_picker(opened)
    fields = run_controls(opened, picked.model) if picked.model else {}
kept = opened.question.model_dump(exclude=CONTROLLED, exclude_none=True)
asked = {"model": picked.text or opened.question.model, "quant": picked.quant, **chosen.asked.machine_fields()}
question = Question.parse(kept | fields | asked)
publish(PAGE, question)
if opened.complaint:
    top.warning(opened.complaint)
if picked.model is None:
    top.header("Which model?", anchor=False)
    top.caption(picked.complaint or "")
    st.stop()
try:
    result = estimate_for(question, picked.model, chosen.machine, chosen.assumptions)
except HeadroomError as error:
    top.header("This cannot be planned", anchor=False)
    top.caption(f"{error}")
    st.stop()
with top:
    plan_heading(result)
with shown:
    curves = curves_for(question, picked.model, chosen.machine)
    plan_cards(result, curves)
    st.plotly_chart(stacked_memory(result.plan), config=CONFIG, key="stack", alt=stack_text(result.plan))
    st.subheader("Memory against context", anchor=False)
    st.plotly_chart(
        memory_by_context(curves.curves, curves.limit_bytes, result.plan.settings.context),
        config=CONFIG,
        key="curves",
        alt=curves_text(curves),
    )
    plan_table(result)
    if picked.text:
        with st.popover("Address of this view", icon=":material/link:"):
            st.code(link(question), language=None)
