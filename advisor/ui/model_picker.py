"""Which model: one of the catalogue, a file on the server's disk by its path, or a file in the visitor's browser."""

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from advisor.errors import HeadroomError
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata, model_from_header
from advisor.models.quantization_names import QUANTIZATIONS
from advisor.models.resolve import default_quantization, is_file_name, resolve_model
from advisor.question import Question
from advisor.ui.browser_file import browser_file
from advisor.ui.state import Opened, seed
from advisor.words import parameters

Source = Literal["catalogue", "path", "browser"]
SOURCES: dict[Source, str] = {"catalogue": "Catalogue", "path": "File here", "browser": "Your file"}
DEFAULT_MODEL = "llama-3.1-8b"


@dataclass(frozen=True)
class Picked:
    """The model of this run. `text` and `quant` say it in a question; a file in a browser has no such text."""

    model: ModelMetadata | None
    text: str | None
    quant: str | None
    complaint: str | None = None


def model_picker(opened: Opened[Question]) -> Picked:
    """Draw the choice of a model; the model, or the sentence that says why there is none."""
    asked = opened.question
    is_path = is_file_name(asked.model)
    seed(opened, "model:source", "path" if is_path else "catalogue")
    source = st.segmented_control("Model from", list(SOURCES), format_func=SOURCES.__getitem__, key="model:source", required=True)
    if source == "browser":
        return _from_browser()
    if source == "path":
        seed(opened, "model:path", asked.model if is_path else "")
        return _from_path()
    return _from_catalogue(opened, None if is_path else asked.model)


def _from_catalogue(opened: Opened[Question], wanted: str | None) -> Picked:
    models = {model.id: model for model in catalogue().models}
    complaint = None
    try:
        chosen = catalogue().find((wanted or DEFAULT_MODEL).partition(":")[0]).id
    except HeadroomError as error:
        chosen, complaint = DEFAULT_MODEL, str(error)
    seed(opened, "model:id", chosen)
    id_ = st.selectbox(
        "Model",
        list(models),
        format_func=lambda id_: f"{models[id_].name} ({parameters(models[id_].parameters)})",
        key="model:id",
        help="Type any part of a name.",
    )
    model = models[id_]
    names = [name for name, entry in QUANTIZATIONS.items() if entry.exact]
    usual = opened.question.quant or default_quantization(model)
    seed(opened, "model:quant", usual if usual in names else default_quantization(model))
    quant = st.selectbox("Quantization", names, key="model:quant", help="How strongly the weights are compressed. Q4_K_M is what most people run.")
    return Picked(None if complaint else model.quantized(quant), id_, quant, complaint)


def _from_path() -> Picked:
    path = st.text_input("Path of a .gguf file on the computer that runs Headroom", key="model:path", placeholder="/models/file.gguf").strip()
    if not path:
        return Picked(None, None, None, "Write the path of a .gguf file; of a split model, its first part.")
    try:
        if not is_file_name(path):
            path = f"./{path}"
        return Picked(resolve_model(path), path, None)
    except HeadroomError as error:
        return Picked(None, path, None, str(error))


def _from_browser() -> Picked:
    file = browser_file()
    if file is None:
        return Picked(None, None, None, "Choose a .gguf file; of a split model, its first part.")
    try:
        return Picked(model_from_header(file.header, id=file.name, source=file.name), None, None)
    except HeadroomError as error:
        return Picked(None, None, None, str(error))
