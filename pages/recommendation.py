"""What should I run? One recommendation with its reasons, the commands to paste, and the whole trade-off."""

import streamlit as st

from advisor.advice.purposes import PURPOSES
from advisor.errors import HeadroomError
from advisor.models.library import catalogue
from advisor.question import CONTEXTS, RecommendQuestion
from advisor.ui.cached import recommended_on
from advisor.ui.glossary import WORDS
from advisor.ui.inert import inert
from advisor.ui.machine_bar import machine_bar
from advisor.ui.recommendation_view import alternatives, changes, commands, figure, heading
from advisor.ui.state import address_of, complaints, open_question, publish, seed
from advisor.words import parameters, sentence, tokens

PAGE = "recommendation"
ANY = ""
USUAL = 0  # the entry that means: the context that the purpose asks

opened = open_question(PAGE, RecommendQuestion, RecommendQuestion())
chosen = machine_bar(opened)
said = st.container(gap="small")
models = {model.id: model for model in catalogue().models if model.generates}
asked, complaint = opened.question.model, opened.complaint
if asked is not None and asked not in models:
    try:
        asked = catalogue().find(asked).id
    except HeadroomError as error:
        asked, complaint = None, f"{sentence(error)} Shown instead: the best of all."
first, second, third, last = st.columns([10, 4, 4, 6])
purpose = first.pills(
    "Purpose",
    list(PURPOSES),
    format_func=str.capitalize,
    key=seed(opened, "recommend:purpose", opened.question.purpose),
    required=True,
    wrap=True,
    help="Each has its context, its prompt length and its wishes of speed.",
)
assert purpose is not None
wishes = PURPOSES[purpose]
context = second.selectbox(
    "Context",
    sorted({USUAL, *CONTEXTS, opened.question.context or USUAL}),
    format_func=lambda size: tokens(size) if size else f"as usual ({tokens(wishes.context)})",
    key=seed(opened, "recommend:context", opened.question.context or USUAL),
    help=WORDS["context"],
)
least = third.number_input(
    "At least, tokens/s",
    0.0,
    1000.0,
    step=5.0,
    value=None,
    key=seed(opened, "recommend:tps", opened.question.min_tps),
    placeholder=f"{wishes.least_tps:g}",
    format="%g",
    help=WORDS["tokens_per_second"],
)
model = last.selectbox(
    "Model",
    [ANY, *models],
    format_func=lambda id_: f"{models[id_].name} ({parameters(models[id_].parameters)})" if id_ else "the best of all",
    key=seed(opened, "recommend:model", asked or ANY),
    help="The best of all, or one that you have in mind: it is then said what to change where it does not fit.",
)
question = RecommendQuestion(
    **chosen.asked.machine_fields(), purpose=purpose, context=context or None, min_tps=least or None, model=model or None
)
publish(PAGE, question)
for each in complaints(PAGE, (complaint, chosen.complaint)):
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
