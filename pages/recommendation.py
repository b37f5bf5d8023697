"""What should I run? One recommendation with its reasons, the commands to paste, and the whole trade-off."""

import streamlit as st

from advisor.advice.purposes import PURPOSES
from advisor.errors import HeadroomError
from advisor.question import RecommendQuestion
from advisor.ui.cached import recommended_on
from advisor.ui.inert import inert
from advisor.ui.knobs import context_of_purpose_knob, least_speed_knob, purpose_knob
from advisor.ui.machine_bar import machine_bar
from advisor.ui.recommendation_view import alternatives, changes, commands, figure, file_choice, heading
from advisor.ui.state import address_of, complaints, open_question, publish
from advisor.words import sentence

PAGE = "recommendation"

opened = open_question(PAGE, RecommendQuestion, RecommendQuestion())
chosen = machine_bar(opened)
said = st.container(gap="small")
first, second, third, last = st.columns([10, 4, 4, 6])
with first:
    purpose = purpose_knob(PAGE, opened, "Each has its context, its prompt length and its wishes of speed.")
with second:
    context = context_of_purpose_knob(PAGE, opened, purpose)
with third:
    least = least_speed_knob(PAGE, opened, usual=f"{PURPOSES[purpose].least_tps:g}")
with last:
    file = file_choice(opened)
question = RecommendQuestion(
    **chosen.asked.machine_fields(), purpose=purpose, context=context, min_tps=least, model=file.model, quant=file.quant
)
publish(PAGE, question)
for each in complaints(PAGE, (opened.complaint, file.complaint, chosen.complaint)):
    said.warning(inert(each))
try:
    with said, st.spinner("Weighing every file that runs here …"):
        result = recommended_on(question, chosen.machine, chosen.assumptions)
except HeadroomError as error:
    said.error(inert(sentence(error)))
else:
    with said:
        heading(result)
    commands(result.commands, None)
    changes(result)
    figure(result)
    if result.recommendation is not None:
        alternatives(result.recommendation)
    for each in result.assumptions:
        st.caption(inert(each))
address_of(question, here=chosen.here)
