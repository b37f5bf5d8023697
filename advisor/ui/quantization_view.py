"""The files of the model in question: their sizes, and what each is expected to lose."""

import streamlit as st

from advisor.advice.file_choice import file_choices
from advisor.advice.quality import quantization_loss
from advisor.figures.quantizations import size_and_loss
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata
from advisor.models.published import band_of_publishers
from advisor.quality_words import files_text, loss_sentence, size_band
from advisor.ui.chart import Charts


def quantization_view(model: ModelMetadata, charts: Charts) -> None:
    """Size against expected loss for the usual files of a catalogue model; nothing for a file, which is what it is.

    The figure is left to `charts`.
    """
    if not model.predicted or model.quantization is None:
        return
    listed = catalogue().by_id.get(model.id)
    if listed is None:
        return
    chosen = model.quantization
    files = file_choices(listed, chosen)
    st.subheader("Files of this model", anchor=False)
    native = listed.native_quantization == chosen
    loss = None if native else quantization_loss(chosen, listed.parameters)
    st.caption(f"{loss_sentence(chosen, loss)} {size_band(chosen, band_of_publishers(listed, chosen))}")
    charts.add(size_and_loss(files, chosen), key="files", alt=files_text(files, chosen))
