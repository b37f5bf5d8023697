"""Knobs that several pages have: purpose, context, least tokens a second. Each is drawn in the container that is open."""

from typing import TypeVar

import streamlit as st

from advisor.advice.purposes import PURPOSES
from advisor.advice.quality import Purpose
from advisor.question import CONTEXTS, Asked, FitQuestion, WhichQuestion
from advisor.ui.glossary import WORDS
from advisor.ui.state import Opened, seed
from advisor.words import tokens

A = TypeVar("A", bound=Asked)
P = TypeVar("P", bound=FitQuestion)
S = TypeVar("S", bound=FitQuestion | WhichQuestion)

_USUAL = 0
"""The entry that means: the context that the purpose asks."""
_MOST_TPS = 1000.0


def purpose_knob(page: str, opened: Opened[P], help_: str) -> Purpose:
    """Draw the choice of a purpose."""
    purpose = st.pills(
        "Purpose",
        list(PURPOSES),
        format_func=str.capitalize,
        key=seed(opened, f"{page}:purpose", opened.question.purpose),
        required=True,
        wrap=True,
        help=help_,
    )
    assert purpose is not None
    return purpose


def context_knob(page: str, opened: Opened[A], asked: int) -> int:
    """Draw the contexts that pages offer, and the one that is `asked` for."""
    context = st.segmented_control(
        "Context",
        sorted({*CONTEXTS, asked}),
        format_func=tokens,
        key=seed(opened, f"{page}:context", asked),
        required=True,
        help=WORDS["context"],
    )
    assert context is not None
    return context


def context_of_purpose_knob(page: str, opened: Opened[P], purpose: Purpose) -> int | None:
    """As `context_knob`, with the purpose's own first: None."""
    asked = opened.question.context or _USUAL
    context = st.selectbox(
        "Context",
        sorted({_USUAL, *CONTEXTS, asked}),
        format_func=lambda size: tokens(size) if size else f"as usual ({tokens(PURPOSES[purpose].context)})",
        key=seed(opened, f"{page}:context", asked),
        help=WORDS["context"],
    )
    return context or None


def least_speed_knob(
    page: str, opened: Opened[S], *, usual: str = "any speed", help_: str = WORDS["tokens_per_second"]
) -> float | None:
    """Draw the field of the least tokens a second; None where it is empty. `usual` says what that means."""
    least = st.number_input(
        "At least, tokens/s",
        0.0,
        _MOST_TPS,
        step=5.0,
        value=None,
        key=seed(opened, f"{page}:tps", opened.question.min_tps),
        placeholder=usual,
        format="%g",
        help=help_,
    )
    return least or None
