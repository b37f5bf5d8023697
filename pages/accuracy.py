"""How accurate is this? The answer in a sentence, errors by architecture, every case with its log, other programs, limits."""

import streamlit as st

from advisor.accuracy.published import published
from advisor.accuracy.said import answer
from advisor.ui.accuracy_view import (
    accuracy_figure,
    accuracy_numbers,
    beside_others,
    cases_table,
    choose,
    compared_said,
    limits_list,
    not_compared,
    open_accuracy,
)
from advisor.ui.inert import inert
from advisor.ui.speed_view import speed_accuracy
from advisor.ui.state import address_of

known = published()
said = st.container(gap="small")
opened = open_accuracy(known)
question = choose(opened, known)
rows = known.rows(question.component, backend=question.backend, grade=question.grade)
if opened.complaint:
    said.warning(inert(opened.complaint))
said.header(inert(answer(rows, question.component, question.backend)), anchor=False)
if rows:
    said.caption(inert(compared_said(known, rows, question)))
    accuracy_numbers(rows, question.grade)
    accuracy_figure(rows)
    cases_table(rows)
else:
    said.caption("No log of this backend prints one. Choose another component or backend.")
not_compared(known.excluded(grade=question.grade))
beside_others(known.planned)
speed_accuracy()
limits_list()
address_of(question, here=False)
