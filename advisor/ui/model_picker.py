"""Which model: of the catalogue, of the hub, on the disk of the computer that runs Headroom, or a file of the visitor."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import streamlit as st

from advisor.errors import HeadroomError, QuestionError, UnplannedModelError
from advisor.estimate import asked_model, asked_runtime
from advisor.machines.profile import MachineProfile
from advisor.memory.other_runtimes import OTHER_RUNTIMES, quantizations_for, runtime_of, runtime_quantization
from advisor.memory.settings import Runtime
from advisor.models.library import CATALOGUE, CatalogueModel, catalogue
from advisor.models.metadata import ModelMetadata, model_from_header
from advisor.models.quantization_names import QUANTIZATIONS, parse_quantization
from advisor.models.resolve import NO_FILES, default_quantization, is_here, name_and_quantization, resolve_model
from advisor.models.sources.hub_address import hub_address
from advisor.question import Question
from advisor.settings import settings
from advisor.ui.browser_file import browser_file, kept_file
from advisor.ui.found_here import here_now, label_of
from advisor.ui.glossary import WORDS
from advisor.ui.hub_picker import hub_picker, was_asked
from advisor.ui.state import Opened, seed
from advisor.words import parameters, sentence

Source = Literal["catalogue", "hub", "path", "browser"]
SOURCES: dict[Source, str] = {"catalogue": "List", "hub": "Hub", "path": "Here", "browser": "File"}
DEFAULT_MODEL = "llama-3.1-8b"
_MLX = "mlx-"
_TYPED = "model:typed"
"""What is wrong with a text that was typed for a model."""
_SHAPES = "BF16"
"""Any quantization has a model's shapes; this one keeps every tensor in a type that all runtimes know."""
_AS_STORED = "as the files have it"


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


