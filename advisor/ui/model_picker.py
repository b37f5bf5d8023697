"""Which model: of the catalogue, of the hub, on the disk of the computer that runs Headroom, or a file of the visitor."""

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from advisor.errors import HeadroomError
from advisor.machines.profile import MachineProfile
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata, model_from_header
from advisor.models.quantization_names import QUANTIZATIONS, parse_quantization
from advisor.models.resolve import default_quantization, is_here, resolve_model
from advisor.models.sources.hub_address import hub_address
from advisor.question import Question
from advisor.ui.browser_file import browser_file, kept_file
from advisor.ui.found_here import here_now, label_of
from advisor.ui.hub_picker import hub_picker
from advisor.ui.state import Opened, seed
from advisor.words import parameters, sentence

Source = Literal["catalogue", "hub", "path", "browser"]
SOURCES: dict[Source, str] = {"catalogue": "List", "hub": "Hub", "path": "Here", "browser": "Your file"}
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


def model_picker(opened: Opened[Question], machine: MachineProfile | None = None) -> Picked:
    """Draw the choice of a model; the model, or the sentence that says why there is none. `machine` judges files of the hub."""
    seed(opened, "model:source", _source_of(opened.question.model))
    source = st.segmented_control(
        "Model from",
        list(SOURCES),
        format_func=SOURCES.__getitem__,
        key="model:source",
        required=True,
        help="The list of known models, the Hugging Face hub, the computer that runs Headroom, or a file in your browser.",
    )
    if source == "browser":
        return _from_browser(opened)
    if source == "hub":
        of_hub = hub_picker(opened, machine)
        return Picked(of_hub.model, of_hub.text, None, of_hub.complaint)
    return _from_path(opened) if source == "path" else _from_catalogue(opened)


def _source_of(text: str) -> Source:
    chosen = kept_file()
    if chosen is not None and chosen.name == text:
        return "browser"
    try:
        if is_here(text):
            return "path"
        return "hub" if hub_address(text) is not None else "catalogue"
    except HeadroomError:
        return "hub"


def _from_catalogue(opened: Opened[Question]) -> Picked:
    models = {model.id: model for model in catalogue().models}
    asked = opened.question
    name, _, suffix = asked.model.partition(":")
    complaint = None
    try:
        chosen = DEFAULT_MODEL if _source_of(asked.model) != "catalogue" else catalogue().find(name).id
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
    models = {model.text: model for model in here_now()[0].models if model.format == "gguf"}
    if models:
        chosen = st.selectbox(
            "Already on this machine",
            list(models),
            index=None,
            key=seed(opened, "model:here", asked if asked in models else None),
            format_func=lambda text: label_of(models[text]) if text in models else text,
            placeholder=f"{len(models)} found",
        )
        if chosen:
            return _resolved(chosen)
    key = seed(opened, "model:path", asked if _source_of(asked) == "path" and asked not in models else "")
    path = st.text_input(
        "Path of a .gguf file on the computer that runs Headroom", key=key, placeholder="/models/file.gguf"
    ).strip()
    if not path:
        return Picked(None, asked, None, "Write the path of a .gguf file; of a split model, its first part.")
    return _resolved(path if is_here(path) else f"./{path}")


def _resolved(text: str) -> Picked:
    try:
        return Picked(resolve_model(text), text, None)
    except HeadroomError as error:
        return Picked(None, text, None, sentence(error))


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
