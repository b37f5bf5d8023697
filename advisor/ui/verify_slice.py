"""Try before you download: a slice of a model that is not on this computer, as a quiet choice beside its download."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from advisor.errors import HeadroomError, TooSmallForSlicesError
from advisor.question import VerifyQuestion
from advisor.ui.inert import inert
from advisor.verification import LLAMA_CPP, look
from advisor.verify.conclusion import Looked
from advisor.words import sentence

WHAT_IT_IS = (
    "A slice is a few layers of the same shapes with random weights. It says how fast the model would write here, not how well."
)


def slice_of(question: VerifyQuestion) -> Looked | str | None:
    """What a slice takes, or in a sentence why none can be run; None where it is of no use: for a small model, or a server."""
    if question.backend != LLAMA_CPP:
        return None
    try:
        return look(question.model_copy(update={"slice": True}))
    except TooSmallForSlicesError:
        return None
    except HeadroomError as error:
        return sentence(error)


def slice_offered(found: Looked | str, beside: DeltaGenerator | None = None) -> bool:
    """Draw the choice, in `beside` where given, and below what it needs or why it cannot be; whether it was taken now."""
    taken = (beside or st).button(
        "Try a slice first",
        icon=":material/content_cut:",
        disabled=isinstance(found, str),
        help=WHAT_IT_IS,
        key="verify:slice",
    )
    st.caption(inert(f"No slice: {found}" if isinstance(found, str) else " ".join(found.check.sentences)))
    return taken
