"""What can I run? The machine in one line, the answer in a sentence, then every model with its best file."""

import streamlit as st

from advisor.ahead import USUAL_CONTEXT
from advisor.fit import led_by
from advisor.paths import pages_folder
from advisor.question import FitQuestion, Question, RecommendQuestion
from advisor.result_row import result_row
from advisor.ui.cached import fit_on
from advisor.ui.found_here import already_here
from advisor.ui.glossary import QUESTIONS, ask
from advisor.ui.inert import inert
from advisor.ui.knobs import context_knob, least_speed_knob, purpose_knob
from advisor.ui.later import answer_of, later, redraw_when_done
from advisor.ui.machine_bar import machine_bar
from advisor.ui.results import results
from advisor.ui.state import address_of, complaints, open_question, publish
from advisor.words import best_line, tokens

PAGE = "fit"

opened = open_question(PAGE, FitQuestion, FitQuestion(context=USUAL_CONTEXT))
chosen = machine_bar(opened)
said = st.container(gap="small")
first, second, third = st.columns([5, 4, 3])
with first:
    purpose = purpose_knob(PAGE, opened, "Models are ordered by how well they answer for it.")
with second:
    context = context_knob(PAGE, opened, opened.question.context or USUAL_CONTEXT)
with third:
    least = least_speed_knob(PAGE, opened)
wishes = {"context": context, "purpose": purpose, "min_tps": least}
question = opened.question.model_copy(update={**chosen.asked.machine_fields(), **wishes})
publish(PAGE, question)
for complaint in complaints(PAGE, (opened.complaint, chosen.complaint)):
    said.warning(inert(complaint))
with said, st.spinner("Laying out every model of the list …"):
    fit = fit_on(question, chosen.machine, chosen.assumptions, in_part=False)
whole = None
if not fit.complete and any(option.verdict.verdict == "no" for option in fit.options):
    whole = later().fit(question, chosen.machine, chosen.assumptions)
    fit = answer_of(whole) or fit
asked = RecommendQuestion(**chosen.asked.machine_fields(), **wishes)
best = later().recommended(asked, chosen.machine, chosen.assumptions)
weighed = answer_of(best)
said.header(inert(fit.headline), anchor=False)
if weighed is None:
    said.markdown("What suits best is still being weighed …")
elif advice := best_line(weighed):
    with said.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(inert(advice), width="content")
        st.page_link(
            pages_folder() / "recommendation.py",
            label="Why, and the command that runs it",
            icon=":material/arrow_forward:",
            query_params=asked.query_fields(),
        )
corrected = ", corrected by what was measured here" if any(one.speed and one.speed.mark for one in fit.options) else ""
said.caption(
    f"With {tokens(context)} tokens of context in llama-server. For each model its best file, in order of what its answers are "
    f"worth for {purpose}, slowness taken off. Memory is by formula, speed is a forecast{corrected}."
)
if whole is not None and not fit.complete:
    said.caption("Those that do not fit whole are still being laid out in part …")
redraw_when_done(*(coming for coming, there in ((whole, fit.complete), (best, weighed)) if coming is not None and not there))


def address_in_model_page(model: str, quantization: str) -> str:
    """The address of the page that plans this model on this machine."""
    fields = {**chosen.asked.machine_fields(), "model": model, "quant": quantization, "context": context}
    return f"model?{Question.parse(fields).to_query()}"


already_here(question, context)
advised = weighed.recommendation if weighed else None
choice = advised.choice if advised and advised.sure else None
rows = [
    result_row(
        option,
        address_in_model_page(option.model.id, option.quantization),
        note=f"best for {purpose}" if option is choice else "",
    )
    for option in (led_by(choice, fit.by_advice) if choice else fit.by_advice)
]
picked = results(rows)
if picked:
    st.switch_page(pages_folder() / "model.py", query_params=Question.from_query(picked.partition("?")[2]).query_fields())
ask(QUESTIONS)
for sentence in fit.assumptions:
    st.caption(inert(sentence))
address_of(question, here=chosen.here)
