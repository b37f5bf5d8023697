"""Which model: one of the catalogue, a file on the server's disk by its path, or a file in the visitor's browser."""

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from advisor.errors import HeadroomError
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata, model_from_header
from advisor.models.quantization_names import QUANTIZATIONS, parse_quantization
from advisor.models.resolve import default_quantization, is_file_name, resolve_model
from advisor.question import Question
from advisor.ui.browser_file import browser_file, kept_file
from advisor.ui.state import Opened, seed
from advisor.words import parameters, sentence

Source = Literal["catalogue", "path", "browser"]
SOURCES: dict[Source, str] = {"catalogue": "List", "path": "Path", "browser": "Your file"}
DEFAULT_MODEL = "llama-3.1-8b"
_MLX = "mlx-"


@dataclass(frozen=True)
class Picked:
    """The model of this run. `text` and `quant` say it in a question."""

    model: ModelMetadata | None
    text: str
    quant: str | None
    complaint: str | None = None
    """What is wrong with what was asked for, or what to do where nothing is chosen yet."""
    in_browser: bool = False
    """A file in the visitor's browser: its name is no address from which anybody else could open it."""


def model_picker(opened: Opened[Question]) -> Picked:
    """Draw the choice of a model; the model, or the sentence that says why there is none."""
    seed(opened, "model:source", _source_of(opened.question.model))
    source = st.segmented_control(
        "Model from",
        list(SOURCES),
        format_func=SOURCES.__getitem__,
        key="model:source",
        required=True,
        help="The list of known models, the path of a .gguf file on the computer that runs Headroom, or a file of yours.",
    )
    if source == "browser":
        return _from_browser(opened)
    return _from_path(opened) if source == "path" else _from_catalogue(opened)


def _source_of(text: str) -> Source:
    chosen = kept_file()
    if chosen is not None and chosen.name == text:
        return "browser"
    return "path" if is_file_name(text) else "catalogue"


def _from_catalogue(opened: Opened[Question]) -> Picked:
    models = {model.id: model for model in catalogue().models}
    asked = opened.question
    name, _, suffix = asked.model.partition(":")
    complaint = None
    try:
        chosen = DEFAULT_MODEL if is_file_name(asked.model) else catalogue().find(name).id
    except HeadroomError as error:
        chosen = DEFAULT_MODEL
        complaint = f"{sentence(error)} Shown instead: {models[chosen].name}."
    id_ = st.selectbox(
        "Model",
        list(models),
        format_func=lambda id_: f"{models[id_].name} ({parameters(models[id_].parameters)})",
        key=seed(opened, "model:id", chosen),
        help="Type any part of a name.",
    )
    model = models[id_]
    usual, wrong = _quantization(suffix or asked.quant, default_quantization(model))
    names = [name for name, entry in QUANTIZATIONS.items() if entry.exact and not name.startswith(_MLX)]
    key = seed(opened, "model:quant", usual)
    quant = st.selectbox(
        "Quantization",
        [*names, *({st.session_state[key]} - {*names})],
        key=key,
        help="How strongly the weights are compressed. Most people run Q4_K_M; below it quality falls noticeably.",
    )
    try:
        return Picked(model.quantized(quant), id_, quant, complaint or wrong)
    except HeadroomError as error:
        return Picked(None, id_, quant, sentence(error))


def _quantization(asked: str | None, usual: str) -> tuple[str, str | None]:
    """The quantization's own name, and a sentence where there is no such one."""
    if asked is None:
        return usual, None
    try:
        return parse_quantization(asked), None
    except HeadroomError as error:
        return usual, f"{sentence(error)} Shown instead: {usual}."


def _from_path(opened: Opened[Question]) -> Picked:
    asked = opened.question.model
    key = seed(opened, "model:path", asked if is_file_name(asked) else "")
    path = st.text_input(
        "Path of a .gguf file on the computer that runs Headroom", key=key, placeholder="/models/file.gguf"
    ).strip()
    if not path:
        return Picked(None, asked, None, "Write the path of a .gguf file; of a split model, its first part.")
    path = path if is_file_name(path) else f"./{path}"
    try:
        return Picked(resolve_model(path), path, None)
    except HeadroomError as error:
        return Picked(None, path, None, sentence(error))


def _from_browser(opened: Opened[Question]) -> Picked:
    file = browser_file()
    if file is None:
        return Picked(
            None, opened.question.model, None, "Choose a .gguf file; of a split model, its first part.", in_browser=True
        )
    try:
        return Picked(model_from_header(file.header, id=file.name, source=file.name), file.name, None, in_browser=True)
    except HeadroomError as error:
        return Picked(None, file.name, None, sentence(error), in_browser=True)
