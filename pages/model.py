"""What does this model need? The verdict, the stack of memory against the machine, and how it grows with the context."""

from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from advisor.errors import HeadroomError
from advisor.estimate import LLAMA_RUNTIMES
from advisor.figures.memory import key_of, memory_by_context, stacked_memory
from advisor.memory.curves import Curves
from advisor.models.metadata import ModelMetadata
from advisor.question import ModelQuestion
from advisor.reports.making import report_of_estimate
from advisor.settings import settings
from advisor.ui.cached import answer_on, curves_on
from advisor.ui.chart import Charts, let_be_read
from advisor.ui.engine_grade import PATIENCE_S, EngineAnswer, ask_engine, look_again
from advisor.ui.inert import inert
from advisor.ui.machine_bar import machine_bar
from advisor.ui.model_picker import DEFAULT_MODEL, model_picker
from advisor.ui.plan_view import curves_said, difference_table, grade_line, plan_heading, plan_numbers, plan_table
from advisor.ui.quantization_view import quantization_view
from advisor.ui.run_controls import kept_fields, program, run_controls
from advisor.ui.share import share
from advisor.ui.speed_view import speed_view
from advisor.ui.state import address_of, complaints, open_question, publish
from advisor.ui.tables import legend
from advisor.ui.two_settings_view import compare_button, kept_beside, two_settings_view
from advisor.ui.verify_runs import verify_button
from advisor.words import curves_text, stack_text

PAGE = "model"

opened = open_question(PAGE, ModelQuestion, ModelQuestion(model=DEFAULT_MODEL, machine="detected"))
chosen = machine_bar(opened)
said = st.container(gap="small")
knobs, shown = st.columns([3, 7], gap="large")
box = knobs.container(border=True)
with box:
    runtime = program(opened, chosen.machine)
    picked = model_picker(opened, chosen.machine, runtime)
    fields = run_controls(opened, picked.model, chosen.machine, runtime) if picked.model else {}
others = kept_fields(opened.question, runtime) if fields else opened.question.model_dump(exclude_none=True)
asked = {"model": picked.text, "quant": picked.quant, "runtime": runtime, "grade": "formula", **chosen.asked.machine_fields()}
shared = ModelQuestion.parse(others | fields | asked | {"beside": kept_beside(opened)})
question = shared.alone
publish(PAGE, shared)
if picked.model:
    with box:
        compare_button(shared)
wrong = picked.complaint if picked.model else None
for complaint in complaints(PAGE, (opened.complaint, chosen.complaint, wrong)):
    said.warning(inert(complaint))


def figures(answer: EngineAnswer, heading: DeltaGenerator, curves: Curves, charts: Charts) -> None:
    """The answer and its figure by the best grade that is known now; drawn again alone when the engine's is there."""
    known = answer.now()
    result = known.result
    with heading:
        plan_heading(result)
    plan_numbers(result, curves)
    grade_line(known)
    stack = stacked_memory(result.plan)
    legend(key_of(stack), key="stack_legend")
    charts.add(stack, key="stack", alt=stack_text(result.plan))
    plan_table(result)
    difference_table(known)
    if known.pending:
        look_again()


def show(model: ModelMetadata) -> None:
    """The answer above the knobs, its figures beside them."""
    known = answer_on(question, model, chosen.machine, chosen.assumptions)
    formula = known.result
    answer = ask_engine(question, model, chosen.machine, chosen.assumptions, formula)
    curves = curves_on(question, model, chosen.machine)
    answer.wait(PATIENCE_S)
    charts = Charts()
    with shown:
        if shared.beside:
            two_settings_view(shared, chosen.machine, chosen.assumptions, formula, curves, charts)
        # Only what the engine may still change is drawn again alone: Streamlit keeps a copy of the page's frame for it.
        draw = figures if answer.coming is None else st.fragment(figures)
        draw(answer, said.container(), curves, charts)
        # A page that is opened shows nothing yet that could be held up; a hosted site has many to answer.
        if not opened.fresh and not settings().hosted:
            let_be_read()
        speed_view(known, charts)
        st.subheader("Memory against context", anchor=False)
        st.caption(curves_said(curves, formula, question.gpu_layers))
        lines = memory_by_context(curves.curves, curves.limit_bytes, formula.plan.settings.context)
        legend(key_of(lines), key="curves_legend")
        charts.add(lines, key="curves", alt=curves_text(curves))
        if runtime in LLAMA_RUNTIMES:
            quantization_view(model, charts)
        if chosen.here and not picked.in_browser:
            verify_button(question)
        if picked.in_browser:
            st.caption("This view has no address that others could open: the file is in your browser only.")
        else:
            address_of(shared, here=chosen.here)
        share(partial(report_of_estimate, formula), key="model")
    charts.draw()


if picked.model is None:
    said.header("Which model?", anchor=False)
    said.caption(inert(picked.complaint or ""))
else:
    try:
        show(picked.model)
    except HeadroomError as error:
        said.header("This cannot be planned", anchor=False)
        said.caption(inert(f"{error}"))