def model_picker(opened: Opened[Question], machine: MachineProfile | None = None, runtime: Runtime = "llama-server") -> Picked:
    """Draw the choice of a model; the model, or the sentence that says why there is none. `machine` judges files of the hub.

    For a `runtime` that is not built on llama.cpp the model is its shapes, and the quantization one of the runtime's own.
    """
    seed(opened, "model:source", _source_of(opened.question.model))
    sources = [source for source in SOURCES if not (source == "path" and settings().hosted)]
    source = st.segmented_control(
        "Model from",
        sources,
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
    return _from_path(opened, runtime) if source == "path" else _from_catalogue(opened, runtime)


def model_of(question: Question) -> tuple[Question, ModelMetadata]:
    """`asked_model` of a question that no knob has made: a file of the browser stays there, and the hub is not asked by itself.

    Raises HeadroomError with a sentence.
    """
    file = kept_file()
    if file is not None and file.name == question.model:
        return question, model_from_header(file.header, id=file.name, source=file.name)
    if _source_of(question.model) == "hub" and not was_asked(question.model):
        raise QuestionError(
            f'"{question.model}" is a model of the hub; choose it once under Hub, and it is read', field="model"
        )
    return asked_model(question)


def _source_of(text: str) -> Source:
    chosen = kept_file()
    if chosen is not None and chosen.name == text:
        return "browser"
    try:
        if is_here(text):
            return "catalogue" if settings().hosted else "path"
        return "hub" if hub_address(text) is not None else "catalogue"
    except HeadroomError:
        return "hub"


def _from_catalogue(opened: Opened[Question], runtime: Runtime) -> Picked:
    models, labels = catalogue().by_id, model_labels()
    asked = opened.question
    name, suffix = (asked.model, None) if _of_the_host(asked.model) else name_and_quantization(asked.model)
    chosen, complaint = _nearest(name) if _source_of(asked.model) == "catalogue" else (DEFAULT_MODEL, None)
    id_ = st.selectbox(
        "Model",
        list(models),
        format_func=lambda id_: labels.get(id_, id_),
        key=seed(opened, "model:id", chosen),
        accept_new_options=True,
        on_change=_take_typed,
        help="Type any part of a name, in any order, or a name of Ollama or the hub; Enter takes the nearest.",
    )
    complaint = st.session_state.get(_TYPED) or complaint
    model = models[id_]
    if runtime in OTHER_RUNTIMES:
        shapes = model.quantized(_SHAPES)
        quant, wrong = _other_quantization(opened, runtime, shapes, suffix or asked.quant)
        return Picked(shapes, id_, quant, complaint or wrong)
    of_another = asked_runtime(asked) in OTHER_RUNTIMES
    usual, wrong = _quantization(None if of_another else suffix or asked.quant, default_quantization(model))
    names = [name for name, entry in QUANTIZATIONS.items() if entry.exact and not name.startswith(_MLX)]
    key = seed(opened, "model:quant", usual)
    quant = st.selectbox(
        "Quantization",
        [*names, *({st.session_state[key]} - {*names})],
        key=key,
        help=WORDS["quantization"],
    )
    try:
        return Picked(model.quantized(quant), id_, quant, complaint or wrong)
    except HeadroomError as error:
        return Picked(None, id_, quant, sentence(error))


@cache
def model_labels() -> dict[str, str]:
    """How each model of the catalogue stands in a list: its name and size. Every run of a page sends all of them."""
    return {id_: f"{model.name} ({parameters(model.parameters)})" for id_, model in catalogue().by_id.items()}


def _take_typed() -> None:
    """Put the model that was typed in the place of its text, and keep the sentence that says where it is another one."""
    typed = str(st.session_state["model:id"])
    known = typed in catalogue().by_id
    st.session_state["model:id"], st.session_state[_TYPED] = (typed, None) if known else _nearest(typed)


def _of_the_host(text: str) -> bool:
    """Whether `text` means a file of the computer that runs a hosted site. Nothing there is looked at."""
    if not settings().hosted:
        return False
    try:
        return is_here(text)
    except HeadroomError:
        return False


def _nearest(text: str) -> tuple[str, str | None]:
    """The id of the model that `text` names; else of the nearest that can be planned, with a sentence that says so."""
    if _of_the_host(text):
        return DEFAULT_MODEL, f"{sentence(QuestionError(NO_FILES))} Shown instead: {catalogue().by_id[DEFAULT_MODEL].name}."
    try:
        return catalogue().find(text).id, None
    except UnplannedModelError as error:
        chosen, said = error.nearest, sentence(error)
    except HeadroomError as error:
        planned = (found.model.id for found in catalogue().search(text, 20) if isinstance(found.model, CatalogueModel))
        chosen, said = next(planned, DEFAULT_MODEL), sentence(error)
    return chosen, f"{said} Shown instead: {catalogue().by_id[chosen].name}."


def _other_quantization(
    opened: Opened[Question], runtime: Runtime, shapes: ModelMetadata, asked: str | None
) -> tuple[str | None, str | None]:
    """Draw the choice among a runtime's own quantizations; the choice, and what was wrong with the address."""
    names = [*([_AS_STORED] if shapes.source != f"{CATALOGUE}{shapes.id}" else []), *quantizations_for(runtime, shapes)]
    usual, wrong = names[0], None
    if _AS_STORED not in names:
        usual = runtime_quantization(runtime, None, shapes.hyperparameters.architecture)
    if asked and asked_runtime(opened.question) == runtime:
        try:
            usual = runtime_quantization(runtime, asked, shapes.hyperparameters.architecture)
        except HeadroomError as error:
            wrong = f"{sentence(error)} Shown instead: {usual}."
    key = seed(opened, f"model:quant:{runtime}", usual)
    if st.session_state[key] not in names:
        st.session_state[key] = usual
    chosen = st.selectbox(
        "Quantization", names, key=key, help="How strongly the weights are compressed, in this program's ways."
    )
    return (None if chosen == _AS_STORED else chosen), wrong if opened.fresh else None


def _quantization(asked: str | None, usual: str) -> tuple[str, str | None]:
    """The quantization's own name, and a sentence where there is no such one, or another program's."""
    if asked is None:
        return usual, None
    if other := runtime_of(asked):
        return usual, f"{asked} is a quantization of {other}. Shown instead: {usual}."
    try:
        return parse_quantization(asked), None
    except HeadroomError as error:
        return usual, f"{sentence(error)} Shown instead: {usual}."


def _from_path(opened: Opened[Question], runtime: Runtime) -> Picked:
    asked = opened.question.model
    models = {model.text: model for model in here_now()[0].models if model.format == "gguf"}
    if models and runtime not in OTHER_RUNTIMES:
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
    other = runtime in OTHER_RUNTIMES
    what = "the folder of a model's safetensors files" if other else "a .gguf file"
    path = st.text_input(
        f"Path of {what} on the computer that runs Headroom",
        key=key,
        placeholder="/models/name" if other else "/models/file.gguf",
    ).strip()
    if not path:
        first = "Choose a model that is here, or write" if models and not other else "Write"
        return Picked(None, asked, None, f"{first} the path of {what}{'' if other else '; of a split model, its first part'}.")
    path = path if is_here(path) else f"./{path}"
    if not other or path.lower().endswith(".gguf"):
        return _resolved(path)
    found = _resolved(path, _SHAPES)
    if found.model is None:
        return found
    quant, wrong = _other_quantization(opened, runtime, found.model, opened.question.quant)
    return Picked(found.model, path, quant, wrong)


def _resolved(text: str, quantization: str | None = None) -> Picked:
    try:
        return Picked(resolve_model(text, quantization), text, None)
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
