"""Which machine runs this model? All that hold it whole, smallest memory first."""

import streamlit as st

from advisor.errors import HeadroomError
from advisor.models.library import catalogue
from advisor.models.quantization_names import QUANTIZATIONS
from advisor.models.resolve import default_quantization
from advisor.question import WhichQuestion
from advisor.ui.cached import holders_of
from advisor.ui.compare_view import holders_table
from advisor.ui.glossary import WORDS
from advisor.ui.inert import inert
from advisor.ui.knobs import context_knob, least_speed_knob
from advisor.ui.model_picker import model_labels
from advisor.ui.state import address_of, complaints, open_question, publish, seed
from advisor.units import format_size
from advisor.words import sentence

PAGE = "which"

opened = open_question(PAGE, WhichQuestion, WhichQuestion())
models, labels = catalogue().by_id, model_labels()
complaint = opened.complaint
try:
    asked = catalogue().find(opened.question.model)
except HeadroomError as error:
    asked, complaint = models[WhichQuestion().model], f"{sentence(error)} Shown instead: {models[WhichQuestion().model].name}."
st.header("Which machine runs this model?", anchor=False)
said = st.container(gap="small")
answer = st.container(gap="small")
first, second, third = st.columns([5, 2, 3])
id_ = first.selectbox(
    "Model",
    list(models),
    format_func=labels.__getitem__,
    key=seed(opened, "which:model", asked.id),
)
usual = opened.question.quant if opened.question.quant in QUANTIZATIONS else default_quantization(asked)
names = [name for name, entry in QUANTIZATIONS.items() if entry.exact and entry.is_gguf]
quant = second.selectbox(
    "Quantization", [*names, *({usual} - {*names})], key=seed(opened, "which:quant", usual), help=WORDS["quantization"]
)
with third:
    least = least_speed_knob(PAGE, opened, help_="Machines that are expected to be slower are left out.")
context = context_knob(PAGE, opened, opened.question.context)
question = WhichQuestion(model=id_, quant=quant, context=context, min_tps=least)
publish(PAGE, question)
for each in complaints(PAGE, (complaint,)):
    said.warning(inert(each))
try:
    found = holders_of(question)
except HeadroomError as error:
    answer.error(inert(sentence(error)))
else:
    size = format_size(found.model.file_bytes)
    if found.holders:
        smallest = found.holders[0]
        answer.markdown(
            f"**{inert(found.model.name)} in {quant} ({size}) runs whole on {len(found.holders)} of {found.asked} machines.** "
            f"The smallest is {inert(smallest.sold.name)}."
        )
        holders_table(found)
        st.caption(
            "Speeds are forecasts for one reader with an empty context; the range holds 80 % of cases. Prices are those at "
            "launch, in US dollars: of the cards alone, or of the whole machine that is named."
        )
    else:
        fast = f" at {least:g} tokens/s or more" if least else ""
        way_out = "Ask for less speed, or try a smaller file." if least else "Try a smaller file or a shorter context."
        answer.markdown(f"**No machine of the list runs {inert(found.model.name)} in {quant} ({size}) whole{fast}.** {way_out}")
address_of(question, here=False)
